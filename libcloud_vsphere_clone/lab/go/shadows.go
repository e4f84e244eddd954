package main

import (
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// shadows are VMs that clients see without their config, as vCenter shows a VM
// that is orphaned, inaccessible or still being cloned. The simulator itself
// goes on working with the whole VM: it would not survive one without a config.
type shadows struct {
	registry *simulator.Registry

	mu   sync.Mutex
	refs map[types.ManagedObjectReference]bool // true: hidden; false: was hidden
}

func newShadows(registry *simulator.Registry) *shadows {
	return &shadows{registry: registry, refs: map[types.ManagedObjectReference]bool{}}
}

// set hides or shows a VM's config.
func (s *shadows) set(ref types.ManagedObjectReference, hidden bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs[ref] = hidden
}

// show puts the shadows into a session, whose own objects a client sees first.
func (s *shadows) show(session *simulator.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ref, hidden := range s.refs {
		vm, ok := s.registry.Get(ref).(*simulator.VirtualMachine)
		if hidden && ok {
			session.Registry.Put(shadowOf(vm))
		} else if session.Registry.Get(ref) != nil {
			session.Registry.Remove(new(simulator.Context), ref)
		}
	}
}

func shadowOf(vm *simulator.VirtualMachine) *simulator.VirtualMachine {
	shadow := *vm
	shadow.Config = nil
	shadow.Capability = types.VirtualMachineCapability{}
	shadow.Layout, shadow.LayoutEx, shadow.Storage = nil, nil, nil
	return &shadow
}
