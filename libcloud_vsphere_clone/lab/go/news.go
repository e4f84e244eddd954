package main

import (
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// news tells a collector that something may have changed. It is told while the
// object that changed is locked, and asks for no lock but its own.
type news struct {
	mu        sync.Mutex
	isNew     bool
	kinds     map[string]bool                       // whose changes count; "" means all
	objects   map[types.ManagedObjectReference]bool // that count beside them
	changed   chan struct{}                         // closed when there is news
	cancelled chan struct{}                         // closed to end the waits
}

// follow sets what counts.
func (n *news) follow(specs []types.PropertyFilterSpec) {
	kinds, objects := map[string]bool{}, map[types.ManagedObjectReference]bool{}
	for _, spec := range specs {
		for _, properties := range spec.PropSet {
			addKind(kinds, properties.Type)
		}
		for _, object := range spec.ObjectSet {
			objects[object.Obj] = true
			noteSteps(object.SelectSet, kinds)
		}
	}
	n.mu.Lock()
	n.kinds, n.objects = kinds, objects
	n.mu.Unlock()
}

// noteSteps adds the types of the objects on the way to those that are selected.
func noteSteps(selections []types.BaseSelectionSpec, kinds map[string]bool) {
	for _, selection := range selections {
		if step, ok := selection.(*types.TraversalSpec); ok {
			addKind(kinds, step.Type)
			noteSteps(step.SelectSet, kinds)
		}
	}
}

// extensions are the types that extend others, by those; "" stands for all.
var extensions = map[string][]string{
	"Folder":                  {"StoragePod"},
	"ComputeResource":         {"ClusterComputeResource"},
	"ResourcePool":            {"VirtualApp"},
	"Network":                 {"DistributedVirtualPortgroup", "OpaqueNetwork"},
	"View":                    {""},
	"ManagedEntity":           {""},
	"ExtensibleManagedObject": {""},
}

// addKind adds a type and those that extend it.
func addKind(kinds map[string]bool, kind string) {
	kinds[kind] = true
	for _, extension := range extensions[kind] {
		kinds[extension] = true
	}
}

// note is for a change of that object.
func (n *news) note(ref types.ManagedObjectReference) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.kinds[""] || n.kinds[ref.Type] || n.objects[ref] {
		n.raise()
	}
}

// mark is for a change that counts in any case.
func (n *news) mark() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.raise()
}

func (n *news) raise() {
	n.isNew = true
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// take tells whether there was news, and that it is known now.
func (n *news) take() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	wasNew := n.isNew
	n.isNew = false
	return wasNew
}

// signals are closed when there is news, and when the wait is to end.
func (n *news) signals() (changed, cancelled <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
	if n.cancelled == nil {
		n.cancelled = make(chan struct{})
	}
	changed, cancelled = n.changed, n.cancelled
	if n.isNew {
		n.raise()
	}
	return changed, cancelled
}

// cancel ends the waits that go on.
func (n *news) cancel() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cancelled != nil {
		close(n.cancelled)
		n.cancelled = nil
	}
}
