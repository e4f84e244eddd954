package main

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func option(key, value string) types.BaseOptionValue {
	return &types.OptionValue{Key: key, Value: value}
}

func TestCloneInherits(t *testing.T) {
	inventory := inventoryOf(t, login(t, startLab(t)).Client)
	template := inventory.vm("jclouds-images/debian-12")
	first := inventory.mustClone(template, "first", types.VirtualMachineCloneSpec{Config: &types.VirtualMachineConfigSpec{
		ExtraConfig: []types.BaseOptionValue{option("libcloud.group", "web"), option("libcloud.image", "debian-12")},
	}})
	second := inventory.mustClone(first, "second", types.VirtualMachineCloneSpec{Config: &types.VirtualMachineConfigSpec{
		Annotation:        "my own",
		NumCPUs:           4,
		NumCoresPerSocket: types.NewInt32(2),
		MemoryMB:          4096,
		ExtraConfig:       []types.BaseOptionValue{option("libcloud.group", "db"), option(guestMark, "")},
	}})

	source, one, two := inventory.properties(template), inventory.properties(first), inventory.properties(second)
	for _, check := range []struct{ what, got, want string }{
		{"first's annotation", one.Config.Annotation, source.Config.Annotation},
		{"first's guest mark", optionText(one.Config.ExtraConfig, guestMark), "cloud-init"},
		{"first's group", optionText(one.Config.ExtraConfig, "libcloud.group"), "web"},
		{"second's annotation", two.Config.Annotation, "my own"},
		{"second's guest mark", optionText(two.Config.ExtraConfig, guestMark), ""},
		{"second's group", optionText(two.Config.ExtraConfig, "libcloud.group"), "db"},
		{"second's image", optionText(two.Config.ExtraConfig, "libcloud.image"), "debian-12"},
		{"tools", two.Guest.ToolsVersionStatus2, "guestToolsCurrent"},
		{"name", two.Config.Name, "second"},
		{"guest", two.Config.GuestFullName, "Debian GNU/Linux 12 (64-bit)"},
	} {
		if check.got != check.want {
			t.Errorf("%s is %q, not %q", check.what, check.got, check.want)
		}
	}
	for _, option := range two.Config.ExtraConfig {
		if key := option.GetOptionValue().Key; key == guestMark || strings.HasPrefix(key, setKey) {
			t.Errorf("clone has the key %q", key)
		}
	}
	hardware := two.Config.Hardware
	if hardware.NumCPU != 4 || *hardware.NumCoresPerSocket != 2 || hardware.MemoryMB != 4096 {
		t.Errorf("hardware is %d CPUs, %d cores, %d MB", hardware.NumCPU, *hardware.NumCoresPerSocket, hardware.MemoryMB)
	}
	if one.Config.Hardware.NumCPU != 2 || one.Config.Hardware.MemoryMB != 2048 {
		t.Error("a clone without hardware does not have its source's")
	}
	if two.Config.CreateDate == nil {
		t.Error("config.createDate is unset")
	}
}

func TestCloneHasAddressesOfItsOwn(t *testing.T) {
	inventory := inventoryOf(t, login(t, startLab(t)).Client)
	template := inventory.vm("debian-12")
	seen := map[string]bool{macOf(t, inventory.properties(template)): true}
	for _, name := range []string{"a", "b", "c"} {
		vm := inventory.mustClone(template, name, types.VirtualMachineCloneSpec{})
		properties := inventory.properties(vm)
		mac := macOf(t, properties)
		if seen[mac] || !strings.HasPrefix(mac, "00:50:56:") {
			t.Errorf("%s has the address %q", name, mac)
		}
		seen[mac] = true
		if nics := object.VirtualDeviceList(properties.Config.Hardware.Device).SelectByType((*types.VirtualVmxnet3)(nil)); len(nics) != 1 {
			t.Errorf("%s has %d NICs", name, len(nics))
		}
	}
}

