package main

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// sessions knows the live logins and what they have left lying about.
//
// The simulator keeps its own list to itself, and forgets to clean up after a
// session that was terminated rather than logged out.
type sessions struct {
	registry *simulator.Registry
	// silent makes property reads without a session come back empty instead of failing.
	silent atomic.Bool

	mu      sync.Mutex
	objects map[string]*simulator.Registry // by session key
	expired chan struct{}                  // closed when all sessions are ended
}

func newSessions(registry *simulator.Registry) *sessions {
	return &sessions{
		registry: registry,
		objects:  map[string]*simulator.Registry{},
		expired:  make(chan struct{}),
	}
}

// remember notes where a session keeps its objects.
func (s *sessions) remember(session *simulator.Session) {
	s.mu.Lock()
	s.objects[session.Key] = session.Registry
	s.mu.Unlock()
}

// keys lists the live sessions, and forgets the ended ones.
func (s *sessions) keys() []string {
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

// isLive tells whether a request has a session.
func (s *sessions) isLive(r *http.Request) bool {
	cookie, err := r.Cookie(soap.SessionCookieName)
	return err == nil && slices.Contains(s.keys(), cookie.Value)
}

// expire ends every session, as an idle time-out or a restart of vCenter
// would, and wakes whoever waits for updates.
func (s *sessions) expire(ctx *simulator.Context) int {
	keys := s.keys()
	ctx.Session = &simulator.Session{Registry: simulator.NewRegistry(), Map: s.registry}
	for _, key := range keys { // one by one: a session may log out meanwhile
		s.registry.SessionManager().TerminateSession(ctx, &types.TerminateSession{SessionId: []string{key}})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, objects := range s.objects {
		s.abandon(ctx, objects)
	}
	clear(s.objects)
	close(s.expired)
	s.expired = make(chan struct{})
	return len(keys)
}

// abandon stops a session's views, collectors and filters from following changes.
func (s *sessions) abandon(ctx *simulator.Context, objects *simulator.Registry) {
	main := s.registry.Get(s.content().PropertyCollector)
	for _, object := range objects.AllReference("") {
		if follower, ok := object.(simulator.RegisterObject); ok && object != main {
			s.registry.RemoveHandler(follower)
		}
	}
}

// expiry is closed when all sessions are ended.
func (s *sessions) expiry() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expired
}

// count is how many objects of that kind the live sessions have.
func (s *sessions) count(kind string) int {
	s.keys()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, objects := range s.objects {
		n += len(objects.AllReference(kind))
	}
	return n
}

// collectors counts the property collectors that sessions made for themselves.
func (s *sessions) collectors() int {
	s.keys()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, objects := range s.objects {
		for _, object := range objects.AllReference("PropertyCollector") {
			if object.Reference() != s.content().PropertyCollector {
				n++
			}
		}
	}
	return n
}

func (s *sessions) content() types.ServiceContent {
	return s.registry.Get(types.ManagedObjectReference{Type: "ServiceInstance", Value: "ServiceInstance"}).(*simulator.ServiceInstance).Content
}
