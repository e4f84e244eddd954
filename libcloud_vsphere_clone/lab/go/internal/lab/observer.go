package lab

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/faults"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/machine/container"
)

// observer sees every object come, change and go, and corrects what the simulator
// says about it.
type observer struct {
	mo.ManagedEntity
	lab *Lab
}

func newObserver(lab *Lab) *observer {
	o := &observer{lab: lab}
	o.Self = types.ManagedObjectReference{Type: "LabObserver", Value: "lab-observer"}
	return o
}

// PutObject prepares new tasks, and gives a VM that is being made a name to go by.
//
// The simulator puts a new VM into its folder before it names it, and ends
// its process when a call looks at that folder's names in between.
func (o *observer) PutObject(_ *simulator.Context, object mo.Reference) {
	switch object := object.(type) {
	case *simulator.VirtualMachine:
		if object.Name == "" {
			object.Name = object.Self.Value
		}
	case *simulator.Task:
		o.lab.tasks.Prepare(object)
	}
}

// RemoveObject forgets a VM.
func (o *observer) RemoveObject(_ *simulator.Context, ref types.ManagedObjectReference) {
	if vm, ok := o.lab.model.Map().Get(ref).(*simulator.VirtualMachine); ok && vm.Config != nil {
		o.lab.channels.Close(vm.Config.InstanceUuid)
	}
	o.lab.guests.Forget(ref)
}

// UpdateObject follows VMs with a container, and tasks.
func (o *observer) UpdateObject(ctx *simulator.Context, object mo.Reference, changes []types.PropertyChange) {
	switch object := object.(type) {
	case *mo.VirtualMachine:
		o.updateVM(ctx, object, changes)
	case *mo.Task:
		switch object.Info.State {
		case types.TaskInfoStateSuccess:
			o.lab.freeSpace.Update(ctx)
		case types.TaskInfoStateError:
			faults.Explain(object, changes)
		}
	}
}

// updateVM repairs a VM that the simulator has just brought in line with its container.
func (o *observer) updateVM(ctx *simulator.Context, vm *mo.VirtualMachine, changes []types.PropertyChange) {
	if len(changes) == 1 && changes[0].Name == "name" {
		o.lab.names.Apply(ctx, vm)
	}
	defer o.lab.customizations.Begin(ctx, vm)
	if vm.Config != nil && inventory.OptionText(vm.Config.ExtraConfig, container.SettingKey) != "" {
		o.lab.guests.Update(ctx, vm, changes)
	}
}