func TestCloneWithEditedNIC(t *testing.T) {
	inventory := inventoryOf(t, login(t, startLab(t)).Client)
	template := inventory.vm("debian-12")
	before := inventory.properties(template)
	group, err := inventory.Network(context.Background(), portGroupName)
	if err != nil {
		t.Fatal(err)
	}
	backing, err := group.EthernetCardBackingInfo(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	nic := object.VirtualDeviceList(before.Config.Hardware.Device).SelectByType((*types.VirtualVmxnet3)(nil))[0].(*types.VirtualVmxnet3)
	nic.Backing, nic.MacAddress, nic.AddressType = backing, "", "generated"
	disk := object.VirtualDeviceList(before.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))[0].(*types.VirtualDisk)
	disk.CapacityInBytes, disk.CapacityInKB = 20*gib, 20*gib/1024

	vm := inventory.mustClone(template, "edited", types.VirtualMachineCloneSpec{Config: &types.VirtualMachineConfigSpec{
		DeviceChange: []types.BaseVirtualDeviceConfigSpec{
			&types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationEdit, Device: nic},
			&types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationEdit, Device: disk},
		},
	}})
	after := inventory.properties(vm)
	if mac := macOf(t, after); mac == "" || mac == macOf(t, before) {
		t.Errorf("address is %q", mac)
	}
	if len(after.Network) != 1 || after.Network[0] != group.Reference() {
		t.Errorf("networks are %v", after.Network)
	}
	checkDisk(t, after, 20*gib, "[shared-1] edited/edited.vmdk")
}

// checkDisk checks a VM's only disk.
func checkDisk(t *testing.T, vm mo.VirtualMachine, size int64, file string) {
	t.Helper()
	disks := object.VirtualDeviceList(vm.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))
	if len(disks) != 1 {
		t.Fatalf("there are %d disks", len(disks))
	}
	disk := disks[0].(*types.VirtualDisk)
	backing := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	if disk.CapacityInBytes != size || backing.FileName != file || len(vm.Datastore) != 1 || vm.Datastore[0] != *backing.Datastore {
		t.Errorf("the disk has %d bytes in %s on %v; the VM is on %v", disk.CapacityInBytes, backing.FileName, backing.Datastore, vm.Datastore)
	}
}

func TestCloneWithGrownDisk(t *testing.T) {
	inventory := inventoryOf(t, login(t, startLab(t)).Client)
	template := inventory.vm("debian-12")
	grown := func() types.VirtualMachineCloneSpec {
		disk := object.VirtualDeviceList(inventory.properties(template).Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))[0].(*types.VirtualDisk)
		disk.CapacityInBytes, disk.CapacityInKB = 9*gib, 9*gib/1024
		return types.VirtualMachineCloneSpec{
			Location: types.VirtualMachineRelocateSpec{Datastore: inventory.datastore("shared-2")},
			Config: &types.VirtualMachineConfigSpec{DeviceChange: []types.BaseVirtualDeviceConfigSpec{
				&types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationEdit, Device: disk},
			}},
		}
	}
	checkDisk(t, inventory.properties(inventory.mustClone(template, "big", grown())), 9*gib, "[shared-2] big/big.vmdk")

	// A directory is taken where a VM in another folder has the same name.
	folder, err := inventory.root().CreateFolder(context.Background(), "other")
	if err != nil {
		t.Fatal(err)
	}
	spec := grown()
	spec.Location.Pool = inventory.pool("cluster-drs/Resources")
	task, err := template.Clone(context.Background(), folder, "big", spec)
	mustFinish(t)(task, err)
	checkDisk(t, inventory.properties(inventory.vm("/lab-dc/vm/other/big")), 9*gib, "[shared-2] big (0)/big.vmdk")

	special := inventory.properties(inventory.mustClone(template, "50% / 2", grown()))
	if special.Name != "50%25 %2f 2" {
		t.Errorf("name %q", special.Name)
	}
	disk := object.VirtualDeviceList(special.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))
	if len(disk) != 1 || disk[0].(*types.VirtualDisk).CapacityInBytes != 9*gib {
		t.Errorf("disks are %v", disk)
	}
}

func macOf(t *testing.T, vm mo.VirtualMachine) string {
	t.Helper()
	card := firstNIC(&vm)
	if card == nil {
		t.Fatalf("%s has no NIC", vm.Name)
	}
	return card.MacAddress
}

