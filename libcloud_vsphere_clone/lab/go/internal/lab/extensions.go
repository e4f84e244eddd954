package lab

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/machine/container"
)

// extend runs before each call. It completes the request where vCenter does
// more than the simulator, or refuses what would end the simulator's process.
func (l *Lab) extend(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session == nil {
		return nil, l.refuseAnonymous(method)
	}
	l.sessions.Prepare(ctx.Session)
	switch request := method.Body.(type) {
	case *types.CloneVM_Task:
		return nil, l.cloner.Prepare(ctx, request)
	case *types.CreateVM_Task:
		return nil, l.prepareCreate(ctx, request)
	case *types.CreateFolder:
		fault := inventory.CheckName(request.Name, request.This)
		request.Name = inventory.UnescapeName(request.Name) // the simulator escapes it again
		return nil, fault
	case *types.ReconfigVM_Task:
		return nil, l.prepareReconfigure(ctx, request)
	case *types.Rename_Task:
		return nil, l.prepareRename(ctx, request)
	case *types.PutUsbScanCodes:
		l.overrideVM(ctx, request.This)
	case *types.SearchDatastore_Task:
		completeSearch(&request.SearchSpec)
	case *types.SearchDatastoreSubFolders_Task:
		completeSearch(&request.SearchSpec)
	}
	return nil, nil
}

// refuseAnonymous answers property reads without a session as vCenter does.
//
// NotAuthenticated is "thrown when an operation is denied because the session
// has not yet successfully logged in". The simulator lets them pass with an
// empty result; the service instance may be read without a session.
func (l *Lab) refuseAnonymous(method *simulator.Method) types.BaseMethodFault {
	if l.sessions.IsSilent() {
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
	if fault := inventory.CheckName(request.Config.Name, request.This); fault != nil {
		return fault
	}
	l.addresses.Assign(request.Config.DeviceChange)
	request.Config.Name = l.names.Replace(ctx.Map, request.This, request.Config.Name)
	return nil
}

// prepareReconfigure completes a ReconfigVM_Task: name and addresses.
func (l *Lab) prepareReconfigure(ctx *simulator.Context, request *types.ReconfigVM_Task) types.BaseMethodFault {
	l.addresses.Assign(request.Spec.DeviceChange)
	if request.Spec.Name != "" {
		if fault := inventory.CheckName(request.Spec.Name, request.This); fault != nil {
			return fault
		}
		request.Spec.Name = inventory.StoredName(request.Spec.Name)
	}
	if vm, ok := ctx.Map.Get(request.This).(*simulator.VirtualMachine); ok && container.Command(vm) != "" {
		return container.CheckShellSafe(vm.Name, request.Spec.ExtraConfig)
	}
	return nil
}

// prepareRename stores a name as vCenter does.
func (l *Lab) prepareRename(ctx *simulator.Context, request *types.Rename_Task) types.BaseMethodFault {
	if vm, ok := ctx.Map.Get(request.This).(*simulator.VirtualMachine); ok && container.Command(vm) != "" {
		if fault := container.CheckShellSafe(request.NewName, nil); fault != nil {
			return fault
		}
	}
	fault := inventory.CheckName(request.NewName, request.This)
	request.NewName = inventory.StoredName(request.NewName)
	return fault
}

// completeSearch gives a datastore search a specification: it is optional in
// SearchDatastore_Task, but without one the simulator's process ends.
func completeSearch(spec **types.HostDatastoreBrowserSearchSpec) {
	if *spec == nil {
		*spec = new(types.HostDatastoreBrowserSearchSpec)
	}
}
