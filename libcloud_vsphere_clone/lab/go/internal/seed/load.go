package seed

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/guest"
	"vsphere-lab/internal/inventory"
)

const loadFolder = "load"

// addLoad fills the folder "load" with plain VMs that are powered on.
//
// One VM is made by the simulator, the others are copies of it that go straight
// into the inventory: 3,000 take a moment instead of two minutes.
func (s *seeder) addLoad() error {
	if s.options.VMs == 0 {
		return nil
	}
	original, err := s.addVM(vmSeed{name: loadName(1), folder: loadFolder, poweredOn: true})
	if err != nil {
		return err
	}
	for n := 2; n <= s.options.VMs; n++ {
		s.putCopy(original, loadName(n))
	}
	return nil
}

func loadName(n int) string {
	return fmt.Sprintf("load-%04d", n)
}

// putCopy puts a copy of a VM beside it: into its folder, and into the lists
// of its host, its pool, its datastores and its networks.
func (s *seeder) putCopy(original *simulator.VirtualMachine, name string) {
	vm := s.copyVM(original, name)
	folder := s.registry.Get(*vm.Parent).(*simulator.Folder)
	host := s.registry.Get(*vm.Runtime.Host).(*simulator.HostSystem)
	pool := s.registry.Get(*vm.ResourcePool).(*simulator.ResourcePool)

	s.registry.NewEntity(vm)
	vm.Summary.Vm = &vm.Self
	s.registry.PutEntity(folder, vm)
	folder.ChildEntity = append(folder.ChildEntity, vm.Self)
	host.Vm = append(host.Vm, vm.Self)
	pool.Vm = append(pool.Vm, vm.Self)
	for _, ref := range vm.Datastore {
		datastore := s.registry.Get(ref).(*simulator.Datastore)
		datastore.Vm = append(datastore.Vm, vm.Self)
	}
	for _, ref := range vm.Network {
		if network, ok := s.registry.Get(ref).(*mo.Network); ok {
			network.Vm = append(network.Vm, vm.Self)
		}
	}
}

// copyVM is a VM of its own as far as calls can change it: config, guest,
// devices and identity. What no call writes to is shared.
func (s *seeder) copyVM(original *simulator.VirtualMachine, name string) *simulator.VirtualMachine {
	vm := *original
	config, guestInfo, runtime := *original.Config, *original.Guest, original.Runtime
	tools, boot := *config.Tools, *config.BootOptions
	config.Tools, config.BootOptions = &tools, &boot
	config.Name, config.Uuid, config.InstanceUuid = name, uuid.NewString(), uuid.NewString()
	config.CreateDate = types.NewTime(time.Now())
	config.ExtraConfig = append([]types.BaseOptionValue(nil), config.ExtraConfig...)
	config.Hardware.Device = s.copyDevices(config.Hardware.Device, name)
	directory := "[shared-1] " + name
	config.Files = types.VirtualMachineFileInfo{
		VmPathName: directory + "/" + name + ".vmx", LogDirectory: directory,
		SnapshotDirectory: directory, SuspendDirectory: directory,
	}
	vm.Name, vm.Config, vm.Guest, vm.Runtime = name, &config, &guestInfo, runtime
	vm.RecentTask = nil
	summary := original.Summary
	summary.Runtime = runtime
	summary.Config.VmPathName = config.Files.VmPathName
	summary.Config.Name, summary.Config.Uuid, summary.Config.InstanceUuid = name, config.Uuid, config.InstanceUuid
	vm.Summary = summary
	guestInfo.Net = guest.GuestNet(&vm.VirtualMachine, "", 0)
	return &vm
}

// copyDevices copies the devices that differ from VM to VM.
func (s *seeder) copyDevices(devices []types.BaseVirtualDevice, name string) []types.BaseVirtualDevice {
	copies := append([]types.BaseVirtualDevice(nil), devices...)
	for i, device := range copies {
		switch device := device.(type) {
		case types.BaseVirtualEthernetCard:
			nic := inventory.WithoutMAC(devices[i])
			nic.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard().MacAddress = s.addresses.New()
			copies[i] = nic
		case *types.VirtualDisk:
			disk := *device
			backing := *device.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			backing.Uuid = uuid.NewString()
			backing.FileName = fmt.Sprintf("[shared-1] %s/disk1.vmdk", name)
			disk.Backing = &backing
			copies[i] = &disk
		}
	}
	return copies
}
