package tasks

import (
	"testing"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// Which object is gone, and when, is chance: a folder, or a clone that is at work.
func TestTaskThatMeetsNothingEndsInAFault(t *testing.T) {
	entity := types.ManagedObjectReference{Type: "VirtualMachine", Value: "vm-1"}
	task := &simulator.Task{Task: mo.Task{Info: types.TaskInfo{Name: "CloneVM_Task", Entity: &entity}}}
	_, fault := recovered(func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		var gone mo.Reference
		return gone.(mo.Entity), nil
	}, task)
	if missing, ok := fault.(*types.ManagedObjectNotFound); !ok || missing.Obj != entity {
		t.Errorf("the task ends in %#v", fault)
	}
}
