package main

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// customizations are those that go wrong on purpose. The simulator's own end
// well, and at once, while the VM is powered on.
type customizations struct {
	mu      sync.Mutex
	rules   []*customizationRule
	planned map[string]customizationRule // by the clone's instanceUuid
}

// customizationRule is how the next customizations end.
type customizationRule struct {
	Event   string `json:"event"`    // such as CustomizationNetworkSetupFailed
	Message string `json:"message"`  // the event's full text, and the reason in the guest's status
	DelayMS int    `json:"delay_ms"` // how long the customization runs
	Times   int    `json:"times"`    // default 1
}

func newCustomizations() *customizations {
	return &customizations{planned: map[string]customizationRule{}}
}

// take is the rule for one more customization, if there is one.
func (c *customizations) take() (customizationRule, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rules) == 0 {
		return customizationRule{}, false
	}
	rule := c.rules[0]
	if rule.Times--; rule.Times <= 0 {
		c.rules = c.rules[1:]
	}
	return *rule, true
}

// planCustomization keeps a customization that is to fail from the simulator:
// it begins when the clone is powered on, see beginCustomization.
func (l *Lab) planCustomization(spec *types.VirtualMachineCloneSpec) {
	if spec.Customization == nil {
		return
	}
	if rule, ok := l.customizations.take(); ok {
		spec.Customization = nil
		l.customizations.mu.Lock()
		l.customizations.planned[spec.Config.InstanceUuid] = rule
		l.customizations.mu.Unlock()
	}
}

// beginCustomization has a VM's planned customization run, and fail, now that
// the VM is on. The caller has the VM to itself.
//
// GuestInfoCustomizationStatus, TOOLSDEPLOYPKG_RUNNING: "The customization
// process is currently running inside the guest OS".
func (l *Lab) beginCustomization(ctx *simulator.Context, vm *mo.VirtualMachine) {
	if vm.Config == nil || vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		return
	}
	l.customizations.mu.Lock()
	rule, ok := l.customizations.planned[vm.Config.InstanceUuid]
	delete(l.customizations.planned, vm.Config.InstanceUuid)
	l.customizations.mu.Unlock()
	if !ok {
		return
	}
	setCustomizationInfo(ctx, vm, types.GuestInfoCustomizationStatusTOOLSDEPLOYPKG_RUNNING, "")
	ref, name := vm.Self, vm.Name
	go guarded("a customization", func() {
		l.postVMEvent("CustomizationStartedEvent", ref, name, "")
		time.Sleep(time.Duration(rule.DelayMS) * time.Millisecond)
		l.endCustomization(ref, types.GuestInfoCustomizationStatusTOOLSDEPLOYPKG_FAILED, rule.Message)
		l.postVMEvent(rule.Event, ref, name, rule.Message)
	})
}

// endCustomization sets the status of a VM's customization.
func (l *Lab) endCustomization(ref types.ManagedObjectReference, status types.GuestInfoCustomizationStatus, message string) {
	vm, ok := l.model.Map().Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return // destroyed meanwhile
	}
	ctx := l.internalContext()
	ctx.WithLock(vm, func() { setCustomizationInfo(ctx, &vm.VirtualMachine, status, message) })
}

func setCustomizationInfo(ctx *simulator.Context, vm *mo.VirtualMachine, status types.GuestInfoCustomizationStatus, message string) {
	ctx.Update(vm, []types.PropertyChange{{
		Name: "guest.customizationInfo",
		Val:  types.GuestInfoCustomizationInfo{CustomizationStatus: string(status), ErrorMsg: message},
	}})
}

// postVMEvent posts an event of that type about a VM, with that text.
func (l *Lab) postVMEvent(kind string, ref types.ManagedObjectReference, name, message string) {
	event, err := newVMEvent(kind, ref, name, message)
	if err != nil {
		return // the type was checked when the rule was made
	}
	ctx := l.internalContext()
	manager := ctx.Map.EventManager()
	ctx.WithLock(manager, func() { manager.PostEvent(ctx, &types.PostEvent{EventToPost: event}) })
}

// newVMEvent makes a customization event of any type.
func newVMEvent(kind string, ref types.ManagedObjectReference, name, message string) (types.BaseEvent, error) {
	found, ok := isVimType(kind)
	if !ok || !strings.HasPrefix(kind, "Customization") {
		return nil, fmt.Errorf("%q is no customization event", kind)
	}
	value := reflect.New(found)
	event, ok := value.Interface().(types.BaseEvent)
	if !ok {
		return nil, fmt.Errorf("%q is no customization event", kind)
	}
	event.GetEvent().FullFormattedMessage = message
	event.GetEvent().Vm = &types.VmEventArgument{EntityEventArgument: types.EntityEventArgument{Name: name}, Vm: ref}
	return event, nil
}

