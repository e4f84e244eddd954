package clones_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/labtest"
	"vsphere-lab/internal/seed"

	"github.com/google/uuid"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// optionText is at hand where a variable is called inventory.
var optionText = inventory.OptionText

const gib = int64(1) << 30

func TestCloneInherits(t *testing.T) {
	inventory := labtest.InventoryOf(t, labtest.Login(t, labtest.Start(t)).Client)
	template := inventory.VM("jclouds-images/debian-12")
	first := inventory.MustClone(template, "first", types.VirtualMachineCloneSpec{Config: &types.VirtualMachineConfigSpec{
		ExtraConfig: []types.BaseOptionValue{labtest.Option("libcloud.group", "web"), labtest.Option("libcloud.image", "debian-12")},
	}})
	second := inventory.MustClone(first, "second", types.VirtualMachineCloneSpec{Config: &types.VirtualMachineConfigSpec{
		Annotation:        "my own",
		NumCPUs:           4,
		NumCoresPerSocket: types.NewInt32(2),
		MemoryMB:          4096,
		ExtraConfig:       []types.BaseOptionValue{labtest.Option("libcloud.group", "db"), labtest.Option(seed.GuestMark, "")},
	}})

	source, one, two := inventory.Properties(template), inventory.Properties(first), inventory.Properties(second)
	for _, check := range []struct{ what, got, want string }{
		{"first's annotation", one.Config.Annotation, source.Config.Annotation},
		{"first's guest mark", optionText(one.Config.ExtraConfig, seed.GuestMark), "cloud-init"},
		{"first's group", optionText(one.Config.ExtraConfig, "libcloud.group"), "web"},
		{"second's annotation", two.Config.Annotation, "my own"},
		{"second's guest mark", optionText(two.Config.ExtraConfig, seed.GuestMark), ""},
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
		if key := option.GetOptionValue().Key; key == seed.GuestMark || strings.HasPrefix(key, "SET.") {
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
	inventory := labtest.InventoryOf(t, labtest.Login(t, labtest.Start(t)).Client)
	template := inventory.VM("debian-12")
	seen := map[string]bool{labtest.MACOf(t, inventory.Properties(template)): true}
	for _, name := range []string{"a", "b", "c"} {
		vm := inventory.MustClone(template, name, types.VirtualMachineCloneSpec{})
		properties := inventory.Properties(vm)
		mac := labtest.MACOf(t, properties)
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
	inventory := labtest.InventoryOf(t, labtest.Login(t, labtest.Start(t)).Client)
	template := inventory.VM("debian-12")
	before := inventory.Properties(template)
	group, err := inventory.Network(context.Background(), "dvpg-web")
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

	vm := inventory.MustClone(template, "edited", types.VirtualMachineCloneSpec{Config: &types.VirtualMachineConfigSpec{
		DeviceChange: []types.BaseVirtualDeviceConfigSpec{
			&types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationEdit, Device: nic},
			&types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationEdit, Device: disk},
		},
	}})
	after := inventory.Properties(vm)
	if mac := labtest.MACOf(t, after); mac == "" || mac == labtest.MACOf(t, before) {
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
	inventory := labtest.InventoryOf(t, labtest.Login(t, labtest.Start(t)).Client)
	template := inventory.VM("debian-12")
	grown := func() types.VirtualMachineCloneSpec {
		disk := object.VirtualDeviceList(inventory.Properties(template).Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))[0].(*types.VirtualDisk)
		disk.CapacityInBytes, disk.CapacityInKB = 9*gib, 9*gib/1024
		return types.VirtualMachineCloneSpec{
			Location: types.VirtualMachineRelocateSpec{Datastore: inventory.DatastoreRef("shared-2")},
			Config: &types.VirtualMachineConfigSpec{DeviceChange: []types.BaseVirtualDeviceConfigSpec{
				&types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationEdit, Device: disk},
			}},
		}
	}
	checkDisk(t, inventory.Properties(inventory.MustClone(template, "big", grown())), 9*gib, "[shared-2] big/big.vmdk")

	// A directory is taken where a VM in another folder has the same name.
	folder, err := inventory.Root().CreateFolder(context.Background(), "other")
	if err != nil {
		t.Fatal(err)
	}
	spec := grown()
	spec.Location.Pool = inventory.Pool("cluster-drs/Resources")
	task, err := template.Clone(context.Background(), folder, "big", spec)
	labtest.MustFinish(t)(task, err)
	checkDisk(t, inventory.Properties(inventory.VM("/lab-dc/vm/other/big")), 9*gib, "[shared-2] big (0)/big.vmdk")

	special := inventory.Properties(inventory.MustClone(template, "50% / 2", grown()))
	if special.Name != "50%25 %2f 2" {
		t.Errorf("name %q", special.Name)
	}
	disk := object.VirtualDeviceList(special.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))
	if len(disk) != 1 || disk[0].(*types.VirtualDisk).CapacityInBytes != 9*gib {
		t.Errorf("disks are %v", disk)
	}
}

