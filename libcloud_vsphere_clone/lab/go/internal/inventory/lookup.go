// Package inventory looks things up in the simulator's inventory, and has the rules of
// vCenter for names, addresses, options and properties.
package inventory

import (
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// NewContext makes a context for calls of the lab's own, one each: locks are held by
// context.
type NewContext func() *simulator.Context

// FindByName is the only object of that kind and name; nil when there is none.
func FindByName[T mo.Entity](registry *simulator.Registry, kind, name string) T {
	var none T
	for _, entity := range registry.All(kind) {
		if object, ok := entity.(T); ok && entity.Entity().Name == name {
			return object
		}
	}
	return none
}

// FindVM is the VM with that instanceUuid; nil when there is none.
func FindVM(registry *simulator.Registry, instanceUUID string) *simulator.VirtualMachine {
	for _, entity := range registry.All("VirtualMachine") {
		vm, ok := entity.(*simulator.VirtualMachine)
		if ok && vm.Config != nil && vm.Config.InstanceUuid == instanceUUID {
			return vm
		}
	}
	return nil
}

// NameOf is an inventory object's name; "" for everything else.
func NameOf(registry *simulator.Registry, ref types.ManagedObjectReference) string {
	if entity, ok := registry.Get(ref).(mo.Entity); ok {
		return entity.Entity().Name
	}
	return ""
}

// ComputeResource is the cluster or stand-alone host that a resource pool belongs to.
func ComputeResource(registry *simulator.Registry, pool types.ManagedObjectReference) (mo.ComputeResource, bool) {
	for ref := &pool; ref != nil; {
		switch object := registry.Get(*ref).(type) {
		case *mo.ComputeResource:
			return *object, true
		case *simulator.ClusterComputeResource:
			return object.ComputeResource, true
		case mo.Entity:
			ref = object.Entity().Parent
		default:
			return mo.ComputeResource{}, false
		}
	}
	return mo.ComputeResource{}, false
}

// SplitPath are the names in a path, without empty ones.
func SplitPath(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