// keepEventTexts has the simulator leave the text of an event that has one.
func keepEventTexts(registry *simulator.Registry) {
	const begin = "{{if .FullFormattedMessage}}{{.FullFormattedMessage}}{{else}}"
	manager := registry.EventManager()
	manager.Description.EventInfo = slices.Clone(manager.Description.EventInfo) // it is the same for all models
	for i := range manager.Description.EventInfo {
		info := &manager.Description.EventInfo[i]
		if strings.HasPrefix(info.Key, "Customization") && !strings.HasPrefix(info.FullFormat, begin) {
			info.FullFormat = begin + info.FullFormat + "{{end}}"
		}
	}
}

// failCustomizations takes {"event": "CustomizationSysprepFailed", "message": "..."}:
// the customizations of the next clones end so.
func (c *control) failCustomizations(r *http.Request) (any, error) {
	rule := customizationRule{Event: "CustomizationFailed", Times: 1}
	if err := decode(r, &rule); err != nil {
		return nil, err
	}
	if _, err := newVMEvent(rule.Event, types.ManagedObjectReference{}, "", ""); err != nil {
		return nil, err
	}
	if rule.DelayMS < 0 || rule.Times < 1 {
		return nil, errors.New("delay_ms must not be negative, and times must be positive")
	}
	c.lab.customizations.mu.Lock()
	defer c.lab.customizations.mu.Unlock()
	c.lab.customizations.rules = append(c.lab.customizations.rules, &rule)
	return done{true}, nil
}

// spareCustomizations lets customizations succeed again.
func (c *control) spareCustomizations(*http.Request) (any, error) {
	c.lab.customizations.mu.Lock()
	defer c.lab.customizations.mu.Unlock()
	c.lab.customizations.rules = nil
	return done{true}, nil
}

// tellCustomization takes {"status": "TOOLSDEPLOYPKG_FAILED", "event": "CustomizationFailed",
// "message": "..."}, each of which may be left out: what a VM's guest has come to.
func (c *control) tellCustomization(r *http.Request) (any, error) {
	var request struct{ Status, Event, Message string }
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: r.PathValue("moid")}
	if _, ok := c.lab.model.Map().Get(ref).(*simulator.VirtualMachine); !ok {
		return nil, errNotFound
	}
	if request.Status != "" {
		c.lab.endCustomization(ref, types.GuestInfoCustomizationStatus(request.Status), request.Message)
	}
	if request.Event == "" {
		return done{true}, nil
	}
	if _, err := newVMEvent(request.Event, ref, "", ""); err != nil {
		return nil, err
	}
	c.lab.postVMEvent(request.Event, ref, nameOf(c.lab.model.Map(), ref), request.Message)
	return done{true}, nil
}

// connectNICs takes {"connected": false}: all the VM's adapters, also as its guest sees them.
func (c *control) connectNICs(r *http.Request) (any, error) {
	var request struct{ Connected bool }
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: r.PathValue("moid")}
	vm, ok := c.lab.model.Map().Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return nil, errNotFound
	}
	ctx := c.lab.internalContext()
	ctx.WithLock(vm, func() {
		ctx.Update(vm, []types.PropertyChange{
			{Name: "config.hardware.device", Val: withConnection(vm.Config.Hardware.Device, request.Connected)},
			{Name: "guest.net", Val: netWithConnection(vm.Guest.Net, request.Connected)},
		})
	})
	return done{true}, nil
}

// withConnection is a copy of the devices, their NICs connected or not.
func withConnection(devices []types.BaseVirtualDevice, connected bool) []types.BaseVirtualDevice {
	copied := slices.Clone(devices)
	for i, device := range copied {
		if _, ok := device.(types.BaseVirtualEthernetCard); !ok {
			continue
		}
		own := reflect.New(reflect.TypeOf(device).Elem())
		own.Elem().Set(reflect.ValueOf(device).Elem())
		copied[i] = own.Interface().(types.BaseVirtualDevice)
		info := types.VirtualDeviceConnectInfo{StartConnected: true, AllowGuestControl: true}
		if known := copied[i].GetVirtualDevice().Connectable; known != nil {
			info = *known
		}
		info.Connected = connected
		copied[i].GetVirtualDevice().Connectable = &info
	}
	return copied
}

func netWithConnection(nics []types.GuestNicInfo, connected bool) []types.GuestNicInfo {
	copied := slices.Clone(nics)
	for i := range copied {
		copied[i].Connected = connected
	}
	return copied
}
