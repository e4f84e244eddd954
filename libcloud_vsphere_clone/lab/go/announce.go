package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// announceVM has watchers look at a VM again whose config has gone or come, or
// that has become a template: the simulator changes these without a word.
//
// PropertyCollector.WaitForUpdatesEx: it reports "all the updates" of the
// properties that a filter selects.
func (l *Lab) announceVM(ref types.ManagedObjectReference) {
	for _, objects := range l.sessions.registries() {
		l.shadows.show(&simulator.Session{Registry: objects})
		for _, object := range objects.AllReference("PropertyCollector") {
			if watcher, ok := object.(*collector); ok {
				watcher.news.note(ref)
			}
		}
	}
}

// registries are where the live sessions keep their objects.
func (s *sessions) registries() []*simulator.Registry {
	s.keys()
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*simulator.Registry
	for _, objects := range s.objects {
		found = append(found, objects)
	}
	return found
}
