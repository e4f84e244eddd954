// Package customization makes guest customizations fail on purpose, and posts the events
// of those.
package customization

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/guard"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/soap"
)

// Customizations are those that go wrong on purpose. The simulator's own end
// well, and at once, while the VM is powered on.
type Customizations struct {
	newContext inventory.NewContext

	mu      sync.Mutex
	rules   []*Rule
	planned map[string]Rule // by the clone's instanceUuid
}

// Rule is how the next customizations end.
type Rule struct {
	Event   string `json:"event"`    // such as CustomizationNetworkSetupFailed
	Message string `json:"message"`  // the event's full text, and the reason in the guest's status
	DelayMS int    `json:"delay_ms"` // how long the customization runs
	Times   int    `json:"times"`    // default 1
}

// New is without any rule: customizations end well.
func New(newContext inventory.NewContext) *Customizations {
	return &Customizations{newContext: newContext, planned: map[string]Rule{}}
}

// Fail makes the customizations of the next clones end as the rule says.
func (c *Customizations) Fail(rule Rule) error {
	if _, err := newEvent(rule.Event, types.ManagedObjectReference{}, "", ""); err != nil {
		return err
	}
	if rule.DelayMS < 0 || rule.Times < 1 {
		return errors.New("delay_ms must not be negative, and times must be positive")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = append(c.rules, &rule)
	return nil
}

// Clear makes customizations end well again, other than those that are planned.
func (c *Customizations) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = nil
}

// take is the rule for one more customization, if there is one.
func (c *Customizations) take() (Rule, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.rules) == 0 {
		return Rule{}, false
	}
	rule := c.rules[0]
	if rule.Times--; rule.Times <= 0 {
		c.rules = c.rules[1:]
	}
	return *rule, true
}

// Plan keeps a customization that is to fail from the simulator: it begins when
// the clone is powered on, see Begin.
func (c *Customizations) Plan(spec *types.VirtualMachineCloneSpec) {
	if spec.Customization == nil {
		return
	}
	if rule, ok := c.take(); ok {
		spec.Customization = nil
		c.mu.Lock()
		c.planned[spec.Config.InstanceUuid] = rule
		c.mu.Unlock()
	}
}

// Begin makes a VM's planned customization run, and fail, now that the VM is on.
// The caller holds the VM's lock.
//
// GuestInfoCustomizationStatus, TOOLSDEPLOYPKG_RUNNING: "The customization
// process is currently running inside the guest OS".
func (c *Customizations) Begin(ctx *simulator.Context, vm *mo.VirtualMachine) {
	if vm.Config == nil || vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		return
	}
	c.mu.Lock()
	rule, ok := c.planned[vm.Config.InstanceUuid]
	delete(c.planned, vm.Config.InstanceUuid)
	c.mu.Unlock()
	if !ok {
		return
	}
	setInfo(ctx, vm, types.GuestInfoCustomizationStatusTOOLSDEPLOYPKG_RUNNING, "")
	ref, name := vm.Self, vm.Name
	go guard.Run("a customization", func() {
		c.post("CustomizationStartedEvent", ref, name, "")
		time.Sleep(time.Duration(rule.DelayMS) * time.Millisecond)
		c.SetStatus(ref, types.GuestInfoCustomizationStatusTOOLSDEPLOYPKG_FAILED, rule.Message)
		c.post(rule.Event, ref, name, rule.Message)
	})
}

// SetStatus sets the status of a VM's customization.
func (c *Customizations) SetStatus(ref types.ManagedObjectReference, status types.GuestInfoCustomizationStatus, message string) {
	ctx := c.newContext()
	vm, ok := ctx.Map.Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return // destroyed meanwhile
	}
	ctx.WithLock(vm, func() { setInfo(ctx, &vm.VirtualMachine, status, message) })
}

func setInfo(ctx *simulator.Context, vm *mo.VirtualMachine, status types.GuestInfoCustomizationStatus, message string) {
	ctx.Update(vm, []types.PropertyChange{{
		Name: "guest.customizationInfo",
		Val:  types.GuestInfoCustomizationInfo{CustomizationStatus: string(status), ErrorMsg: message},
	}})
}

// Post posts a customization event about a VM.
func (c *Customizations) Post(kind string, ref types.ManagedObjectReference, message string) error {
	if _, err := newEvent(kind, ref, "", ""); err != nil {
		return err
	}
	c.post(kind, ref, inventory.NameOf(c.newContext().Map, ref), message)
	return nil
}

// post is for a type of event that was checked.
func (c *Customizations) post(kind string, ref types.ManagedObjectReference, name, message string) {
	event, err := newEvent(kind, ref, name, message)
	if err != nil {
		return
	}
	ctx := c.newContext()
	manager := ctx.Map.EventManager()
	ctx.WithLock(manager, func() { manager.PostEvent(ctx, &types.PostEvent{EventToPost: event}) })
}

// newEvent is a customization event of any type.
func newEvent(kind string, ref types.ManagedObjectReference, name, message string) (types.BaseEvent, error) {
	found, ok := soap.VimType(kind)
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

// KeepEventTexts makes the simulator leave the text of an event that has one.
func KeepEventTexts(registry *simulator.Registry) {
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
