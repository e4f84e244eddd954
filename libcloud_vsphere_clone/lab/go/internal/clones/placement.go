package clones

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/inventory"
)

// chooseHost names the clone's host where the request does not.
//
// RelocateSpec.host: "If not specified, if resource pool is not specified,
// current host is used; if resource pool is specified, and the target pool
// represents a stand-alone host, the host is used; ... if a resource pool is
// specified, the target pool represents a cluster, and this is a clone ..., a
// random compatible host is chosen". The simulator takes the source's host.
func chooseHost(registry *simulator.Registry, vm *simulator.VirtualMachine, location *types.VirtualMachineRelocateSpec) types.BaseMethodFault {
	candidates := []types.ManagedObjectReference{*vm.Runtime.Host}
	if location.Pool != nil {
		resource, ok := inventory.ComputeResource(registry, *location.Pool)
		if !ok {
			return &types.InvalidArgument{InvalidProperty: "spec.location.pool"}
		}
		candidates = resource.Host
	}
	if location.Host != nil {
		if simulator.FindReference(candidates, *location.Host) == nil && location.Pool != nil {
			return &types.InvalidArgument{InvalidProperty: "spec.location.host"}
		}
		candidates = []types.ManagedObjectReference{*location.Host}
	}
	host := leastLoaded(registry, candidates, cloneDatastore(registry, vm, location))
	if host == nil {
		return &types.InvalidDatastore{Datastore: location.Datastore}
	}
	location.Host = host
	return nil
}

// cloneDatastore is where the clone goes: "If not specified, the current
// datastore is used" (RelocateSpec.datastore).
func cloneDatastore(registry *simulator.Registry, vm *simulator.VirtualMachine, location *types.VirtualMachineRelocateSpec) types.ManagedObjectReference {
	if location.Datastore != nil {
		return *location.Datastore
	}
	return vm.Datastore[0]
}

// leastLoaded is the host with the fewest VMs among those that reach the
// datastore and are in service; nil when there is none.
func leastLoaded(registry *simulator.Registry, hosts []types.ManagedObjectReference, datastore types.ManagedObjectReference) *types.ManagedObjectReference {
	var best *types.ManagedObjectReference
	fewest := 0
	for _, ref := range hosts {
		host, ok := registry.Get(ref).(*simulator.HostSystem)
		if !ok || host.Runtime.InMaintenanceMode || simulator.FindReference(host.Datastore, datastore) == nil {
			continue
		}
		if n := len(host.Vm); best == nil || n < fewest {
			best, fewest = &ref, n
		}
	}
	return best
}
