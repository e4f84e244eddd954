package lab_test

import (
	"testing"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/labtest"
)

// firstNIC is at hand where a variable is called inventory.
var firstNIC = inventory.FirstNIC

func TestStaleLookAtContainer(t *testing.T) {
	lab, _ := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	vm := inventory.MustClone(inventory.VM("debian-12"), "web", labtest.GuestSpec(""))
	model := lab.Registry().Get(vm.Reference()).(*simulator.VirtualMachine)
	ctx := lab.NewContext()
	ctx.AutoUpdate(model, func() { // as the simulator does with what it saw while the container was down
		model.Config.Annotation = "inspect"
		model.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff
		model.Guest.IpAddress, model.Guest.Net = "", nil
		firstNIC(&model.VirtualMachine).MacAddress = "02:42:ac:11:00:02"
	})
	labtest.CheckGuest(t, inventory.Properties(vm), "192.0.2.1")
	if annotation := inventory.Properties(vm).Config.Annotation; annotation == "inspect" {
		t.Error("the annotation is lost")
	}
}

// The simulator ends its process when a call looks at the names in a folder
// where a VM has none yet.
func TestVMsAlwaysHaveNames(t *testing.T) {
	lab := labtest.Start(t)
	vm := lab.Registry().Put(new(simulator.VirtualMachine)).(*simulator.VirtualMachine)
	if vm.Name == "" {
		t.Error("a VM that is being made has no name")
	}
	lab.Registry().Remove(lab.NewContext(), vm.Self)
}
