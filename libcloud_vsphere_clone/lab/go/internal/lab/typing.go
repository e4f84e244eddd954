package lab

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/keyboard"
)

// typingVM answers the call that the simulator's VirtualMachine lacks.
type typingVM struct {
	*simulator.VirtualMachine
	keyboards *keyboard.Keyboards
}

// overrideVM makes a typingVM answer a session's calls on a VM.
func (l *Lab) overrideVM(ctx *simulator.Context, ref types.ManagedObjectReference) {
	if _, ok := ctx.Session.Registry.Get(ref).(*typingVM); ok {
		return
	}
	if vm, ok := ctx.Map.Get(ref).(*simulator.VirtualMachine); ok {
		l.sessions.Override(ctx.Session, &typingVM{vm, l.keyboards})
	}
}

// PutUsbScanCodes types on the VM's keyboard.
//
// As the API reference has it: the result is the number of keys injected, which
// may be less than were sent, and a VM that is not powered on is an
// InvalidPowerState.
func (vm *typingVM) PutUsbScanCodes(_ *simulator.Context, request *types.PutUsbScanCodes) soap.HasFault {
	body := new(methods.PutUsbScanCodesBody)
	if state := vm.Runtime.PowerState; state != types.VirtualMachinePowerStatePoweredOn {
		body.Fault_ = simulator.Fault("", &types.InvalidPowerState{
			RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: state,
		})
		return body
	}
	for _, event := range request.Spec.KeyEvents {
		if event.UsbHidCode&0xffff != keyboard.Page {
			body.Fault_ = simulator.Fault("", &types.InvalidArgument{InvalidProperty: "spec.keyEvents.usbHidCode"})
			return body
		}
	}
	body.Res = new(types.PutUsbScanCodesResponse)
	vm.keyboards.With(vm.Self, func(k *keyboard.Keyboard) {
		body.Res.Returnval = int32(k.Take(request.Spec.KeyEvents))
	})
	return body
}
