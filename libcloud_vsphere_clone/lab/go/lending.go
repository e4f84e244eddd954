package main

import (
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// lending gives sessions objects that answer more methods than the simulator's
// own, which they embed. A session's objects win over the inventory's for the
// calls of that session; the simulator itself goes on finding its own object,
// which it expects to be of its own type.
type lending struct {
	registry *simulator.Registry

	mu   sync.Mutex
	lent map[types.ManagedObjectReference][]*simulator.Session
}

func newLending(registry *simulator.Registry) *lending {
	return &lending{registry: registry, lent: map[types.ManagedObjectReference][]*simulator.Session{}}
}

// lend puts an object into a session, in the place of the inventory's of the
// same reference. It stays there: another call of the session may need it.
func (l *lending) lend(session *simulator.Session, object mo.Reference) {
	l.mu.Lock()
	defer l.mu.Unlock()
	session.Registry.Put(object)
	ref := object.Reference()
	l.lent[ref] = append(l.lent[ref], session)
}

// reclaim takes back what stands for objects that are gone, or the sessions
// would go on seeing them.
func (l *lending) reclaim() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ref, sessions := range l.lent {
		if l.registry.Get(ref) != nil {
			continue
		}
		for _, session := range sessions {
			session.Registry.Remove(new(simulator.Context), ref)
		}
		delete(l.lent, ref)
	}
}

// labVM answers the calls that the simulator's VirtualMachine lacks.
type labVM struct {
	*simulator.VirtualMachine
	lab *Lab
}

// lendVM has a session's calls on a VM answered by a labVM.
func (l *Lab) lendVM(ctx *simulator.Context, ref types.ManagedObjectReference) {
	if _, ok := ctx.Session.Registry.Get(ref).(*labVM); ok {
		return
	}
	if vm, ok := ctx.Map.Get(ref).(*simulator.VirtualMachine); ok {
		l.lending.lend(ctx.Session, &labVM{vm, l})
	}
}
