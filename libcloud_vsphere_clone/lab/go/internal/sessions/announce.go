package sessions

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/collector"
)

// Announce makes watchers look at a VM again whose config has gone or come, or
// that has become a template: the simulator does not notify them of these.
//
// PropertyCollector.WaitForUpdatesEx: it reports "all the updates" of the
// properties that a filter selects.
func (s *Sessions) Announce(ref types.ManagedObjectReference) {
	for _, objects := range s.registries() {
		s.hidden.apply(&simulator.Session{Registry: objects})
		for _, object := range objects.AllReference("PropertyCollector") {
			if watcher, ok := object.(*collector.Collector); ok {
				watcher.Changed(ref)
			}
		}
	}
}

// registries are where the live sessions keep their objects.
func (s *Sessions) registries() []*simulator.Registry {
	s.Keys()
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*simulator.Registry
	for _, objects := range s.objects {
		found = append(found, objects)
	}
	return found
}
