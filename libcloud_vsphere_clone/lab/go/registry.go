package main

import (
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// findByName is the only object of that kind and name; nil when there is none.
func findByName[T mo.Entity](registry *simulator.Registry, kind, name string) T {
	var none T
	for _, entity := range registry.All(kind) {
		if object, ok := entity.(T); ok && entity.Entity().Name == name {
			return object
		}
	}
	return none
}

// nameOf is an inventory object's name; "" for everything else.
func nameOf(registry *simulator.Registry, ref types.ManagedObjectReference) string {
	if entity, ok := registry.Get(ref).(mo.Entity); ok {
		return entity.Entity().Name
	}
	return ""
}

// owner is the cluster or stand-alone host that a resource pool belongs to.
func owner(registry *simulator.Registry, pool types.ManagedObjectReference) (mo.ComputeResource, bool) {
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

// setFreeSpace keeps the two places where a datastore says it in step.
func setFreeSpace(datastore *simulator.Datastore, free int64) {
	datastore.Summary.FreeSpace = free
	datastore.Info.GetDatastoreInfo().FreeSpace = free
}

func splitPath(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
