// Package sessions knows the sessions of the lab's clients, and what each of them sees
// instead of the inventory's own objects.
package sessions

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// Sessions knows the live logins and the objects that they have made.
//
// The simulator keeps its own list to itself, and forgets to clean up after a
// session that was terminated rather than logged out.
type Sessions struct {
	registry  *simulator.Registry
	hidden    *hiddenConfigs
	overrides *overrides
	// silent makes property reads without a session come back empty instead of failing.
	silent atomic.Bool

	mu      sync.Mutex
	objects map[string]*simulator.Registry // by session key
	expired chan struct{}                  // closed when all sessions are ended
}

// New is without any session.
func New(registry *simulator.Registry) *Sessions {
	return &Sessions{
		registry:  registry,
		hidden:    newHiddenConfigs(registry),
		overrides: newOverrides(registry),
		objects:   map[string]*simulator.Registry{},
		expired:   make(chan struct{}),
	}
}

// Prepare makes a session ready for a call: it notes where the session keeps its
// objects, and brings those up to date that stand for the inventory's.
func (s *Sessions) Prepare(session *simulator.Session) {
	s.mu.Lock()
	s.objects[session.Key] = session.Registry
	s.mu.Unlock()
	s.hidden.apply(session)
	s.overrides.reclaim()
}

// SetSilent sets whether property reads without a session come back empty, as from
// some servers, instead of failing.
func (s *Sessions) SetSilent(silent bool) {
	s.silent.Store(silent)
}

// IsSilent reports whether property reads without a session come back empty.
func (s *Sessions) IsSilent() bool {
	return s.silent.Load()
}

// Keys lists the live sessions, and forgets the ended ones.
func (s *Sessions) Keys() []string {
	asker := &simulator.Session{Registry: simulator.NewRegistry(), Map: s.registry}
	manager := asker.Get(s.registry.SessionManager().Self).(*simulator.SessionManager)
	live := map[string]bool{}
	var keys []string
	for _, session := range manager.SessionList {
		live[session.Key] = true
		keys = append(keys, session.Key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.objects {
		if !live[key] {
			delete(s.objects, key)
		}
	}
	return keys
}

// IsLive reports whether a request has a session.
func (s *Sessions) IsLive(r *http.Request) bool {
	cookie, err := r.Cookie(soap.SessionCookieName)
	return err == nil && slices.Contains(s.Keys(), cookie.Value)
}

// Expire ends every session, as an idle time-out or a restart of vCenter would,
// and with them the waits for updates. It returns how many there were.
func (s *Sessions) Expire(ctx *simulator.Context) int {
	keys := s.Keys()
	ctx.Session = &simulator.Session{Registry: simulator.NewRegistry(), Map: s.registry}
	for _, key := range keys { // one by one: a session may log out meanwhile
		s.registry.SessionManager().TerminateSession(ctx, &types.TerminateSession{SessionId: []string{key}})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, objects := range s.objects {
		s.unsubscribe(ctx, objects)
	}
	clear(s.objects)
	close(s.expired)
	s.expired = make(chan struct{})
	return len(keys)
}

// unsubscribe stops a session's views, collectors and filters from following changes.
func (s *Sessions) unsubscribe(ctx *simulator.Context, objects *simulator.Registry) {
	main := s.registry.Get(s.Content().PropertyCollector)
	for _, object := range objects.AllReference("") {
		if follower, ok := object.(simulator.RegisterObject); ok && object != main {
			s.registry.RemoveHandler(follower)
		}
	}
}

// Expiry is closed when all sessions are ended.
func (s *Sessions) Expiry() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expired
}

// Count is how many objects of that kind the live sessions have.
func (s *Sessions) Count(kind string) int {
	s.Keys()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, objects := range s.objects {
		n += len(objects.AllReference(kind))
	}
	return n
}

// Collectors counts the property collectors that Sessions made for themselves.
func (s *Sessions) Collectors() int {
	s.Keys()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, objects := range s.objects {
		for _, object := range objects.AllReference("PropertyCollector") {
			if object.Reference() != s.Content().PropertyCollector {
				n++
			}
		}
	}
	return n
}

// Content is the service content of the lab.
func (s *Sessions) Content() types.ServiceContent {
	return s.registry.Get(types.ManagedObjectReference{Type: "ServiceInstance", Value: "ServiceInstance"}).(*simulator.ServiceInstance).Content
}
