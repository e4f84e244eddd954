package main

import (
	"testing"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func TestTaskMethod(t *testing.T) {
	for name, want := range map[string]string{
		"CloneVm": "CloneVM_Task", "CloneVM": "CloneVM_Task", "CloneVM_Task": "CloneVM_Task",
		"PowerOn": "PowerOnVM_Task", "PowerOnVM": "PowerOnVM_Task", "Destroy": "Destroy_Task",
		"ReconfigVm": "ReconfigVM_Task", "CreateVm": "CreateVM_Task", "Reset": "ResetVM_Task",
		"Rename": "Rename_Task", "ShutdownGuest": "ShutdownGuest",
	} {
		if got := taskMethod(name); got != want {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
	}
}

// Which object is gone, and when, is chance: a folder, or a clone that is at work.
func TestTaskThatMeetsNothingEndsInAFault(t *testing.T) {
	entity := types.ManagedObjectReference{Type: "VirtualMachine", Value: "vm-1"}
	task := &simulator.Task{Task: mo.Task{Info: types.TaskInfo{Name: "CloneVM_Task", Entity: &entity}}}
	_, fault := survived(func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		var gone mo.Reference
		return gone.(mo.Entity), nil
	}, task)
	if missing, ok := fault.(*types.ManagedObjectNotFound); !ok || missing.Obj != entity {
		t.Errorf("the task ends in %#v", fault)
	}
}
