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
	grown := object.VirtualDeviceList(after.Config.Hardware.Device).SelectByType((*types.VirtualDisk)(nil))
	if len(grown) != 1 || grown[0].(*types.VirtualDisk).CapacityInBytes != 20*gib {
		t.Errorf("disks are %v", grown)
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
