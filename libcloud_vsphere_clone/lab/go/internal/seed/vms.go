package seed

import (
	"github.com/google/uuid"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/machine/container"
)

// GuestMark is the extraConfig key for how a template's guests take their first
// settings.
const GuestMark = "libcloud.guest"

// vmSeed is a virtual machine to be made.
type vmSeed struct {
	name       string
	folder     string // path below the datacenter's VM folder
	annotation string
	guest      string // value of the guest mark; templates only
	image      string // container image behind its clones; templates only
	managedBy  *types.ManagedByInfo
	poweredOn  bool
	template   bool
}

// templateSeeds are the images of the lab.
func (s *seeder) templateSeeds() []vmSeed {
	options := s.options
	return []vmSeed{
		{
			name: "debian-12", folder: imagesFolder, template: true, guest: "cloud-init", image: options.GuestImage,
			annotation: "Debian 12 with cloud-init and sshd. Clones take guestinfo user data.",
		},
		{
			name: "debian-12-static", folder: imagesFolder, template: true, guest: "none", image: options.StaticImage,
			annotation: "Debian 12 with sshd and a known root password, without cloud-init.",
		},
		{
			name: "debian-11", folder: imagesFolder + "/archive", template: true, guest: "cloud-init", image: options.GuestImage,
			annotation: "An older image in a subfolder; its guests run Debian 12 with cloud-init all the same.",
		},
	}
}

// foreignSeeds are VMs that no driver of ours made or may touch.
var foreignSeeds = []vmSeed{
	{
		name: "vCLS-1", folder: "infrastructure", poweredOn: true,
		managedBy: &types.ManagedByInfo{ExtensionKey: "com.vmware.vim.eam", Type: "cluster-agent"},
	},
	{
		name: "backup-proxy", folder: "infrastructure", poweredOn: true,
		managedBy: &types.ManagedByInfo{ExtensionKey: "com.example.backup", Type: "proxy"},
	},
	{name: "legacy-db", folder: "legacy", poweredOn: true, annotation: "Made by hand. Ask the database team."},
	{name: "legacy-web", folder: "legacy", annotation: "Made by hand. Switched off in spring."},
}

func (s *seeder) addTemplates() error {
	return s.addVMs(s.templateSeeds())
}

func (s *seeder) addForeignVMs() error {
	return s.addVMs(foreignSeeds)
}

func (s *seeder) addVMs(seeds []vmSeed) error {
	for _, seed := range seeds {
		if _, err := s.addVM(seed); err != nil {
			return err
		}
	}
	return nil
}

// addVM makes one VM on cluster-drs, with its disk on shared-1.
func (s *seeder) addVM(seed vmSeed) (*simulator.VirtualMachine, error) {
	folder, err := s.folder(seed.folder)
	if err != nil {
		return nil, err
	}
	spec, err := s.configSpec(seed)
	if err != nil {
		return nil, err
	}
	info, err := s.result(folder.CreateVM(s.ctx, spec, s.pools["cluster-drs"], s.hosts["esx-drs-1.lab"]))
	if err != nil {
		return nil, err
	}
	vm := object.NewVirtualMachine(s.client, info.Result.(types.ManagedObjectReference))
	model := s.registry.Get(vm.Reference()).(*simulator.VirtualMachine)
	model.Config.GuestFullName, model.Summary.Config.GuestFullName = guestFullName, guestFullName
	if seed.template {
		installTools(model)
		return model, vm.MarkAsTemplate(s.ctx)
	}
	if seed.poweredOn {
		_, err = s.result(vm.PowerOn(s.ctx))
	}
	return model, err
}

