package control

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/customization"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/keyboard"
)

// vm is the VM that a request names.
func (c *endpoint) vm(r *http.Request) (*simulator.VirtualMachine, error) {
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: r.PathValue("moid")}
	vm, ok := c.NewContext().Map.Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return nil, errNotFound
	}
	return vm, nil
}

// changeVM takes {"set": {property path: value}} and {"drop_config": true|false}.
func (c *endpoint) changeVM(r *http.Request) (any, error) {
	var request struct {
		Set        map[string]json.RawMessage `json:"set"`
		DropConfig *bool                      `json:"drop_config"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	vm, err := c.vm(r)
	if err != nil {
		return nil, err
	}
	if request.DropConfig != nil {
		c.Sessions.HideConfig(vm.Self, *request.DropConfig)
	}
	return done{true}, c.setProperties(vm, request.Set)
}

// changeObject takes {"set": {"summary.maintenanceMode": "inMaintenance"}}, for
// hosts, datastores and whatever else has a name.
func (c *endpoint) changeObject(r *http.Request) (any, error) {
	var request struct {
		Set map[string]json.RawMessage `json:"set"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	for _, object := range c.NewContext().Map.All("") {
		if object.Reference().Value == r.PathValue("moid") {
			return done{true}, c.setProperties(object, request.Set)
		}
	}
	return nil, errNotFound
}

// setProperties changes an object's properties: {"runtime.connectionState": "orphaned"}.
func (c *endpoint) setProperties(object mo.Entity, values map[string]json.RawMessage) error {
	changes, err := inventory.DecodeChanges(object, values)
	if err != nil {
		return err
	}
	ctx := c.NewContext()
	ctx.WithLock(object, func() {
		ctx.Update(object, changes)
		if datastore, ok := object.(*simulator.Datastore); ok {
			c.FreeSpace.Keep(datastore)
		}
	})
	return nil
}

// connectNICs takes {"connected": false}: all the VM's adapters, also as its guest sees them.
func (c *endpoint) connectNICs(r *http.Request) (any, error) {
	var request struct{ Connected bool }
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	vm, err := c.vm(r)
	if err != nil {
		return nil, err
	}
	ctx := c.NewContext()
	ctx.WithLock(vm, func() {
		ctx.Update(vm, []types.PropertyChange{
			{Name: "config.hardware.device", Val: inventory.WithConnection(vm.Config.Hardware.Device, request.Connected)},
			{Name: "guest.net", Val: inventory.GuestNICsWithConnection(vm.Guest.Net, request.Connected)},
		})
	})
	return done{true}, nil
}

// failCustomizations takes {"event": "CustomizationSysprepFailed", "message": "..."}:
// the customizations of the next clones end so.
func (c *endpoint) failCustomizations(r *http.Request) (any, error) {
	rule := customization.Rule{Event: "CustomizationFailed", Times: 1}
	if err := decode(r, &rule); err != nil {
		return nil, err
	}
	return done{true}, c.Customizations.Fail(rule)
}

// clearCustomizations makes customizations end well again.
func (c *endpoint) clearCustomizations(*http.Request) (any, error) {
	c.Customizations.Clear()
	return done{true}, nil
}

// reportCustomization takes {"status": "TOOLSDEPLOYPKG_FAILED", "event": "CustomizationFailed",
// "message": "..."}, each of which may be left out: what a VM's guest has come to.
func (c *endpoint) reportCustomization(r *http.Request) (any, error) {
	var request struct{ Status, Event, Message string }
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	vm, err := c.vm(r)
	if err != nil {
		return nil, err
	}
	if request.Status != "" {
		c.Customizations.SetStatus(vm.Self, types.GuestInfoCustomizationStatus(request.Status), request.Message)
	}
	if request.Event == "" {
		return done{true}, nil
	}
	return done{true}, c.Customizations.Post(request.Event, vm.Self, request.Message)
}

// keyboardOf calls f with the keyboard of the VM that a request names.
func (c *endpoint) keyboardOf(r *http.Request, f func(*keyboard.Keyboard)) error {
	vm, err := c.vm(r)
	if err == nil {
		c.Keyboards.With(vm.Self, f)
	}
	return err
}

// typed is the text that was typed on a VM's console.
func (c *endpoint) typed(r *http.Request) (any, error) {
	reply := map[string]string{}
	return reply, c.keyboardOf(r, func(k *keyboard.Keyboard) { reply["text"] = k.Text() })
}

// clearTyped forgets it, and what the keyboard accepts.
func (c *endpoint) clearTyped(r *http.Request) (any, error) {
	return done{true}, c.keyboardOf(r, (*keyboard.Keyboard).Clear)
}

// limitTyping takes {"accepts": [8, 0]}: how many events the next calls take,
// one number each, then again from the first; [] is all.
func (c *endpoint) limitTyping(r *http.Request) (any, error) {
	var request struct {
		Accepts []int `json:"accepts"`
	}
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	for _, n := range request.Accepts {
		if n < 0 {
			return nil, errors.New("a number of events must not be negative")
		}
	}
	return done{true}, c.keyboardOf(r, func(k *keyboard.Keyboard) { k.Limit(request.Accepts) })
}
