package collector

import (
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// changeSignal is set when something may have changed since a collector last read:
// while the object that changed is locked. It asks for no lock but its own.
type changeSignal struct {
	mu        sync.Mutex
	isSet     bool
	kinds     map[string]bool                       // the types whose changes count; "" means all
	objects   map[types.ManagedObjectReference]bool // that count beside them
	changed   chan struct{}                         // closed when it is set
	cancelled chan struct{}                         // closed to end the waits
}

// follow sets what counts.
func (s *changeSignal) follow(specs []types.PropertyFilterSpec) {
	kinds, objects := map[string]bool{}, map[types.ManagedObjectReference]bool{}
	for _, spec := range specs {
		for _, properties := range spec.PropSet {
			addKind(kinds, properties.Type)
		}
		for _, object := range spec.ObjectSet {
			objects[object.Obj] = true
			addSteps(object.SelectSet, kinds)
		}
	}
	s.mu.Lock()
	s.kinds, s.objects = kinds, objects
	s.mu.Unlock()
}

// addSteps adds the types of the objects on the way to those that are selected.
func addSteps(selections []types.BaseSelectionSpec, kinds map[string]bool) {
	for _, selection := range selections {
		if step, ok := selection.(*types.TraversalSpec); ok {
			addKind(kinds, step.Type)
			addSteps(step.SelectSet, kinds)
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

// note sets the signal for a change of that object, if that counts.
func (s *changeSignal) note(ref types.ManagedObjectReference) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kinds[""] || s.kinds[ref.Type] || s.objects[ref] {
		s.raise()
	}
}

// mark sets the signal for a change that counts in any case.
func (s *changeSignal) mark() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raise()
}

func (s *changeSignal) raise() {
	s.isSet = true
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// take reports whether the signal was set, and resets it.
func (s *changeSignal) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	wasSet := s.isSet
	s.isSet = false
	return wasSet
}

// signals are closed when it is set, and when the wait is to end.
func (s *changeSignal) signals() (changed, cancelled <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	if s.cancelled == nil {
		s.cancelled = make(chan struct{})
	}
	changed, cancelled = s.changed, s.cancelled
	if s.isSet {
		s.raise()
	}
	return changed, cancelled
}

// cancel ends the waits that go on.
func (s *changeSignal) cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancelled != nil {
		close(s.cancelled)
		s.cancelled = nil
	}
}
