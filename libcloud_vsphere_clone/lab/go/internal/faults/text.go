package faults

import (
	"fmt"
	"reflect"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// RenameCause gives a fault's cause the name that it has in the API: the
// simulator sends SystemErrorFault, which clients do not know.
func RenameCause(fault *types.MethodFault) {
	if fault == nil || fault.FaultCause == nil {
		return
	}
	if cause, ok := fault.FaultCause.Fault.(*types.SystemErrorFault); ok {
		system := types.SystemError(*cause)
		fault.FaultCause.Fault = &system
	}
}

// Explain gives a task's error a text as vCenter would: the simulator's is the
// name of a Go type.
func Explain(task *mo.Task, changes []types.PropertyChange) {
	failure := task.Info.Error
	if failure == nil || failure.Fault == nil {
		return
	}
	failure.LocalizedMessage = Text(failure.Fault)
	for i := range changes {
		if changes[i].Name == "info.error" {
			changes[i].Val = *failure
		}
	}
}

// Text is a fault's text: its own message, its cause's, or one made from its type.
func Text(fault types.BaseMethodFault) string {
	base := fault.GetMethodFault()
	if base != nil && len(base.FaultMessage) != 0 && base.FaultMessage[0].Message != "" {
		return base.FaultMessage[0].Message
	}
	if base != nil && base.FaultCause != nil && base.FaultCause.LocalizedMessage != "" {
		return base.FaultCause.LocalizedMessage
	}
	switch fault := fault.(type) {
	case *types.RequestCanceled:
		return "The task was canceled by a user."
	case *types.DuplicateName:
		return fmt.Sprintf("The name '%s' already exists.", fault.Name)
	case *types.InvalidPowerState:
		return fmt.Sprintf("The attempted operation cannot be performed in the current state (%s).", fault.ExistingState)
	case *types.InvalidArgument:
		return "A specified parameter was not correct: " + fault.InvalidProperty
	}
	return "Fault: " + reflect.TypeOf(fault).Elem().Name()
}
