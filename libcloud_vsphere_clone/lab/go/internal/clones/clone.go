// Package clones completes clone requests: what a clone has of its source and what of its
// own, where it goes, and how it is made once its turn has come.
package clones

import (
	"maps"

	"github.com/google/uuid"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/customization"
	"vsphere-lab/internal/guestrpc"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/machine/container"
	"vsphere-lab/internal/tasks"
)

// setKey makes the simulator set a property of the VM instead of keeping an
// extraConfig key: "SET." and the property's path.
const setKey = "SET."

// Cloner completes clone requests; it has the parts of the lab that they need.
type Cloner struct {
	Tasks          *tasks.Tracker
	Names          *inventory.PendingNames
	Addresses      *inventory.MACAddresses
	Customizations *customization.Customizations
	Channels       *guestrpc.Channels
	Engine         *container.Engine
}

// Prepare turns a clone request into one that the simulator carries out
// as vCenter would.
func (c *Cloner) Prepare(ctx *simulator.Context, request *types.CloneVM_Task) types.BaseMethodFault {
	vm, ok := ctx.Map.Get(request.This).(*simulator.VirtualMachine)
	if !ok {
		return nil // the simulator says what is wrong with that
	}
	completeClone(request)
	checks := []func() types.BaseMethodFault{
		func() types.BaseMethodFault { return inventory.CheckName(request.Name, request.Folder) },
		func() types.BaseMethodFault { return checkTargets(ctx.Map, request) },
		func() types.BaseMethodFault { return chooseHost(ctx.Map, vm, &request.Spec.Location) },
		func() (fault types.BaseMethodFault) {
			ctx.WithLock(vm, func() { fault = c.inherit(vm, request) })
			return fault
		},
	}
	for _, check := range checks {
		if fault := check(); fault != nil {
			return fault
		}
	}
	name := inventory.StoredName(request.Name)
	request.Name = c.Names.Replace(ctx.Map, request.Folder, request.Name)
	c.Tasks.Plan(newPlan(vm, request, name, c.Channels))
	return nil
}

// completeClone fills in what the request leaves open.
//
// CloneVM_Task, spec: "The folder specified in the spec takes precedence over
// the folder parameter."
func completeClone(request *types.CloneVM_Task) {
	if request.Spec.Config == nil {
		request.Spec.Config = new(types.VirtualMachineConfigSpec)
	}
	if folder := request.Spec.Location.Folder; folder != nil {
		request.Folder = *folder
	}
}

// inherit fills in what a clone has from its source, and what it has of its own.
func (c *Cloner) inherit(vm *simulator.VirtualMachine, request *types.CloneVM_Task) types.BaseMethodFault {
	config := request.Spec.Config
	options := inventory.MergeOptions(vm.Config.ExtraConfig, config.ExtraConfig)
	chooseUUIDs(config)
	c.Customizations.Plan(&request.Spec)
	c.renewNICs(vm, &request.Spec)
	if command := container.Command(vm); command != "" {
		if fault := container.CheckShellSafe(request.Name, options); fault != nil {
			return fault
		}
		mounts := c.Channels.Options(config.InstanceUuid)
		options = c.Engine.Settings(request.Name, config.InstanceUuid, command, mounts, options)
	}
	config.ExtraConfig = append(options, inheritedProperties(vm, config)...)
	return nil
}

// checkTargets refuses references to nothing, which would end the simulator's process.
//
// ManagedObjectNotFound "is thrown when a request refers to a managed object
// that no longer exists or has never existed".
func checkTargets(registry *simulator.Registry, request *types.CloneVM_Task) types.BaseMethodFault {
	location := request.Spec.Location
	for _, target := range []struct {
		ref  *types.ManagedObjectReference
		kind []string
	}{
		{&request.Folder, []string{"Folder"}},
		{location.Pool, []string{"ResourcePool", "VirtualApp"}},
		{location.Host, []string{"HostSystem"}},
		{location.Datastore, []string{"Datastore"}},
		{request.Spec.Snapshot, []string{"VirtualMachineSnapshot"}},
	} {
		if target.ref != nil && !exists(registry, *target.ref, target.kind) {
			return &types.ManagedObjectNotFound{Obj: *target.ref}
		}
	}
	for i := range location.Disk {
		if !exists(registry, location.Disk[i].Datastore, []string{"Datastore"}) {
			return &types.ManagedObjectNotFound{Obj: location.Disk[i].Datastore}
		}
	}
	return nil
}

