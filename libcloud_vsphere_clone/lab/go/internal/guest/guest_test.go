package guest_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vsphere-lab/internal/labtest"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/types"
)

// waitForAddress waits by property updates, as a driver does.
func waitForAddress(t *testing.T, inventory labtest.Inventory, vm *object.VirtualMachine) string {
	t.Helper()
	var address string
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := property.Wait(ctx, property.DefaultCollector(inventory.Client), vm.Reference(), []string{"guest.ipAddress"},
		func(changes []types.PropertyChange) bool {
			for _, change := range changes {
				address, _ = change.Val.(string)
			}
			return address != ""
		})
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func TestGuest(t *testing.T) {
	lab, folder := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	vm := inventory.MustClone(inventory.VM("debian-12"), "web 1", labtest.GuestSpec("instance-id: i-1\nlocal-hostname: web-1\n"))
	row := inventory.Properties(vm)

	create := labtest.EngineCalls(t, folder, "create")[0]
	for _, part := range []string{
		"--label vsphere-lab=test", "--name vsphere-lab-test-" + row.Config.InstanceUuid, "--hostname web-1", "--pull never",
		"VMX_GUESTINFO_METADATA=", "VMX_GUESTINFO_METADATA_ENCODING=base64",
	} {
		if !strings.Contains(create, part) {
			t.Errorf("%q is not in %q", part, create)
		}
	}
	if !strings.HasSuffix(create, " localhost/vsphere-lab/debian-12") {
		t.Errorf("the image is not last in %q", create)
	}
	for _, command := range []string{"volume", "network"} {
		if strings.Contains(strings.Join(labtest.EngineCalls(t, folder, command), "\n"), "create") {
			t.Errorf("a %s was made", command)
		}
	}
	labtest.CheckGuest(t, row, "192.0.2.1")
	if row.Guest.HostName != "web-1" || row.Config.Annotation != inventory.Properties(inventory.VM("debian-12")).Config.Annotation {
		t.Errorf("host name %q, annotation %q", row.Guest.HostName, row.Config.Annotation)
	}
}

func TestGuestStopsAndStarts(t *testing.T) {
	lab, _ := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	ctx := context.Background()
	vm := inventory.MustClone(inventory.VM("debian-12"), "web", labtest.GuestSpec(""))
	mac := labtest.MACOf(t, inventory.Properties(vm))

	labtest.MustFinish(t)(vm.PowerOff(ctx))
	if row := inventory.Properties(vm); row.Guest.IpAddress != "" || len(row.Guest.Net[0].IpAddress) != 0 || row.Guest.ToolsRunningStatus != "guestToolsNotRunning" {
		t.Errorf("off, the guest is %+v", row.Guest)
	}
	labtest.MustFinish(t)(vm.PowerOn(ctx))
	if address := waitForAddress(t, inventory, vm); address != "192.0.2.2" {
		t.Errorf("started again, it has %s", address)
	}
	labtest.CheckGuest(t, inventory.Properties(vm), "192.0.2.2")
	if err := vm.RebootGuest(ctx); err != nil {
		t.Fatal(err)
	}
	labtest.Within(t, 3*time.Second, func() {
		for inventory.Properties(vm).Guest.IpAddress != "192.0.2.3" {
			time.Sleep(10 * time.Millisecond)
		}
	})
	if after := labtest.MACOf(t, inventory.Properties(vm)); after != mac {
		t.Errorf("the address was %s, and is %s", mac, after)
	}
	if err := vm.ShutdownGuest(ctx); err != nil {
		t.Fatal(err)
	}
	labtest.Within(t, 3*time.Second, func() { _ = vm.WaitForPowerState(ctx, types.VirtualMachinePowerStatePoweredOff) })
}

func TestGuestOfAClonesClone(t *testing.T) {
	lab, folder := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	first := inventory.MustClone(inventory.VM("debian-12-static"), "first", labtest.GuestSpec(""))
	second := inventory.MustClone(first, "second", types.VirtualMachineCloneSpec{PowerOn: true})
	calls := labtest.EngineCalls(t, folder, "create")
	if len(calls) != 2 || strings.Count(calls[1], "--label") != 1 || !strings.HasSuffix(calls[1], " localhost/vsphere-lab/debian-12-static") {
		t.Fatalf("the engine got %q", calls)
	}
	if !strings.Contains(calls[1], inventory.Properties(second).Config.InstanceUuid) || !strings.Contains(calls[1], "--hostname second") {
		t.Errorf("the second container is made by %q", calls[1])
	}
	labtest.MustFinish(t)(second.PowerOff(context.Background()))
	labtest.MustFinish(t)(second.Destroy(context.Background()))
	if left, _ := filepath.Glob(filepath.Join(folder, "c-*")); len(left) != 1 {
		t.Errorf("after the destroy, the containers are %v", left)
	}
}

func TestCloseRemovesContainers(t *testing.T) {
	lab, folder := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	inventory.MustClone(inventory.VM("debian-12"), "web", labtest.GuestSpec(""))
	if err := lab.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "c-*")); len(left) != 0 {
		t.Errorf("the containers %v are left", left)
	}
}

func TestShellCharacters(t *testing.T) {
	lab, _ := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	template := inventory.VM("debian-12")
	for _, name := range []string{"a;b", "$(x)", "it's", "a|b", "`x`", "a&b", "a>b", "a\nb"} {
		if _, err := inventory.Clone(template, name, types.VirtualMachineCloneSpec{}); !fault.Is(err, &types.InvalidName{}) {
			t.Errorf("%q: %v", name, err)
		}
	}
	spec := types.VirtualMachineCloneSpec{Config: &types.VirtualMachineConfigSpec{ExtraConfig: []types.BaseOptionValue{labtest.Option("guestinfo.userdata", "#cloud-config; x")}}}
	if _, err := inventory.Clone(template, "plain", spec); !fault.Is(err, &types.InvalidArgument{}) {
		t.Errorf("a value that is not base64: %v", err)
	}
	labtest.MustFinish(t)(inventory.MustClone(template, "50% grün/weiß (neu)", types.VirtualMachineCloneSpec{}).PowerOn(context.Background()))
}

func TestPowerOperationsAfterReboot(t *testing.T) {
	lab, _ := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	ctx := context.Background()
	vm := inventory.MustClone(inventory.VM("debian-12"), "web", labtest.GuestSpec(""))
	t.Setenv("FAKE_DOCKER_DELAY", "0.4")
	if err := vm.RebootGuest(ctx); err != nil {
		t.Fatal(err)
	}
	labtest.MustFinish(t)(vm.PowerOff(ctx))
	labtest.MustFinish(t)(vm.PowerOn(ctx))
	waitForAddress(t, inventory, vm)
	time.Sleep(600 * time.Millisecond) // whatever is late comes now
	labtest.CheckGuest(t, inventory.Properties(vm), "192.0.2.3")
}

func TestGuestThatCannotStart(t *testing.T) {
	lab, _ := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	t.Setenv("FAKE_DOCKER", "/nowhere")
	_, err := inventory.Clone(inventory.VM("debian-12"), "web", labtest.GuestSpec(""))
	var cause *types.SystemError // not SystemErrorFault, a name that only the simulator knows
	if _, ok := fault.As(err, &cause); !ok || cause.Reason == "" {
		t.Errorf("got %v", err)
	}
}