func TestCloneIdentity(t *testing.T) {
	inventory := labtest.InventoryOf(t, labtest.Login(t, labtest.Start(t)).Client)
	template := inventory.VM("debian-12")
	id := uuid.NewString()
	spec := func() types.VirtualMachineCloneSpec {
		return types.VirtualMachineCloneSpec{Config: &types.VirtualMachineConfigSpec{InstanceUuid: id}}
	}
	if got := inventory.Properties(inventory.MustClone(template, "one", spec())).Config.InstanceUuid; got != id {
		t.Errorf("instanceUuid is %s, not the one asked for", got)
	}
	if got := inventory.Properties(inventory.MustClone(template, "two", spec())).Config.InstanceUuid; got == id || got == "" {
		t.Errorf("instanceUuid %q is in use by another VM", got)
	}
}

func TestClonesOfTheSameIdentityAtOnce(t *testing.T) {
	lab := labtest.Start(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	template, folder, pool := inventory.VM("debian-12"), inventory.Root(), inventory.Pool("cluster-drs/Resources")
	labtest.Steer(t, lab, "POST", "/v1/tasks/delay", map[string]int{"CloneVM": 100}, nil)
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
		labtest.MustFinish(t)(task, nil)
	}
	one, two := inventory.Properties(inventory.VM("one")).Config.InstanceUuid, inventory.Properties(inventory.VM("two")).Config.InstanceUuid
	if one == two || one != id && two != id {
		t.Errorf("the instanceUuids are %s and %s", one, two)
	}
}

