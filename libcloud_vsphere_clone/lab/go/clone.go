package main

import (
	"maps"

	"github.com/google/uuid"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// setKey makes the simulator set a property of the VM instead of keeping an
// extraConfig key: "SET." and the property's path.
const setKey = "SET."

// prepareClone turns a clone request into one that the simulator carries out
// as vCenter would.
func (l *Lab) prepareClone(ctx *simulator.Context, request *types.CloneVM_Task) types.BaseMethodFault {
	vm, ok := ctx.Map.Get(request.This).(*simulator.VirtualMachine)
	if !ok {
		return nil // the simulator says what is wrong with that
	}
	if request.Spec.Config == nil {
		request.Spec.Config = new(types.VirtualMachineConfigSpec)
	}
	checks := []func() types.BaseMethodFault{
		func() types.BaseMethodFault { return checkName(request.Name, request.Folder) },
		func() types.BaseMethodFault { return checkTargets(ctx.Map, request) },
		func() types.BaseMethodFault { return chooseHost(ctx.Map, vm, &request.Spec.Location) },
	}
	for _, check := range checks {
		if fault := check(); fault != nil {
			return fault
		}
	}
	var fault types.BaseMethodFault
	ctx.WithLock(vm, func() { fault = l.inherit(ctx.Map, vm, request) })
	request.Name = l.names.replace(ctx.Map, request.Folder, request.Name)
	return fault
}

// inherit fills in what a clone has from its source, and what it has of its own.
func (l *Lab) inherit(registry *simulator.Registry, vm *simulator.VirtualMachine, request *types.CloneVM_Task) types.BaseMethodFault {
	config := request.Spec.Config
	options := mergeOptions(vm.Config.ExtraConfig, config.ExtraConfig)
	chooseUUIDs(registry, config)
	l.renewNICs(vm, &request.Spec)
	if command := containerCommand(vm); command != "" {
		if fault := checkShellSafe(request.Name, options); fault != nil {
			return fault
		}
		options = l.nameContainer(request.Name, config.InstanceUuid, command, options)
	}
	config.ExtraConfig = append(options, inheritedProperties(vm, config)...)
	return nil
}

// checkTargets refuses references to nothing, which would end the simulator's process.
//
// CloneVM_Task: "ManagedObjectNotFound" is thrown for any argument that "has
// already been deleted or has not been completely created".
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

func exists(registry *simulator.Registry, ref types.ManagedObjectReference, kinds []string) bool {
	for _, kind := range kinds {
		if ref.Type == kind {
			return registry.Get(ref) != nil
		}
	}
	return false
}

// mergeOptions is a clone's extraConfig: its source's keys, changed by the spec's.
//
// VirtualMachineConfigSpec.extraConfig: "Additional configuration information
// for the virtual machine. ... The keys must be unique. ... to remove a key,
// set its value to an empty string." vCenter copies all of the source's keys.
func mergeOptions(source, spec []types.BaseOptionValue) []types.BaseOptionValue {
	var merged []types.BaseOptionValue
	given := map[string]bool{}
	for _, option := range spec {
		value := option.GetOptionValue()
		given[value.Key] = true
		if value.Value != "" {
			merged = append(merged, option)
		}
	}
	for _, option := range source {
		value := *option.GetOptionValue()
		if !given[value.Key] {
			merged = append(merged, &value)
		}
	}
	return merged
}

// chooseUUIDs gives the clone identities of its own.
//
// VirtualMachineConfigSpec.instanceUuid: "VirtualCenter-specific 128-bit UUID
// of a virtual machine ... Normally, this property is not set by a client,
// allowing the Virtual Infrastructure environment to assign or change it when
// VirtualCenter detects an identifier conflict between virtual machines."
func chooseUUIDs(registry *simulator.Registry, config *types.VirtualMachineConfigSpec) {
	if config.InstanceUuid == "" || instanceUUIDInUse(registry, config.InstanceUuid) {
		config.InstanceUuid = uuid.NewString()
	}
	if config.Uuid == "" {
		config.Uuid = uuid.NewString()
	}
}

// instanceUUIDInUse tells whether a VM of the inventory has that instanceUuid.
func instanceUUIDInUse(registry *simulator.Registry, instanceUUID string) bool {
	for _, entity := range registry.All("VirtualMachine") {
		vm, ok := entity.(*simulator.VirtualMachine)
		if ok && vm.Config != nil && vm.Config.InstanceUuid == instanceUUID {
			return true
		}
	}
	return false
}

// renewNICs gives each inherited NIC an address of its own, unless the request
// edits or removes that NIC itself.
//
// VirtualEthernetCard.addressType "Generated"/"Assigned": the server makes the
// address, and a clone is a new virtual machine.
func (l *Lab) renewNICs(vm *simulator.VirtualMachine, spec *types.VirtualMachineCloneSpec) {
	touched := map[int32]bool{}
	for _, changes := range [][]types.BaseVirtualDeviceConfigSpec{spec.Location.DeviceChange, spec.Config.DeviceChange} {
		l.networks.assignMACs(changes)
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
			Device:    withoutMAC(device),
		})
	}
	l.networks.assignMACs(renewed)
	spec.Config.DeviceChange = append(renewed, spec.Config.DeviceChange...)
}

// inheritedProperties are settings that the simulator's clone forgets.
//
// CloneSpec.config: "An optional specification of changes to the virtual
// machine's virtual hardware"; whatever it leaves out is the source's.
func inheritedProperties(vm *simulator.VirtualMachine, config *types.VirtualMachineConfigSpec) []types.BaseOptionValue {
	annotation := config.Annotation
	if annotation == "" {
		annotation = vm.Config.Annotation
	}
	set := map[string]any{"config.annotation": annotation}
	if cores := config.NumCoresPerSocket; cores != nil {
		set["config.hardware.numCoresPerSocket"] = *cores
	}
	for path, value := range map[string]*bool{
		"config.cpuHotAddEnabled":    firstSet(config.CpuHotAddEnabled, vm.Config.CpuHotAddEnabled),
		"config.memoryHotAddEnabled": firstSet(config.MemoryHotAddEnabled, vm.Config.MemoryHotAddEnabled),
	} {
		if value != nil {
			set[path] = *value
		}
	}
	maps.Copy(set, installedTools(vm))
	var options []types.BaseOptionValue
	for path, value := range set {
		options = append(options, &types.OptionValue{Key: setKey + path, Value: value})
	}
	return options
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
