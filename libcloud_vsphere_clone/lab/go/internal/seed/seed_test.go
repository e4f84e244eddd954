package seed_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/lab"
	"vsphere-lab/internal/labtest"
	"vsphere-lab/internal/seed"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const gib = int64(1) << 30

// optionText is at hand where a variable is called inventory.
var optionText = inventory.OptionText

func TestSeedNames(t *testing.T) {
	inventory := labtest.InventoryOf(t, labtest.Login(t, labtest.Start(t)).Client)
	for _, path := range []string{
		"/lab-dc/host/cluster-drs/esx-drs-1.lab", "/lab-dc/host/cluster-drs/esx-drs-2.lab",
		"/lab-dc/host/cluster-nodrs/esx-nodrs-1.lab", "/lab-dc/host/cluster-nodrs/esx-nodrs-2.lab",
		"/lab-dc/host/esx-alone.lab/esx-alone.lab",
		"/lab-dc/host/cluster-drs/Resources/tenants/tenant-a", "/lab-dc/host/cluster-nodrs/Resources/tenants",
		"/lab-dc/datastore/shared-1", "/lab-dc/datastore/shared-2", "/lab-dc/datastore/local-1",
		"/lab-dc/datastore/pod-1/pod-1-a", "/lab-dc/datastore/pod-1/pod-1-b",
		"/lab-dc/network/VM Network", "/lab-dc/network/dvs-1", "/lab-dc/network/dvpg-web",
		"/lab-dc/vm/jclouds-images/debian-12", "/lab-dc/vm/jclouds-images/debian-12-static",
		"/lab-dc/vm/jclouds-images/archive/debian-11",
		"/lab-dc/vm/infrastructure/vCLS-1", "/lab-dc/vm/infrastructure/backup-proxy",
		"/lab-dc/vm/legacy/legacy-db", "/lab-dc/vm/legacy/legacy-web",
	} {
		if found, err := inventory.ManagedObjectList(context.Background(), path); err != nil || len(found) != 1 {
			t.Errorf("%s: %d objects, %v", path, len(found), err)
		}
	}
	tenants, err := inventory.ResourcePoolList(context.Background(), "/lab-dc/host/*/Resources/tenants")
	if err != nil || len(tenants) != 2 {
		t.Errorf("%d pools of the same name, %v", len(tenants), err)
	}
}

func TestSeedTemplates(t *testing.T) {
	inventory := labtest.InventoryOf(t, labtest.Login(t, labtest.Start(t)).Client)
	seen := map[string]bool{}
	for name, guest := range map[string]string{"debian-12": "cloud-init", "debian-12-static": "none", "debian-11": "cloud-init"} {
		vm := inventory.Properties(inventory.VM(name))
		config := vm.Config
		devices := object.VirtualDeviceList(config.Hardware.Device)
		disks := devices.SelectByType((*types.VirtualDisk)(nil))
		nics := devices.SelectByType((*types.VirtualVmxnet3)(nil))
		got := fmt.Sprint(config.Template, config.GuestId, config.Hardware.NumCPU, config.Hardware.MemoryMB,
			len(disks), len(nics), optionText(config.ExtraConfig, seed.GuestMark), vm.Guest.ToolsVersionStatus2)
		want := fmt.Sprint(true, "debian12_64Guest", 2, 2048, 1, 1, guest, "guestToolsCurrent")
		if got != want {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
		if config.GuestFullName != "Debian GNU/Linux 12 (64-bit)" || vm.Summary.Config.GuestFullName != config.GuestFullName {
			t.Errorf("%s runs %q", name, config.GuestFullName)
		}
		if config.Annotation == "" || config.InstanceUuid == "" || seen[config.InstanceUuid] || seen[labtest.MACOf(t, vm)] {
			t.Errorf("%s: annotation %q, instanceUuid %s, address %s", name, config.Annotation, config.InstanceUuid, labtest.MACOf(t, vm))
		}
		seen[config.InstanceUuid], seen[labtest.MACOf(t, vm)] = true, true
		disk := disks[0].(*types.VirtualDisk)
		if backing := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); disk.CapacityInBytes != 8*gib || !*backing.ThinProvisioned {
			t.Errorf("%s has a disk of %d bytes, thin: %t", name, disk.CapacityInBytes, *backing.ThinProvisioned)
		}
		if optionText(config.ExtraConfig, "RUN.container") != "" {
			t.Errorf("%s names a container in a lab without guests", name)
		}
	}
}

