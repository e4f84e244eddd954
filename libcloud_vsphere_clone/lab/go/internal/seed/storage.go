package seed

import (
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/inventory"
)

const podName = "pod-1"

const gib = int64(1) << 30

// datastoreSeed is a datastore to be made; names of hosts nil means on all of them.
type datastoreSeed struct {
	name     string
	capacity int64
	free     int64
	hosts    []string
	pod      bool
}

var datastoreSeeds = []datastoreSeed{
	{name: "shared-1", capacity: 2048 * gib, free: 500 * gib},
	{name: "shared-2", capacity: 2048 * gib, free: 900 * gib},
	{name: "local-1", capacity: 512 * gib, free: 300 * gib, hosts: []string{"esx-alone.lab"}},
	{name: "pod-1-a", capacity: 1024 * gib, free: 400 * gib, pod: true},
	{name: "pod-1-b", capacity: 1024 * gib, free: 600 * gib, pod: true},
}

// addDatastores gives each datastore a folder under the state folder.
func (s *seeder) addDatastores() error {
	for _, seed := range datastoreSeeds {
		folder := filepath.Join(s.options.Folder, "datastores", seed.name)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		hosts := seed.hosts
		if hosts == nil {
			hosts = s.hostNames()
		}
		for _, name := range hosts {
			system, err := s.hosts[name].ConfigManager().DatastoreSystem(s.ctx)
			if err != nil {
				return err
			}
			if _, err := system.CreateLocalDatastore(s.ctx, seed.name, folder); err != nil {
				return err
			}
		}
		s.completeDatastore(seed)
	}
	return nil
}

// completeDatastore gives a datastore of the simulator the properties of a VMFS volume.
func (s *seeder) completeDatastore(seed datastoreSeed) {
	datastore := inventory.FindByName[*simulator.Datastore](s.registry, "Datastore", seed.name)
	datastore.Summary.Type = string(types.HostFileSystemVolumeFileSystemTypeVMFS)
	datastore.Summary.MultipleHostAccess = types.NewBool(len(datastore.Host) > 1)
	datastore.Summary.Capacity = seed.capacity
	s.freeSpace.Add(datastore, seed.free)
}

// addPod makes the datastore cluster. One call moves both datastores: the
// simulator lists earlier children twice after a second one.
func (s *seeder) addPod() error {
	pod, err := s.folders.DatastoreFolder.CreateStoragePod(s.ctx, podName)
	if err != nil {
		return err
	}
	var members []types.ManagedObjectReference
	var capacity, free int64
	for _, seed := range datastoreSeeds {
		if seed.pod {
			datastore := inventory.FindByName[*simulator.Datastore](s.registry, "Datastore", seed.name)
			members = append(members, datastore.Self)
			capacity, free = capacity+seed.capacity, free+seed.free
		}
	}
	if _, err := s.result(pod.MoveInto(s.ctx, members)); err != nil {
		return err
	}
	model := s.registry.Get(pod.Reference()).(*simulator.StoragePod)
	model.Summary = &types.StoragePodSummary{Name: podName, Capacity: capacity, FreeSpace: free}
	model.PodStorageDrsEntry.StorageDrsConfig.PodConfig.DefaultVmBehavior = string(types.StorageDrsPodConfigInfoBehaviorAutomated)
	return nil
}
