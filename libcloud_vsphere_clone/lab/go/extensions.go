package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// extend runs before each call. It completes the request where vCenter does
// more than the simulator, or refuses what would end the simulator's process.
func (l *Lab) extend(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session == nil {
		return nil, l.refuseStranger(method)
	}
	l.sessions.remember(ctx.Session)
	l.shadows.show(ctx.Session)
	l.lending.reclaim()
	switch request := method.Body.(type) {
	case *types.CloneVM_Task:
		return nil, l.prepareClone(ctx, request)
	case *types.CreateVM_Task:
		return nil, l.prepareCreate(ctx, request)
	case *types.CreateFolder:
		fault := checkName(request.Name, request.This)
		request.Name = unescapeName(request.Name) // the simulator escapes it again
		return nil, fault
	case *types.ReconfigVM_Task:
		return nil, l.prepareReconfigure(ctx, request)
	case *types.Rename_Task:
		return nil, l.prepareRename(ctx, request)
	case *types.PutUsbScanCodes:
		l.lendVM(ctx, request.This)
	case *types.SearchDatastore_Task:
		completeSearch(&request.SearchSpec)
	case *types.SearchDatastoreSubFolders_Task:
		completeSearch(&request.SearchSpec)
	}
	return nil, nil
}

// refuseStranger answers property reads without a session as vCenter does.
//
// NotAuthenticated is "thrown when an operation is denied because the session
// has not yet successfully logged in". The simulator lets them pass with an
// empty result; the service instance may be read by anybody.
func (l *Lab) refuseStranger(method *simulator.Method) types.BaseMethodFault {
	if l.sessions.silent.Load() {
		return nil
	}
	var specs []types.PropertyFilterSpec
	switch request := method.Body.(type) {
	case *types.RetrieveProperties:
		specs = request.SpecSet
	case *types.RetrievePropertiesEx:
		specs = request.SpecSet
	}
	for _, spec := range specs {
		for _, object := range spec.ObjectSet {
			if object.Obj != vim25.ServiceInstance && object.Obj.Type != "SessionManager" {
				return &types.NotAuthenticated{NoPermission: types.NoPermission{Object: &object.Obj, PrivilegeId: "System.View"}}
			}
		}
	}
	return nil
}

// prepareCreate completes a CreateVM_Task: name and addresses.
func (l *Lab) prepareCreate(ctx *simulator.Context, request *types.CreateVM_Task) types.BaseMethodFault {
	if fault := checkName(request.Config.Name, request.This); fault != nil {
		return fault
	}
	l.networks.assignMACs(request.Config.DeviceChange)
	request.Config.Name = l.names.replace(ctx.Map, request.This, request.Config.Name)
	return nil
}

// prepareReconfigure completes a ReconfigVM_Task: name and addresses.
func (l *Lab) prepareReconfigure(ctx *simulator.Context, request *types.ReconfigVM_Task) types.BaseMethodFault {
	l.networks.assignMACs(request.Spec.DeviceChange)
	if request.Spec.Name != "" {
		if fault := checkName(request.Spec.Name, request.This); fault != nil {
			return fault
		}
		request.Spec.Name = storedName(request.Spec.Name)
	}
	if vm, ok := ctx.Map.Get(request.This).(*simulator.VirtualMachine); ok && containerCommand(vm) != "" {
		return checkShellSafe(vm.Name, request.Spec.ExtraConfig)
	}
	return nil
}

// prepareRename stores a name as vCenter does.
func (l *Lab) prepareRename(ctx *simulator.Context, request *types.Rename_Task) types.BaseMethodFault {
	if vm, ok := ctx.Map.Get(request.This).(*simulator.VirtualMachine); ok && containerCommand(vm) != "" {
		if fault := checkShellSafe(request.NewName, nil); fault != nil {
			return fault
		}
	}
	fault := checkName(request.NewName, request.This)
	request.NewName = storedName(request.NewName)
	return fault
}

// completeSearch gives a datastore search a specification: it is optional in
// SearchDatastore_Task, but without one the simulator's process ends.
func completeSearch(spec **types.HostDatastoreBrowserSearchSpec) {
	if *spec == nil {
		*spec = new(types.HostDatastoreBrowserSearchSpec)
	}
}