func TestCloneGoesWhereItsPoolIs(t *testing.T) {
	inventory := labtest.InventoryOf(t, labtest.Login(t, labtest.Start(t)).Client)
	template := inventory.VM("debian-12")
	for pool, host := range map[string]string{
		"cluster-drs/Resources/tenants/tenant-a": "esx-drs-",
		"cluster-nodrs/Resources/tenants":        "esx-nodrs-",
		"esx-alone.lab/Resources":                "esx-alone.lab",
	} {
		vm := inventory.MustClone(template, "in "+host, types.VirtualMachineCloneSpec{
			Location: types.VirtualMachineRelocateSpec{Pool: inventory.Pool(pool)},
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
	inventory := labtest.InventoryOf(t, labtest.Login(t, labtest.Start(t)).Client)
	template := inventory.VM("debian-12")
	nothing := types.ManagedObjectReference{Type: "ResourcePool", Value: "resgroup-999"}
	noStore := types.ManagedObjectReference{Type: "Datastore", Value: "datastore-999"}
	for what, location := range map[string]types.VirtualMachineRelocateSpec{
		"unknown pool":      {Pool: &nothing},
		"unknown datastore": {Datastore: &noStore},
	} {
		if _, err := inventory.Clone(template, what, types.VirtualMachineCloneSpec{Location: location}); !fault.Is(err, &types.ManagedObjectNotFound{}) {
			t.Errorf("%s: %v", what, err)
		}
	}
	unreachable := types.VirtualMachineCloneSpec{Location: types.VirtualMachineRelocateSpec{Datastore: inventory.DatastoreRef("local-1")}}
	if _, err := inventory.Clone(template, "far", unreachable); !fault.Is(err, &types.InvalidDatastore{}) {
		t.Errorf("datastore of another host: %v", err)
	}
	if _, err := inventory.Clone(template, strings.Repeat("x", 81), types.VirtualMachineCloneSpec{}); !fault.Is(err, &types.InvalidName{}) {
		t.Errorf("81 characters: %v", err)
	}
	inventory.MustClone(template, strings.Repeat("ü", 80), types.VirtualMachineCloneSpec{})
	inventory.MustClone(template, "twice", types.VirtualMachineCloneSpec{})
	if _, err := inventory.Clone(template, "twice", types.VirtualMachineCloneSpec{}); !fault.Is(err, &types.DuplicateName{}) {
		t.Errorf("a name that is taken: %v", err)
	}
}

func TestManyClonesFromDifferentSources(t *testing.T) {
	lab := labtest.Start(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	var sources []*object.VirtualMachine
	for _, path := range []string{"debian-12", "debian-12-static", "debian-11", "legacy-web"} {
		sources = append(sources, inventory.VM(path))
	}
	pool, folder := inventory.Pool("cluster-drs/Resources"), inventory.Root()
	free := map[string]int64{}
	for _, datastore := range []string{"shared-1", "shared-2", "local-1", "pod-1-a", "pod-1-b"} {
		free[datastore] = freeSpace(t, inventory, datastore)
	}
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
	for datastore, before := range free {
		if now := freeSpace(t, inventory, datastore); now <= 0 || now > before {
			t.Errorf("%s has %d bytes free, before it was %d", datastore, now, before)
		}
	}
}

func freeSpace(t *testing.T, inventory labtest.Inventory, datastore string) int64 {
	t.Helper()
	var row mo.Datastore
	ref := *inventory.DatastoreRef(datastore)
	if err := property.DefaultCollector(inventory.Client).RetrieveOne(context.Background(), ref, []string{"summary"}, &row); err != nil {
		t.Fatal(err)
	}
	return row.Summary.FreeSpace
}

func TestKeyedPropertiesInBulk(t *testing.T) {
	client := labtest.Login(t, labtest.Start(t)).Client
	inventory := labtest.InventoryOf(t, client)
	collector := property.DefaultCollector(client)
	const path = `config.extraConfig["libcloud.guest"].value`
	content, err := methods.RetrievePropertiesEx(context.Background(), client, &types.RetrievePropertiesEx{
		This: collector.Reference(),
		SpecSet: []types.PropertyFilterSpec{{
			PropSet:   []types.PropertySpec{{Type: "VirtualMachine", PathSet: []string{path}}},
			ObjectSet: []types.ObjectSpec{{Obj: inventory.VM("debian-12").Reference()}, {Obj: inventory.VM("legacy-db").Reference()}},
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
	inventory := labtest.InventoryOf(t, labtest.Login(t, labtest.Start(t)).Client)
	var sources []*object.VirtualMachine
	for _, path := range []string{"debian-12", "debian-12-static", "debian-11", "legacy-web"} {
		sources = append(sources, inventory.VM(path))
	}
	outcomes := make(chan error)
	for n := range 16 {
		go func() {
			_, err := inventory.Clone(sources[n%len(sources)], name, types.VirtualMachineCloneSpec{})
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

func TestLookUpsDuringClones(t *testing.T) {
	client := labtest.Login(t, labtest.Start(t)).Client
	inventory := labtest.InventoryOf(t, client)
	template, done := inventory.VM("debian-12"), make(chan struct{})
	go func() {
		defer close(done)
		for range 40 {
			_, _ = inventory.Clone(template, uuid.NewString(), types.VirtualMachineCloneSpec{})
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
