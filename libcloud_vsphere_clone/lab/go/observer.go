package main

import (
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// thinUse is what one VM takes from its datastore: its disks are thin.
const thinUse = gib / 16

// observer sees every object come, change and go, and puts right what the
// simulator says about it.
type observer struct {
	mo.ManagedEntity
	lab *Lab

	mu     sync.Mutex
	guests map[types.ManagedObjectReference]guestRecord
}

// guestRecord is what was last true of a VM with a container.
type guestRecord struct {
	annotation string
	mac        string
	seen       bool // the container was started before
	view       guestView
}

func newObserver(lab *Lab) *observer {
	o := &observer{lab: lab, guests: map[types.ManagedObjectReference]guestRecord{}}
	o.Self = types.ManagedObjectReference{Type: "LabObserver", Value: "lab-observer"}
	return o
}

// PutObject prepares new tasks, and gives a VM that is being made a name to go by.
//
// The simulator puts a new VM into its folder before it names it, and ends
// its process when anybody looks at that folder's names in between.
func (o *observer) PutObject(_ *simulator.Context, object mo.Reference) {
	switch object := object.(type) {
	case *simulator.VirtualMachine:
		if object.Name == "" {
			object.Name = object.Self.Value
		}
	case *simulator.Task:
		o.lab.tasks.prepare(object)
	}
}

// RemoveObject forgets a VM.
func (o *observer) RemoveObject(_ *simulator.Context, ref types.ManagedObjectReference) {
	if vm, ok := o.lab.model.Map().Get(ref).(*simulator.VirtualMachine); ok && vm.Config != nil {
		o.lab.channels.close(vm.Config.InstanceUuid)
	}
	o.mu.Lock()
	delete(o.guests, ref)
	o.mu.Unlock()
}

// UpdateObject follows VMs with a container, and tasks.
func (o *observer) UpdateObject(ctx *simulator.Context, object mo.Reference, changes []types.PropertyChange) {
	switch object := object.(type) {
	case *mo.VirtualMachine:
		o.updateVM(ctx, object, changes)
	case *mo.Task:
		switch object.Info.State {
		case types.TaskInfoStateSuccess:
			o.settleFreeSpace(ctx)
		case types.TaskInfoStateError:
			explain(object, changes)
		}
	}
}

// updateVM repairs a VM that the simulator has just brought in line with its container.
func (o *observer) updateVM(ctx *simulator.Context, vm *mo.VirtualMachine, changes []types.PropertyChange) {
	if len(changes) == 1 && changes[0].Name == "name" {
		o.lab.names.settle(ctx, vm)
	}
	defer o.lab.beginCustomization(ctx, vm)
	if vm.Config == nil || optionText(vm.Config.ExtraConfig, simulator.ContainerBackingOptionKey) == "" {
		return
	}
	for _, change := range changes {
		switch change.Name {
		case "guest", "config", "summary", "runtime":
			o.repair(ctx, vm)
			return
		case "runtime.powerState":
			o.power(ctx, vm)
			return
		}
	}
	o.note(vm.Self, func(record *guestRecord) {
		record.annotation = vm.Config.Annotation
		if card := firstNIC(vm); card != nil {
			record.mac = card.MacAddress
		}
	})
}

// note changes what is known about a VM, and returns it.
func (o *observer) note(ref types.ManagedObjectReference, change func(*guestRecord)) guestRecord {
	o.mu.Lock()
	defer o.mu.Unlock()
	record := o.guests[ref]
	change(&record)
	o.guests[ref] = record
	return record
}

// repair undoes what the simulator does to a VM when it looks at its
// container: it replaces the annotation and the NIC's address, numbers the
// NICs from 0, and tells watchers only that "guest" as a whole has changed.
//
// It also looks before it has the VM to itself, so that what it saw may be from
// before a power operation: where that differs, the container is asked again.
func (o *observer) repair(ctx *simulator.Context, vm *mo.VirtualMachine) {
	record := o.note(vm.Self, func(*guestRecord) {})
	vm.Config.Annotation = record.annotation
	if card := firstNIC(vm); card != nil && record.mac != "" {
		card.MacAddress = record.mac
	}
	view := viewOf(vm)
	if record.seen && view.differs(record.view) {
		if now, err := lookAtContainer(vm); err == nil {
			view = now
		}
	}
	vm.Runtime.PowerState = view.power
	o.publish(ctx, vm, view)
	ctx.Update(vm, []types.PropertyChange{
		{Name: "runtime.powerState", Val: view.power},
		{Name: "summary.runtime.powerState", Val: view.power},
	})
}

// power clears what a guest that is off cannot know, and asks for the address
// of one that was started again: the simulator would take ten seconds.
func (o *observer) power(ctx *simulator.Context, vm *mo.VirtualMachine) {
	view := viewOf(vm)
	o.publish(ctx, vm, view)
	if view.power == types.VirtualMachinePowerStatePoweredOn && view.address == "" {
		ref := vm.Self
		go guarded("a look at a guest", func() { o.lab.refreshGuest(ref) })
	}
}

// settleFreeSpace books thin disks: the simulator takes their whole capacity,
// and a few dozen clones would leave less than nothing.
func (o *observer) settleFreeSpace(ctx *simulator.Context) {
	for datastore, seed := range o.lab.datastores {
		ctx.WithLock(datastore, func() {
			setFreeSpace(datastore, max(seed.free-int64(len(datastore.Vm))*thinUse, 0))
		})
	}
}
