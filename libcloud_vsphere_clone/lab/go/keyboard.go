package main

import (
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// maxTypedBytes is what is kept of a VM's typed text: its end.
const maxTypedBytes = 1 << 18

// keyboard is a VM's, and what was typed on it.
type keyboard struct {
	decoder keyDecoder
	typed   string
	accepts []int // how many events each next call takes, over and over; empty: all
}

// take types the events that the keyboard has room for.
func (k *keyboard) take(events []types.UsbScanCodeSpecKeyEvent) int {
	room := len(events)
	if len(k.accepts) > 0 {
		room = min(room, k.accepts[0])
		k.accepts = append(k.accepts[1:], k.accepts[0])
	}
	var text strings.Builder
	for _, event := range events[:room] {
		text.WriteString(k.decoder.decode(event))
	}
	k.typed += text.String()
	k.typed = k.typed[max(0, len(k.typed)-maxTypedBytes):]
	return room
}

// keyboards are those that something was typed on.
type keyboards struct {
	mu   sync.Mutex
	ofVM map[types.ManagedObjectReference]*keyboard
}

func newKeyboards() *keyboards {
	return &keyboards{ofVM: map[types.ManagedObjectReference]*keyboard{}}
}

// with calls f with the VM's keyboard.
func (k *keyboards) with(vm types.ManagedObjectReference, f func(*keyboard)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ofVM[vm] == nil {
		k.ofVM[vm] = new(keyboard)
	}
	f(k.ofVM[vm])
}

// PutUsbScanCodes types on the VM's keyboard.
//
// As the API reference has it: the result is the number of keys injected, which
// may be less than were sent, and a VM that is not powered on is an
// InvalidPowerState.
func (vm *labVM) PutUsbScanCodes(_ *simulator.Context, request *types.PutUsbScanCodes) soap.HasFault {
	body := new(methods.PutUsbScanCodesBody)
	if state := vm.Runtime.PowerState; state != types.VirtualMachinePowerStatePoweredOn {
		body.Fault_ = simulator.Fault("", &types.InvalidPowerState{
			RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: state,
		})
		return body
	}
	for _, event := range request.Spec.KeyEvents {
		if event.UsbHidCode&0xffff != keyboardPage {
			body.Fault_ = simulator.Fault("", &types.InvalidArgument{InvalidProperty: "spec.keyEvents.usbHidCode"})
			return body
		}
	}
	body.Res = new(types.PutUsbScanCodesResponse)
	vm.lab.keyboards.with(vm.Self, func(k *keyboard) {
		body.Res.Returnval = int32(k.take(request.Spec.KeyEvents))
	})
	return body
}

// keyboardOf calls f with the keyboard of the VM that a control request names.
func (c *control) keyboardOf(r *http.Request, f func(*keyboard)) error {
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: r.PathValue("moid")}
	if _, ok := c.lab.model.Map().Get(ref).(*simulator.VirtualMachine); !ok {
		return errNotFound
	}
	c.lab.keyboards.with(ref, f)
	return nil
}

// typed tells what was typed on a VM's console.
func (c *control) typed(r *http.Request) (any, error) {
	reply := map[string]string{}
	return reply, c.keyboardOf(r, func(k *keyboard) { reply["text"] = k.typed })
}

// clearTyped forgets it, and what the keyboard accepts.
func (c *control) clearTyped(r *http.Request) (any, error) {
	return done{true}, c.keyboardOf(r, func(k *keyboard) { *k = keyboard{} })
}

// limitTyping takes {"accepts": [8, 0]}: how many events the next calls take,
// one number each, then again from the first; [] is all.
func (c *control) limitTyping(r *http.Request) (any, error) {
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
	return done{true}, c.keyboardOf(r, func(k *keyboard) { k.accepts = request.Accepts })
}
