// Package tasks makes the simulator's tasks behave like vCenter's: their names, their
// order, their cancellation.
package tasks

import (
	"fmt"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/faults"
	"vsphere-lab/internal/guard"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/soap"
)

// ClonePlan is what remains to be done when a clone's turn has come.
type ClonePlan interface {
	// Apply completes the clone's request, or refuses it.
	Apply(registry *simulator.Registry) types.BaseMethodFault
	// CleanUp removes what Apply made if there is no clone.
	CleanUp(registry *simulator.Registry)
}

// Tracker follows tasks from their start to their end.
type Tracker struct {
	registry *simulator.Registry

	// starting admits one CloneVM_Task call at a time until its task exists:
	// that is how a task is known to belong to the plan.
	starting sync.Mutex
	plan     ClonePlan

	// cloning admits one clone at a time. The simulator looks at a folder's
	// names and writes to them without a lock; from different sources that ends
	// in duplicates, or in the end of its process.
	cloning sync.Mutex

	mu    sync.Mutex
	gates map[types.ManagedObjectReference]*gate
}

// New is without any task.
func New(registry *simulator.Registry) *Tracker {
	return &Tracker{registry: registry, gates: map[types.ManagedObjectReference]*gate{}}
}

// gate is passed by a task that begins its work, and shut by a cancellation.
type gate struct {
	mu                 sync.Mutex
	begun, isCancelled bool
}

// begin reports whether the task may do its work.
func (g *gate) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begun = true
	return !g.isCancelled
}

// cancel reports whether the task had not begun its work, and never will.
func (g *gate) cancel() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isCancelled = !g.begun
	return g.isCancelled
}

// Prepare gives a new task the names that vCenter gives it, and lets it do its
// work when it may. It is called before the task runs.
//
// TaskInfo.name: "The name of the operation that created the task", a method's
// name such as CloneVM_Task; the simulator says CloneVm, which clients that
// look the method up do not know.
func (t *Tracker) Prepare(task *simulator.Task) {
	task.Info.Name = soap.TaskMethod(task.Info.Name)
	if id, ok := descriptionIDs[strings.ToLower(task.Info.DescriptionId)]; ok {
		task.Info.DescriptionId = id
	}
	if entity := task.Info.Entity; entity != nil {
		if name := inventory.NameOf(t.registry, *entity); name != "" {
			task.Info.EntityName = name
		}
	}
	execute := task.Execute
	if task.Info.Name == "CloneVM_Task" && t.plan != nil {
		execute, t.plan = t.serialized(t.plan, execute), nil
	}
	task.Execute = t.gated(task.Self, execute)
}

// StartClone makes one CloneVM_Task call at a time.
func (t *Tracker) StartClone(call func()) {
	t.starting.Lock()
	defer t.starting.Unlock()
	t.plan = nil
	call()
}

// Plan sets what the clone that StartClone is starting will do when its turn comes.
func (t *Tracker) Plan(plan ClonePlan) {
	t.plan = plan
}

// Fail runs a task of that method on an object, which ends in the fault.
func (t *Tracker) Fail(ctx *simulator.Context, object types.ManagedObjectReference, method string, fault types.BaseMethodFault) types.ManagedObjectReference {
	name := strings.TrimSuffix(method, "_Task")
	name = strings.ToLower(name[:1]) + name[1:]
	task := simulator.CreateTask(object, name, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return nil, fault
	})
	t.starting.Lock()
	defer t.starting.Unlock()
	t.plan = nil // another clone's is not for this task
	return task.Run(ctx)
}

// execution is what a task does.
type execution func(*simulator.Task) (types.AnyType, types.BaseMethodFault)

// serialized makes a clone wait for the others, and then apply its plan.
func (t *Tracker) serialized(plan ClonePlan, execute execution) execution {
	return func(task *simulator.Task) (types.AnyType, types.BaseMethodFault) {
		t.cloning.Lock()
		defer t.cloning.Unlock()
		if fault := plan.Apply(t.registry); fault != nil {
			return nil, fault
		}
		defer plan.CleanUp(t.registry)
		return execute(task)
	}
}

// gated does the work unless the task was cancelled while it waited.
func (t *Tracker) gated(ref types.ManagedObjectReference, execute execution) execution {
	entrance := new(gate)
	t.mu.Lock()
	t.gates[ref] = entrance
	t.mu.Unlock()
	return func(task *simulator.Task) (types.AnyType, types.BaseMethodFault) {
		defer t.forget(ref)
		if !entrance.begin() {
			return nil, new(types.RequestCanceled)
		}
		result, fault := recovered(execute, task)
		if fault != nil {
			faults.RenameCause(fault.GetMethodFault())
		}
		return result, fault
	}
}

// recovered does the work, and ends a task in a fault where the simulator would end
// its process: it has come upon an object that was destroyed meanwhile, a clone's
// folder or the clone itself.
//
// ManagedObjectNotFound "is thrown when a request refers to a managed object
// that no longer exists or has never existed".
func recovered(execute execution, task *simulator.Task) (result types.AnyType, fault types.BaseMethodFault) {
	what := fmt.Sprintf("task %s (%s)", task.Self.Value, task.Info.Name)
	if !guard.Run(what, func() { result, fault = execute(task) }) {
		return nil, &types.ManagedObjectNotFound{Obj: *task.Info.Entity}
	}
	return result, fault
}

func (t *Tracker) forget(ref types.ManagedObjectReference) {
	t.mu.Lock()
	delete(t.gates, ref)
	t.mu.Unlock()
}

// Cancel reports whether a cancellation may take its course in the simulator,
// which ends the task at once, in error. A task that is at work goes on, and
// only shows that a cancellation was asked for.
//
// CancelTask: "A cancel operation is asynchronous. The operation may return
// before the task is canceled." TaskInfo.cancelled: "Flag to indicate whether or
// not the client requested cancellation of the task."
func (t *Tracker) Cancel(ctx *simulator.Context, ref types.ManagedObjectReference) bool {
	t.mu.Lock()
	entrance := t.gates[ref]
	t.mu.Unlock()
	if entrance == nil || entrance.cancel() {
		return true
	}
	if task, ok := t.registry.Get(ref).(*simulator.Task); ok {
		t.registry.AtomicUpdate(ctx, task, []types.PropertyChange{{Name: "info.cancelled", Val: true}})
	}
	return false
}

// descriptionIDs are vCenter's (TaskDescription.methodInfo) where the simulator's
// differ, by the simulator's in lower case.
var descriptionIDs = map[string]string{
	"virtualmachine.clonevm":    "VirtualMachine.clone",
	"virtualmachine.reconfigvm": "VirtualMachine.reconfigure",
	"virtualmachine.relocatevm": "VirtualMachine.relocate",
}
