package clones

import (
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/google/uuid"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/guestrpc"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/machine/container"
)

// plan is what remains to be done when a clone's turn has come.
type plan struct {
	request   *types.CloneVM_Task
	name      string // the one that the clone will have in the end
	directory string // the one that is asked for on the datastore
	datastore types.ManagedObjectReference
	disks     []int32 // keys of the source's disks, in order
	channels  *guestrpc.Channels
}

// newPlan is for a request that is otherwise complete.
func newPlan(vm *simulator.VirtualMachine, request *types.CloneVM_Task, name string, channels *guestrpc.Channels) *plan {
	made := &plan{request: request, name: name, directory: request.Name, datastore: vm.Datastore[0], channels: channels}
	if chosen := request.Spec.Location.Datastore; chosen != nil {
		made.datastore = *chosen
	}
	for _, device := range vm.Config.Hardware.Device {
		if disk, ok := device.(*types.VirtualDisk); ok {
			made.disks = append(made.disks, disk.Key)
		}
	}
	return made
}

// Apply checks the name and the instanceUuid, which may have been taken meanwhile,
// sets the files of edited disks, and opens the guest's channel.
func (p *plan) Apply(registry *simulator.Registry) types.BaseMethodFault {
	folder, ok := registry.Get(p.request.Folder).(*simulator.Folder)
	if !ok {
		return &types.ManagedObjectNotFound{Obj: p.request.Folder}
	}
	if taken := registry.FindByName(p.name, folder.ChildEntity); taken != nil {
		return &types.DuplicateName{Name: p.name, Object: taken.Reference()}
	}
	if instanceUUIDInUse(registry, p.request.Spec.Config.InstanceUuid) {
		p.changeInstanceUUID()
	}
	if datastore, ok := registry.Get(p.datastore).(*simulator.Datastore); ok {
		p.placeDisks(datastore)
	}
	if inventory.OptionText(p.request.Spec.Config.ExtraConfig, container.SettingKey) != "" {
		p.channels.Open(p.request.Spec.Config.InstanceUuid)
	}
	return nil
}

// CleanUp closes the guest's channel if the clone has come to nothing.
func (p *plan) CleanUp(registry *simulator.Registry) {
	if id := p.request.Spec.Config.InstanceUuid; !instanceUUIDInUse(registry, id) {
		p.channels.Close(id)
	}
}

// changeInstanceUUID gives the clone another identity than the one it asked
// for, also in its container's name.
func (p *plan) changeInstanceUUID() {
	config, other := p.request.Spec.Config, uuid.NewString()
	for _, option := range config.ExtraConfig {
		value := option.GetOptionValue()
		if text, ok := value.Value.(string); ok && value.Key == container.SettingKey {
			value.Value = strings.ReplaceAll(text, config.InstanceUuid, other)
		}
	}
	config.InstanceUuid = other
}

// instanceUUIDInUse reports whether a VM of the inventory has that instanceUuid.
//
// VirtualMachineConfigSpec.instanceUuid: "Normally, this property is not set by
// a client, allowing the Virtual Infrastructure environment to assign or change
// it when VirtualCenter detects an identifier conflict between virtual machines."
func instanceUUIDInUse(registry *simulator.Registry, instanceUUID string) bool {
	return inventory.FindVM(registry, instanceUUID) != nil
}

// placeDisks makes edits of inherited disks name the clone's own files.
//
// RelocateSpec.datastore: "The datastore where the virtual machine should be
// located." Clients that change a disk send the template's backing along, which
// the simulator would take over: two VMs on one file.
func (p *plan) placeDisks(datastore *simulator.Datastore) {
	directory := p.freeDirectory(datastore)
	for _, changes := range [][]types.BaseVirtualDeviceConfigSpec{p.request.Spec.Location.DeviceChange, p.request.Spec.Config.DeviceChange} {
		for _, change := range changes {
			spec := change.GetVirtualDeviceConfigSpec()
			disk, ok := spec.Device.(*types.VirtualDisk)
			if !ok || spec.Operation != types.VirtualDeviceConfigSpecOperationEdit {
				continue
			}
			if backing, ok := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo); ok {
				info := backing.GetVirtualDeviceFileBackingInfo()
				info.FileName = fmt.Sprintf("[%s] %s/%s", datastore.Name, directory, p.diskFile(disk.Key))
				info.Datastore = nil
			}
		}
	}
}

// freeDirectory is where the simulator will put the clone.
func (p *plan) freeDirectory(datastore *simulator.Datastore) string {
	name := p.directory
	for n := 0; ; n++ {
		if _, err := os.Stat(path.Join(datastore.Summary.Url, name)); err != nil {
			return name
		}
		name = fmt.Sprintf("%s (%d)", p.directory, n)
	}
}

// diskFile is how the simulator will call the clone's disk of that key.
func (p *plan) diskFile(key int32) string {
	for n, other := range p.disks {
		if other == key && n > 0 {
			return fmt.Sprintf("%s_%d.vmdk", p.request.Name, n)
		}
	}
	return p.request.Name + ".vmdk"
}
