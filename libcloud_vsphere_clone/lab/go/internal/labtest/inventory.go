package labtest

import (
	"context"
	"testing"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/inventory"
)

// Inventory finds the objects of a lab as a client.
type Inventory struct {
	*find.Finder
	Client *vim25.Client
	t      *testing.T
}

// InventoryOf is the inventory of the client's only datacenter.
func InventoryOf(t *testing.T, client *vim25.Client) Inventory {
	t.Helper()
	finder := find.NewFinder(client)
	datacenter, err := finder.DefaultDatacenter(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return Inventory{finder.SetDatacenter(datacenter), client, t}
}

// VM is the VM at that path.
func (i Inventory) VM(path string) *object.VirtualMachine {
	i.t.Helper()
	vm, err := i.VirtualMachine(context.Background(), path)
	if err != nil {
		i.t.Fatal(err)
	}
	return vm
}

// Pool is the resource pool at that path.
func (i Inventory) Pool(path string) *types.ManagedObjectReference {
	i.t.Helper()
	pool, err := i.ResourcePool(context.Background(), path)
	if err != nil {
		i.t.Fatal(err)
	}
	ref := pool.Reference()
	return &ref
}

// DatastoreRef is the datastore of that name.
func (i Inventory) DatastoreRef(name string) *types.ManagedObjectReference {
	i.t.Helper()
	datastore, err := i.Datastore(context.Background(), name)
	if err != nil {
		i.t.Fatal(err)
	}
	ref := datastore.Reference()
	return &ref
}

// Root is the datacenter's VM folder.
func (i Inventory) Root() *object.Folder {
	i.t.Helper()
	folder, err := i.Folder(context.Background(), "vm")
	if err != nil {
		i.t.Fatal(err)
	}
	return folder
}

// Clone makes a clone of a VM into the datacenter's VM folder, and waits.
func (i Inventory) Clone(source *object.VirtualMachine, name string, spec types.VirtualMachineCloneSpec) (*object.VirtualMachine, error) {
	i.t.Helper()
	if spec.Location.Pool == nil {
		spec.Location.Pool = i.Pool("cluster-drs/Resources")
	}
	task, err := source.Clone(context.Background(), i.Root(), name, spec)
	if err != nil {
		return nil, err
	}
	info, err := task.WaitForResult(context.Background())
	if err != nil {
		return nil, err
	}
	return object.NewVirtualMachine(i.Client, info.Result.(types.ManagedObjectReference)), nil
}

// MustClone is Clone for what has to succeed.
func (i Inventory) MustClone(source *object.VirtualMachine, name string, spec types.VirtualMachineCloneSpec) *object.VirtualMachine {
	i.t.Helper()
	vm, err := i.Clone(source, name, spec)
	if err != nil {
		i.t.Fatal(err)
	}
	return vm
}

// Properties are all properties of a VM.
func (i Inventory) Properties(vm *object.VirtualMachine) mo.VirtualMachine {
	i.t.Helper()
	var properties mo.VirtualMachine
	if err := vm.Properties(context.Background(), vm.Reference(), nil, &properties); err != nil {
		i.t.Fatal(err)
	}
	return properties
}

// MACOf is the address of a VM's first NIC.
func MACOf(t *testing.T, vm mo.VirtualMachine) string {
	t.Helper()
	card := inventory.FirstNIC(&vm)
	if card == nil {
		t.Fatalf("%s has no NIC", vm.Name)
	}
	return card.MacAddress
}
