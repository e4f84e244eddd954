package main

import (
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// announceVM tells watchers what a VM's reconfiguration, or its becoming a
// template, may have changed: the simulator changes these without a word.
//
// PropertyCollector.WaitForUpdatesEx: it reports "all the updates" of the
// properties that a filter selects.
func (l *Lab) announceVM(ref types.ManagedObjectReference) {
	vm, ok := l.model.Map().Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	ctx, told := l.internalContext(), map[*simulator.PropertyCollector]bool{}
	for _, filter := range l.sessions.filters() {
		if !told[filter.collector] {
			told[filter.collector] = true
			ctx.WithLock(vm, func() { filter.collector.UpdateObject(ctx, vm, silentProperties(&vm.VirtualMachine)) })
		}
	}
}

func silentProperties(vm *mo.VirtualMachine) []types.PropertyChange {
	changes := []types.PropertyChange{
		{Name: "name", Val: vm.Name},
		{Name: "config.name", Val: vm.Config.Name},
		{Name: "config.template", Val: vm.Config.Template},
		{Name: "config.instanceUuid", Val: vm.Config.InstanceUuid},
		{Name: "config.annotation", Val: vm.Config.Annotation},
		{Name: "config.guestId", Val: vm.Config.GuestId},
		{Name: "config.guestFullName", Val: vm.Config.GuestFullName},
		{Name: "config.hardware.numCPU", Val: vm.Config.Hardware.NumCPU},
		{Name: "config.hardware.memoryMB", Val: vm.Config.Hardware.MemoryMB},
		{Name: "summary.config.name", Val: vm.Summary.Config.Name},
		{Name: "summary.config.template", Val: vm.Summary.Config.Template},
		{Name: "summary.config.numCpu", Val: vm.Summary.Config.NumCpu},
		{Name: "summary.config.memorySizeMB", Val: vm.Summary.Config.MemorySizeMB},
	}
	if by := vm.Config.ManagedBy; by != nil {
		changes = append(changes, types.PropertyChange{Name: "config.managedBy", Val: *by})
	}
	if cores := vm.Config.Hardware.NumCoresPerSocket; cores != nil {
		changes = append(changes, types.PropertyChange{Name: "config.hardware.numCoresPerSocket", Val: *cores})
	}
	for i := range changes {
		changes[i].Op = types.PropertyChangeOpAssign
	}
	return changes
}

// announceConfig tells watchers that a VM's config has gone, or is there again:
// by the paths that they watch.
func (l *Lab) announceConfig(ref types.ManagedObjectReference, hidden bool) {
	vm, ok := l.model.Map().Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	ctx := l.internalContext()
	for _, filter := range l.sessions.filters() {
		ctx.WithLock(vm, func() { l.tellFilter(ctx, vm, filter, hidden) })
	}
}

func (l *Lab) tellFilter(ctx *simulator.Context, vm *simulator.VirtualMachine, filter sessionFilter, hidden bool) {
	var changes []types.PropertyChange
	for _, set := range filter.spec.PropSet {
		for _, path := range set.PathSet {
			if !strings.HasPrefix(path, "config.") && path != "config" {
				continue
			}
			change := types.PropertyChange{Name: path, Op: types.PropertyChangeOpAssign}
			if !hidden {
				change.Val = propertyOf(ctx, vm.Self, path)
			}
			changes = append(changes, change)
		}
	}
	if len(changes) > 0 {
		filter.collector.UpdateObject(ctx, vm, changes)
	}
}

// propertyOf reads a property as a client would; nil when it is unset.
func propertyOf(ctx *simulator.Context, ref types.ManagedObjectReference, path string) any {
	body, ok := new(simulator.PropertyCollector).RetrievePropertiesEx(ctx, &types.RetrievePropertiesEx{
		SpecSet: []types.PropertyFilterSpec{{
			PropSet:   []types.PropertySpec{{Type: ref.Type, PathSet: []string{path}}},
			ObjectSet: []types.ObjectSpec{{Obj: ref}},
		}},
	}).(*methods.RetrievePropertiesExBody)
	if !ok || body.Res == nil || body.Res.Returnval == nil {
		return nil
	}
	for _, object := range body.Res.Returnval.Objects {
		for _, property := range object.PropSet {
			return property.Val
		}
	}
	return nil
}

// sessionFilter is what a client watches, and by which collector.
type sessionFilter struct {
	collector *simulator.PropertyCollector
	spec      types.PropertyFilterSpec
}

// filters lists what the live sessions watch.
func (s *sessions) filters() []sessionFilter {
	s.keys()
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []sessionFilter
	for _, objects := range s.objects {
		for _, object := range objects.AllReference("PropertyCollector") {
			collector, ok := object.(*simulator.PropertyCollector)
			if !ok {
				continue
			}
			for _, ref := range collector.Filter {
				if filter, ok := objects.Get(ref).(*simulator.PropertyFilter); ok {
					found = append(found, sessionFilter{collector, filter.Spec})
				}
			}
		}
	}
	return found
}
