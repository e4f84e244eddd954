package main

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// cloning admits one clone at a time. The simulator looks at a folder's names
// and writes to them without a lock; from different sources that ends in
// duplicates, or in the end of its process.
var cloning sync.Mutex

// prepareTask gives a new task the names that vCenter gives it, and has clones
// wait for each other. It is called before the task runs.
//
// TaskInfo.name: "The name of the operation that created the task", a method's
// name such as CloneVM_Task; the simulator says CloneVm, which clients that
// look the method up do not know.
func prepareTask(registry *simulator.Registry, task *simulator.Task) {
	task.Info.Name = taskMethod(task.Info.Name)
	if id, ok := descriptionIDs[strings.ToLower(task.Info.DescriptionId)]; ok {
		task.Info.DescriptionId = id
	}
	if entity := task.Info.Entity; entity != nil {
		if name := nameOf(registry, *entity); name != "" {
			task.Info.EntityName = name
		}
	}
	execute, alone := task.Execute, task.Info.Name == "CloneVM_Task"
	task.Execute = func(t *simulator.Task) (types.AnyType, types.BaseMethodFault) {
		if alone {
			cloning.Lock()
			defer cloning.Unlock()
		}
		result, fault := execute(t)
		if fault != nil {
			renameCause(fault.GetMethodFault())
		}
		return result, fault
	}
}

// renameCause gives a fault's cause the name that it has in the API: the
// simulator sends SystemErrorFault, which clients do not know.
func renameCause(fault *types.MethodFault) {
	if fault == nil || fault.FaultCause == nil {
		return
	}
	if cause, ok := fault.FaultCause.Fault.(*types.SystemErrorFault); ok {
		system := types.SystemError(*cause)
		fault.FaultCause.Fault = &system
	}
}

// explain gives a task's error a text as vCenter would: the simulator's is the
// name of a Go type.
func explain(task *mo.Task, changes []types.PropertyChange) {
	failure := task.Info.Error
	if failure == nil || failure.Fault == nil {
		return
	}
	failure.LocalizedMessage = faultText(failure.Fault)
	for i := range changes {
		if changes[i].Name == "info.error" {
			changes[i].Val = *failure
		}
	}
}

// faultText is what a fault says of itself.
func faultText(fault types.BaseMethodFault) string {
	base := fault.GetMethodFault()
	if base != nil && len(base.FaultMessage) != 0 && base.FaultMessage[0].Message != "" {
		return base.FaultMessage[0].Message
	}
	if base != nil && base.FaultCause != nil && base.FaultCause.LocalizedMessage != "" {
		return base.FaultCause.LocalizedMessage
	}
	switch fault := fault.(type) {
	case *types.DuplicateName:
		return fmt.Sprintf("The name '%s' already exists.", fault.Name)
	case *types.InvalidPowerState:
		return fmt.Sprintf("The attempted operation cannot be performed in the current state (%s).", fault.ExistingState)
	case *types.InvalidArgument:
		return "A specified parameter was not correct: " + fault.InvalidProperty
	}
	return "Fault: " + reflect.TypeOf(fault).Elem().Name()
}

// descriptionIDs are vCenter's (TaskDescription.methodInfo) where the simulator's
// differ, by the simulator's in lower case.
var descriptionIDs = map[string]string{
	"virtualmachine.clonevm":    "VirtualMachine.clone",
	"virtualmachine.reconfigvm": "VirtualMachine.reconfigure",
	"virtualmachine.relocatevm": "VirtualMachine.relocate",
}

// isVimType tells whether the vSphere API has a type of that name; methods have
// one each, for their arguments.
var isVimType = types.TypeFunc()

// taskMethod is the method that makes a task, however the task is called:
// CloneVm, CloneVM, CloneVM_Task; PowerOn, PowerOnVM.
func taskMethod(name string) string {
	stem := strings.Replace(strings.TrimSuffix(name, "_Task"), "Vm", "VM", 1)
	for _, method := range []string{stem + "_Task", stem + "VM_Task"} {
		if _, ok := isVimType(method); ok {
			return method
		}
	}
	return name
}
