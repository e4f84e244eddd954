package sessions

import (
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// hiddenConfigs are VMs that clients see without their config, as vCenter shows a VM
// that is orphaned, inaccessible or still being cloned. The simulator itself
// goes on working with the whole VM: one without a config would end its process.
type hiddenConfigs struct {
	registry *simulator.Registry

	mu   sync.Mutex
	refs map[types.ManagedObjectReference]bool // true: hidden; false: was hidden
}

func newHiddenConfigs(registry *simulator.Registry) *hiddenConfigs {
	return &hiddenConfigs{registry: registry, refs: map[types.ManagedObjectReference]bool{}}
}

// HideConfig hides a VM's config from clients, or shows it again.
func (s *Sessions) HideConfig(ref types.ManagedObjectReference, hidden bool) {
	s.hidden.set(ref, hidden)
	s.Announce(ref)
}

// set hides a VM's config, or shows it again.
func (h *hiddenConfigs) set(ref types.ManagedObjectReference, hidden bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refs[ref] = hidden
}

// apply puts copies without config into a session, whose own objects a client sees
// first.
func (h *hiddenConfigs) apply(session *simulator.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ref, hidden := range h.refs {
		vm, ok := h.registry.Get(ref).(*simulator.VirtualMachine)
		if hidden && ok {
			session.Registry.Put(withoutConfig(vm))
		} else if session.Registry.Get(ref) != nil {
			session.Registry.Remove(new(simulator.Context), ref)
		}
	}
}

// withoutConfig is a copy that lacks what such a VM lacks.
func withoutConfig(vm *simulator.VirtualMachine) *simulator.VirtualMachine {
	copied := *vm
	copied.Config = nil
	copied.Capability = types.VirtualMachineCapability{}
	copied.Layout, copied.LayoutEx, copied.Storage = nil, nil, nil
	return &copied
}