func TestSeedSystemAndForeignVMs(t *testing.T) {
	inventory := labtest.InventoryOf(t, labtest.Login(t, labtest.Start(t)).Client)
	agent := inventory.Properties(inventory.VM("vCLS-1"))
	if by := agent.Config.ManagedBy; by == nil || by.ExtensionKey != "com.vmware.vim.eam" || by.Type != "cluster-agent" {
		t.Errorf("vCLS-1 is managed by %+v", by)
	}
	if inventory.Properties(inventory.VM("backup-proxy")).Config.ManagedBy == nil {
		t.Error("backup-proxy is managed by nobody")
	}
	for name, state := range map[string]types.VirtualMachinePowerState{"legacy-db": "poweredOn", "legacy-web": "poweredOff"} {
		vm := inventory.Properties(inventory.VM(name))
		if vm.Runtime.PowerState != state || vm.Config.ManagedBy != nil || optionText(vm.Config.ExtraConfig, seed.GuestMark) != "" {
			t.Errorf("%s is %s, managed by %v", name, vm.Runtime.PowerState, vm.Config.ManagedBy)
		}
	}
}

func TestSeedDRSAndStorage(t *testing.T) {
	client := labtest.Login(t, labtest.Start(t)).Client
	inventory := labtest.InventoryOf(t, client)
	for name, drs := range map[string]bool{"cluster-drs": true, "cluster-nodrs": false} {
		cluster, err := inventory.ClusterComputeResource(context.Background(), name)
		if err != nil {
			t.Fatal(err)
		}
		config, err := cluster.Configuration(context.Background())
		if err != nil || *config.DrsConfig.Enabled != drs || config.DrsConfig.DefaultVmBehavior != types.DrsBehaviorFullyAutomated {
			t.Errorf("%s: %+v, %v", name, config.DrsConfig, err)
		}
	}
	for name, hosts := range map[string]int{"shared-1": 5, "shared-2": 5, "local-1": 1, "pod-1-a": 5, "pod-1-b": 5} {
		var datastore mo.Datastore
		err := object.NewDatastore(client, *inventory.DatastoreRef(name)).Properties(context.Background(), *inventory.DatastoreRef(name), nil, &datastore)
		if err != nil {
			t.Fatal(err)
		}
		if len(datastore.Host) != hosts || datastore.Summary.FreeSpace <= 0 || datastore.Summary.FreeSpace >= datastore.Summary.Capacity {
			t.Errorf("%s: %d hosts, %d of %d bytes free", name, len(datastore.Host), datastore.Summary.FreeSpace, datastore.Summary.Capacity)
		}
	}
}

func TestLoad(t *testing.T) {
	start := time.Now()
	lab := labtest.Start(t, func(c *lab.Config) { c.VMs = 1000 })
	t.Logf("1000 VMs in %s", time.Since(start))
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	vms, err := inventory.VirtualMachineList(context.Background(), "load/*")
	if err != nil || len(vms) != 1000 {
		t.Fatalf("%d VMs, %v", len(vms), err)
	}
	one, other := inventory.Properties(inventory.VM("load-0002")), inventory.Properties(inventory.VM("load-1000"))
	if one.Config.InstanceUuid == other.Config.InstanceUuid || labtest.MACOf(t, one) == labtest.MACOf(t, other) {
		t.Error("two VMs share an identity or an address")
	}
	if one.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn || one.Config.Name != "load-0002" {
		t.Errorf("%s is %s", one.Config.Name, one.Runtime.PowerState)
	}
	for _, name := range []string{"load-0003", "load-0004"} {
		vm := inventory.VM(name)
		labtest.MustFinish(t)(vm.PowerOff(context.Background()))
		labtest.MustFinish(t)(vm.Destroy(context.Background()))
	}
	if left, _ := inventory.VirtualMachineList(context.Background(), "load/*"); len(left) != 998 {
		t.Errorf("%d VMs are left", len(left))
	}
	inventory.MustClone(inventory.VM("load-0005"), "of-load", types.VirtualMachineCloneSpec{})
}

func TestPrivileges(t *testing.T) {
	client := labtest.Login(t, labtest.Start(t)).Client
	var manager mo.AuthorizationManager
	if err := property.DefaultCollector(client).RetrieveOne(context.Background(), *client.ServiceContent.AuthorizationManager, nil, &manager); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, privilege := range manager.PrivilegeList {
		names[privilege.PrivId] = privilege.PrivGroupName + " " + privilege.Name
	}
	if got := names["VirtualMachine.Provisioning.Clone"]; got != "VirtualMachine.Provisioning Clone" || len(names) != len(manager.PrivilegeList) {
		t.Errorf("%d privileges, among them %q", len(manager.PrivilegeList), got)
	}
}

func TestESXi(t *testing.T) {
	lab := labtest.Start(t, func(c *lab.Config) { c.ESXi = true })
	client := labtest.Login(t, lab)
	if client.ServiceContent.About.ApiType != "HostAgent" || client.ServiceContent.About.ApiVersion != "8.0.3.0" {
		t.Errorf("about is %+v", client.ServiceContent.About)
	}
	labtest.InventoryOf(t, client.Client)
}