// configSpec describes a small Debian machine: 2 CPUs, 2 GiB, one thin disk, one NIC.
func (s *seeder) configSpec(seed vmSeed) (types.VirtualMachineConfigSpec, error) {
	spec := types.VirtualMachineConfigSpec{
		Name:              seed.name,
		Annotation:        seed.annotation,
		GuestId:           string(types.VirtualMachineGuestOsIdentifierDebian12_64Guest),
		NumCPUs:           2,
		NumCoresPerSocket: types.NewInt32(1),
		MemoryMB:          2048,
		Uuid:              uuid.NewString(),
		InstanceUuid:      uuid.NewString(),
		ManagedBy:         seed.managedBy,
		Files:             &types.VirtualMachineFileInfo{VmPathName: "[shared-1]"},
		ExtraConfig:       s.extraConfig(seed),
	}
	devices, err := s.devices()
	if err != nil {
		return spec, err
	}
	spec.DeviceChange, err = devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	return spec, err
}

// extraConfig is the guest mark and what runs behind a template's clones.
func (s *seeder) extraConfig(seed vmSeed) []types.BaseOptionValue {
	var options []types.BaseOptionValue
	if seed.guest != "" {
		options = append(options, &types.OptionValue{Key: GuestMark, Value: seed.guest})
	}
	if seed.image != "" && s.options.Guests {
		options = append(options,
			&types.OptionValue{Key: container.SettingKey, Value: seed.image},
			&types.OptionValue{Key: container.MountDMIKey, Value: "false"},
		)
	}
	return options
}

// devices are a disk and a NIC, with the keys that vCenter gives to the first of each kind.
func (s *seeder) devices() (object.VirtualDeviceList, error) {
	var devices object.VirtualDeviceList
	scsi, err := devices.CreateSCSIController("pvscsi")
	if err != nil {
		return nil, err
	}
	controller := scsi.(types.BaseVirtualController)
	controller.GetVirtualController().Key = 1000
	disk := devices.CreateDisk(controller, types.ManagedObjectReference{}, "")
	disk.Key = 2000
	disk.CapacityInKB = 8 * gib / 1024
	disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).ThinProvisioned = types.NewBool(true)
	nic, err := s.nic()
	return append(devices, scsi, disk, nic), err
}

// nic is on the standard port group, with an address of its own.
func (s *seeder) nic() (types.BaseVirtualDevice, error) {
	network, err := s.finder().Network(s.ctx, networkName)
	if err != nil {
		return nil, err
	}
	backing, err := network.EthernetCardBackingInfo(s.ctx)
	if err != nil {
		return nil, err
	}
	nic, err := object.VirtualDeviceList{}.CreateEthernetCard("vmxnet3", backing)
	if err != nil {
		return nil, err
	}
	card := nic.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard()
	card.Key = 4000
	card.AddressType = string(types.VirtualEthernetCardMacTypeAssigned)
	card.MacAddress = s.addresses.New()
	return nic, nil
}

// folder is the VM folder at a path, made where it is missing.
func (s *seeder) folder(path string) (*object.Folder, error) {
	folder := s.folders.VmFolder
	for _, name := range inventory.SplitPath(path) {
		parent := s.registry.Get(folder.Reference()).(*simulator.Folder)
		if child := s.registry.FindByName(name, parent.ChildEntity); child != nil {
			folder = object.NewFolder(s.client, child.Reference())
			continue
		}
		made, err := folder.CreateFolder(s.ctx, name)
		if err != nil {
			return nil, err
		}
		folder = made
	}
	return folder, nil
}

// installTools gives a VM the properties of one whose guest has run VMware Tools.
func installTools(vm *simulator.VirtualMachine) {
	vm.Config.Tools.ToolsVersion = toolsVersionNumber
	vm.Guest.ToolsVersion = toolsVersion
	vm.Guest.ToolsStatus = types.VirtualMachineToolsStatusToolsNotRunning
	vm.Guest.ToolsVersionStatus2 = string(types.VirtualMachineToolsVersionStatusGuestToolsCurrent)
	vm.Summary.Guest.ToolsStatus = vm.Guest.ToolsStatus
	vm.Summary.Guest.ToolsVersionStatus2 = vm.Guest.ToolsVersionStatus2
}

const (
	guestFullName      = "Debian GNU/Linux 12 (64-bit)"
	toolsVersion       = "12352" // open-vm-tools of Debian 12
	toolsVersionNumber = 12352
)