// exists reports whether a reference of one of those kinds leads anywhere.
func exists(registry *simulator.Registry, ref types.ManagedObjectReference, kinds []string) bool {
	for _, kind := range kinds {
		if ref.Type == kind {
			return registry.Get(ref) != nil
		}
	}
	return false
}

// chooseUUIDs gives the clone identities of its own: the simulator derives them
// from the name, so that a VM has those of an earlier one of that name.
func chooseUUIDs(config *types.VirtualMachineConfigSpec) {
	if config.InstanceUuid == "" {
		config.InstanceUuid = uuid.NewString()
	}
	if config.Uuid == "" {
		config.Uuid = uuid.NewString()
	}
}

// renewNICs gives each inherited NIC an address of its own, unless the request
// edits or removes that NIC itself.
//
// VirtualEthernetCard.addressType, "Assigned": "MAC address assigned by
// VirtualCenter". The simulator copies the source's.
func (c *Cloner) renewNICs(vm *simulator.VirtualMachine, spec *types.VirtualMachineCloneSpec) {
	touched := map[int32]bool{}
	for _, changes := range [][]types.BaseVirtualDeviceConfigSpec{spec.Location.DeviceChange, spec.Config.DeviceChange} {
		c.Addresses.Assign(changes)
		for _, change := range changes {
			touched[change.GetVirtualDeviceConfigSpec().Device.GetVirtualDevice().Key] = true
		}
	}
	var renewed []types.BaseVirtualDeviceConfigSpec
	for _, device := range vm.Config.Hardware.Device {
		nic, ok := device.(types.BaseVirtualEthernetCard)
		if !ok || touched[nic.GetVirtualEthernetCard().Key] {
			continue
		}
		renewed = append(renewed, &types.VirtualDeviceConfigSpec{
			Operation: types.VirtualDeviceConfigSpecOperationEdit,
			Device:    inventory.WithoutMAC(device),
		})
	}
	c.Addresses.Assign(renewed)
	spec.Config.DeviceChange = append(renewed, spec.Config.DeviceChange...)
}

// inheritedProperties are settings that the simulator's clone forgets.
//
// CloneSpec.config: "An optional specification of changes to the virtual
// hardware." Whatever it leaves out is the source's.
func inheritedProperties(vm *simulator.VirtualMachine, config *types.VirtualMachineConfigSpec) []types.BaseOptionValue {
	annotation := config.Annotation
	if annotation == "" {
		annotation = vm.Config.Annotation
	}
	set := map[string]any{"config.annotation": annotation}
	if cores := config.NumCoresPerSocket; cores != nil {
		set["config.hardware.numCoresPerSocket"] = *cores
	}
	maps.Copy(set, hotAdd(vm, config))
	if config.GuestId == "" {
		set["config.guestFullName"] = vm.Config.GuestFullName
		set["summary.config.guestFullName"] = vm.Config.GuestFullName
	}
	maps.Copy(set, installedTools(vm))
	var options []types.BaseOptionValue
	for path, value := range set {
		options = append(options, &types.OptionValue{Key: setKey + path, Value: value})
	}
	return options
}

// hotAdd is whether CPUs and memory can be added while the clone runs.
func hotAdd(vm *simulator.VirtualMachine, config *types.VirtualMachineConfigSpec) map[string]any {
	set := map[string]any{}
	for path, value := range map[string]*bool{
		"config.cpuHotAddEnabled":    firstSet(config.CpuHotAddEnabled, vm.Config.CpuHotAddEnabled),
		"config.memoryHotAddEnabled": firstSet(config.MemoryHotAddEnabled, vm.Config.MemoryHotAddEnabled),
	} {
		if value != nil {
			set[path] = *value
		}
	}
	return set
}

// installedTools are the properties of a clone whose source has VMware Tools:
// they are on its disk.
func installedTools(vm *simulator.VirtualMachine) map[string]any {
	version := vm.Guest.ToolsVersionStatus2
	if version == "" {
		return nil
	}
	return map[string]any{
		"guest.toolsVersion":                vm.Guest.ToolsVersion,
		"guest.toolsVersionStatus2":         version,
		"guest.toolsStatus":                 types.VirtualMachineToolsStatusToolsNotRunning,
		"summary.guest.toolsVersionStatus2": version,
	}
}

// firstSet is the first value that is given; nil when none is.
func firstSet(values ...*bool) *bool {
	for _, value := range values {
		if value != nil {
			return value
		}
	}
	return nil
}
