package sessions

import (
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// overrides are objects of sessions that answer more methods than the simulator's
// own, which they embed. A session's objects win over the inventory's for the
// calls of that session; the simulator itself goes on finding its own object,
// which it expects to be of its own type.
type overrides struct {
	registry *simulator.Registry

	mu     sync.Mutex
	placed map[types.ManagedObjectReference][]*simulator.Session
}

func newOverrides(registry *simulator.Registry) *overrides {
	return &overrides{registry: registry, placed: map[types.ManagedObjectReference][]*simulator.Session{}}
}

// put puts an object into a session, in the place of the inventory's of the
// same reference. It stays there: another call of the session may need it.
func (o *overrides) put(session *simulator.Session, object mo.Reference) {
	o.mu.Lock()
	defer o.mu.Unlock()
	session.Registry.Put(object)
	ref := object.Reference()
	o.placed[ref] = append(o.placed[ref], session)
}

// reclaim removes what stands for objects that are gone, or the sessions would go
// on seeing them.
func (o *overrides) reclaim() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for ref, sessions := range o.placed {
		if o.registry.Get(ref) != nil {
			continue
		}
		for _, session := range sessions {
			session.Registry.Remove(new(simulator.Context), ref)
		}
		delete(o.placed, ref)
	}
}

// Override makes an object answer the calls of a session in the place of the
// inventory's of the same reference.
func (s *Sessions) Override(session *simulator.Session, object mo.Reference) {
	s.overrides.put(session, object)
}