func TestCloneIdentity(t *testing.T) {
	inventory := inventoryOf(t, login(t, startLab(t)).Client)
	template := inventory.vm("debian-12")
	id := uuid.NewString()
	spec := func() types.VirtualMachineCloneSpec {
		return types.VirtualMachineCloneSpec{Config: &types.VirtualMachineConfigSpec{InstanceUuid: id}}
	}
	if got := inventory.properties(inventory.mustClone(template, "one", spec())).Config.InstanceUuid; got != id {
		t.Errorf("instanceUuid is %s, not the one asked for", got)
	}
	if got := inventory.properties(inventory.mustClone(template, "two", spec())).Config.InstanceUuid; got == id || got == "" {
		t.Errorf("instanceUuid %q is in use by another VM", got)
	}
}

func TestClonesOfTheSameIdentityAtOnce(t *testing.T) {
	lab := startLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	template, folder, pool := inventory.vm("debian-12"), inventory.root(), inventory.pool("cluster-drs/Resources")
	steer(t, lab, "POST", "/v1/tasks/delay", map[string]int{"CloneVM": 100}, nil)
	id := uuid.NewString()
	var tasks []*object.Task
	for _, name := range []string{"one", "two"} {
		task, err := template.Clone(context.Background(), folder, name, types.VirtualMachineCloneSpec{
			Location: types.VirtualMachineRelocateSpec{Pool: pool}, Config: &types.VirtualMachineConfigSpec{InstanceUuid: id},
		})
		if err != nil {
			t.Fatal(err)
		}
		tasks = append(tasks, task)
	}
	for _, task := range tasks {
		mustFinish(t)(task, nil)
	}
	one, two := inventory.properties(inventory.vm("one")).Config.InstanceUuid, inventory.properties(inventory.vm("two")).Config.InstanceUuid
	if one == two || one != id && two != id {
		t.Errorf("the instanceUuids are %s and %s", one, two)
	}
}

