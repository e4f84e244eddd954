package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// taskBook follows tasks from their start to their end.
type taskBook struct {
	registry *simulator.Registry

	// starting admits one CloneVM_Task call at a time until its task exists:
	// that is how a task is known to belong to the plan.
	starting sync.Mutex
	plan     *clonePlan

	// cloning admits one clone at a time. The simulator looks at a folder's
	// names and writes to them without a lock; from different sources that ends
	// in duplicates, or in the end of its process.
	cloning sync.Mutex

	mu    sync.Mutex
	gates map[types.ManagedObjectReference]*taskGate
}

func newTaskBook(registry *simulator.Registry) *taskBook {
	return &taskBook{registry: registry, gates: map[types.ManagedObjectReference]*taskGate{}}
}

// taskGate is passed by a task that begins its work, and shut by a cancellation.
type taskGate struct {
	mu                 sync.Mutex
	begun, isCancelled bool
}

// begin tells whether the task may do its work.
func (g *taskGate) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begun = true
	return !g.isCancelled
}

// cancel tells whether the task had not begun its work, and never will.
func (g *taskGate) cancel() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isCancelled = !g.begun
	return g.isCancelled
}

// prepare gives a new task the names that vCenter gives it, and lets it do its
// work when it may. It is called before the task runs.
//
// TaskInfo.name: "The name of the operation that created the task", a method's
// name such as CloneVM_Task; the simulator says CloneVm, which clients that
// look the method up do not know.
func (b *taskBook) prepare(task *simulator.Task) {
	task.Info.Name = taskMethod(task.Info.Name)
	if id, ok := descriptionIDs[strings.ToLower(task.Info.DescriptionId)]; ok {
		task.Info.DescriptionId = id
	}
	if entity := task.Info.Entity; entity != nil {
		if name := nameOf(b.registry, *entity); name != "" {
			task.Info.EntityName = name
		}
	}
	execute := task.Execute
	if task.Info.Name == "CloneVM_Task" && b.plan != nil {
		execute, b.plan = b.alone(b.plan, execute), nil
	}
	task.Execute = b.gated(task.Self, execute)
}

// execution is what a task does.
type execution func(*simulator.Task) (types.AnyType, types.BaseMethodFault)

// alone has a clone wait for the others, and then carries out its plan.
func (b *taskBook) alone(plan *clonePlan, execute execution) execution {
	return func(task *simulator.Task) (types.AnyType, types.BaseMethodFault) {
		b.cloning.Lock()
		defer b.cloning.Unlock()
		if fault := plan.settle(b.registry); fault != nil {
			return nil, fault
		}
		defer plan.abandon(b.registry)
		return execute(task)
	}
}

// gated does the work unless the task was cancelled while it waited.
func (b *taskBook) gated(ref types.ManagedObjectReference, execute execution) execution {
	gate := new(taskGate)
	b.mu.Lock()
	b.gates[ref] = gate
	b.mu.Unlock()
	return func(task *simulator.Task) (types.AnyType, types.BaseMethodFault) {
		defer b.forget(ref)
		if !gate.begin() {
			return nil, new(types.RequestCanceled)
		}
		result, fault := survived(execute, task)
		if fault != nil {
			renameCause(fault.GetMethodFault())
		}
		return result, fault
	}
}

// survived does the work. Where the simulator comes upon an object that was
// destroyed meanwhile, a clone's folder or the clone itself, it would end its
// process; vCenter ends the task.
//
// ManagedObjectNotFound "is thrown when a request refers to a managed object
// that no longer exists or has never existed".
func survived(execute execution, task *simulator.Task) (result types.AnyType, fault types.BaseMethodFault) {
	what := fmt.Sprintf("task %s (%s)", task.Self.Value, task.Info.Name)
	if !guarded(what, func() { result, fault = execute(task) }) {
		return nil, &types.ManagedObjectNotFound{Obj: *task.Info.Entity}
	}
	return result, fault
}

func (b *taskBook) forget(ref types.ManagedObjectReference) {
	b.mu.Lock()
	delete(b.gates, ref)
	b.mu.Unlock()
}

// cancel tells whether a cancellation may take its course in the simulator,
// which ends the task at once, in error. A task that is at work goes on, and
// only says that somebody asked.
//
// CancelTask: "A cancel operation is asynchronous. The operation may return
// before the task is canceled." TaskInfo.cancelled: "Flag to indicate whether or
// not the client requested cancellation of the task."
func (b *taskBook) cancel(ctx *simulator.Context, ref types.ManagedObjectReference) bool {
	b.mu.Lock()
	gate := b.gates[ref]
	b.mu.Unlock()
	if gate == nil || gate.cancel() {
		return true
	}
	if task, ok := b.registry.Get(ref).(*simulator.Task); ok {
		b.registry.AtomicUpdate(ctx, task, []types.PropertyChange{{Name: "info.cancelled", Val: true}})
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