func TestCloneGoesWhereItsPoolIs(t *testing.T) {
	inventory := inventoryOf(t, login(t, startLab(t)).Client)
	template := inventory.vm("debian-12")
	for pool, host := range map[string]string{
		"cluster-drs/Resources/tenants/tenant-a": "esx-drs-",
		"cluster-nodrs/Resources/tenants":        "esx-nodrs-",
		"esx-alone.lab/Resources":                "esx-alone.lab",
	} {
		vm := inventory.mustClone(template, "in "+host, types.VirtualMachineCloneSpec{
			Location: types.VirtualMachineRelocateSpec{Pool: inventory.pool(pool)},
		})
		system, err := vm.HostSystem(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if name, _ := system.ObjectName(context.Background()); !strings.HasPrefix(name, host) {
			t.Errorf("a clone in %s runs on %s", pool, name)
		}
	}
}

func TestCloneRefusals(t *testing.T) {
	inventory := inventoryOf(t, login(t, startLab(t)).Client)
	template := inventory.vm("debian-12")
	nothing := types.ManagedObjectReference{Type: "ResourcePool", Value: "resgroup-999"}
	noStore := types.ManagedObjectReference{Type: "Datastore", Value: "datastore-999"}
	for what, location := range map[string]types.VirtualMachineRelocateSpec{
		"unknown pool":      {Pool: &nothing},
		"unknown datastore": {Datastore: &noStore},
	} {
		if _, err := inventory.clone(template, what, types.VirtualMachineCloneSpec{Location: location}); !fault.Is(err, &types.ManagedObjectNotFound{}) {
			t.Errorf("%s: %v", what, err)
		}
	}
	unreachable := types.VirtualMachineCloneSpec{Location: types.VirtualMachineRelocateSpec{Datastore: inventory.datastore("local-1")}}
	if _, err := inventory.clone(template, "far", unreachable); !fault.Is(err, &types.InvalidDatastore{}) {
		t.Errorf("datastore of another host: %v", err)
	}
	if _, err := inventory.clone(template, strings.Repeat("x", 81), types.VirtualMachineCloneSpec{}); !fault.Is(err, &types.InvalidName{}) {
		t.Errorf("81 characters: %v", err)
	}
	inventory.mustClone(template, strings.Repeat("ü", 80), types.VirtualMachineCloneSpec{})
	inventory.mustClone(template, "twice", types.VirtualMachineCloneSpec{})
	if _, err := inventory.clone(template, "twice", types.VirtualMachineCloneSpec{}); !fault.Is(err, &types.DuplicateName{}) {
		t.Errorf("a name that is taken: %v", err)
	}
}

func TestManyClonesFromDifferentSources(t *testing.T) {
	lab := startLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	var sources []*object.VirtualMachine
	for _, path := range []string{"debian-12", "debian-12-static", "debian-11", "legacy-web"} {
		sources = append(sources, inventory.vm(path))
	}
	pool, folder := inventory.pool("cluster-drs/Resources"), inventory.root()
	start := time.Now()
	var clones sync.WaitGroup
	for n := range 48 {
		clones.Add(1)
		go func() {
			defer clones.Done()
			spec := types.VirtualMachineCloneSpec{Location: types.VirtualMachineRelocateSpec{Pool: pool}, PowerOn: true}
			task, err := sources[n%len(sources)].Clone(context.Background(), folder, "many-"+uuid.NewString(), spec)
			if err == nil {
				err = task.Wait(context.Background())
			}
			if err != nil {
				t.Error(err)
			}
		}()
	}
	clones.Wait()
	if each := time.Since(start) / 48; each > 100*time.Millisecond {
		t.Errorf("a clone takes %s", each)
	} else {
		t.Logf("a clone takes %s", each)
	}
	for datastore, seed := range lab.datastores {
		if free := datastore.Summary.FreeSpace; free <= 0 || free > seed.free {
			t.Errorf("%s has %d bytes free", seed.name, free)
		}
	}
}

func TestKeyedPropertiesInBulk(t *testing.T) {
	client := login(t, startLab(t)).Client
	inventory := inventoryOf(t, client)
	collector := property.DefaultCollector(client)
	const path = `config.extraConfig["libcloud.guest"].value`
	content, err := methods.RetrievePropertiesEx(context.Background(), client, &types.RetrievePropertiesEx{
		This: collector.Reference(),
		SpecSet: []types.PropertyFilterSpec{{
			PropSet:   []types.PropertySpec{{Type: "VirtualMachine", PathSet: []string{path}}},
			ObjectSet: []types.ObjectSpec{{Obj: inventory.vm("debian-12").Reference()}, {Obj: inventory.vm("legacy-db").Reference()}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := content.Returnval.Objects
	if len(rows) != 2 || len(rows[0].PropSet) != 1 || rows[0].PropSet[0].Val != "cloud-init" || len(rows[1].PropSet) != 0 {
		t.Errorf("rows are %+v", rows)
	}
}

func TestSameNameFromDifferentSources(t *testing.T) {
	for _, name := range []string{"wanted", "100%"} {
		t.Run(name, func(t *testing.T) { testSameName(t, name) })
	}
}

func testSameName(t *testing.T, name string) {
	inventory := inventoryOf(t, login(t, startLab(t)).Client)
	var sources []*object.VirtualMachine
	for _, path := range []string{"debian-12", "debian-12-static", "debian-11", "legacy-web"} {
		sources = append(sources, inventory.vm(path))
	}
	outcomes := make(chan error)
	for n := range 16 {
		go func() {
			_, err := inventory.clone(sources[n%len(sources)], name, types.VirtualMachineCloneSpec{})
			outcomes <- err
		}()
	}
	made := 0
	for range 16 {
		if err := <-outcomes; err == nil {
			made++
		} else if !fault.Is(err, &types.DuplicateName{}) {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d clones have the same name", made)
	}
}

// The simulator ends its process when somebody looks at the names in a folder
// where a VM has none yet.
func TestVMsAlwaysHaveNames(t *testing.T) {
	lab := startLab(t)
	vm := lab.model.Map().Put(new(simulator.VirtualMachine)).(*simulator.VirtualMachine)
	if vm.Name == "" {
		t.Error("a VM that is being made has no name")
	}
	lab.model.Map().Remove(lab.internalContext(), vm.Self)
}

func TestLookUpsDuringClones(t *testing.T) {
	client := login(t, startLab(t)).Client
	inventory := inventoryOf(t, client)
	template, done := inventory.vm("debian-12"), make(chan struct{})
	go func() {
		defer close(done)
		for range 40 {
			_, _ = inventory.clone(template, uuid.NewString(), types.VirtualMachineCloneSpec{})
		}
	}()
	index := object.NewSearchIndex(client)
	for {
		select {
		case <-done:
			return
		default:
		}
		if found, err := index.FindByInventoryPath(context.Background(), "/lab-dc/vm/nothing"); err != nil || found != nil {
			t.Fatalf("%v, %v", found, err)
		}
	}
}
