package main

import (
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// startGuestLab serves a lab whose guests live in a stand-in for a container
// engine, and returns the folder where that keeps them.
func startGuestLab(t *testing.T) (*Lab, string) {
	t.Helper()
	tools, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("FAKE_DOCKER", folder)
	return startLab(t, func(c *Config) { c.Guests = true }), folder
}

// engineCalls are the command lines that begin with a word.
func engineCalls(t *testing.T, folder, command string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, command+" ") {
			calls = append(calls, strings.TrimSpace(line))
		}
	}
	return calls
}

func guestSpec(metadata string) types.VirtualMachineCloneSpec {
	return types.VirtualMachineCloneSpec{PowerOn: true, Config: &types.VirtualMachineConfigSpec{ExtraConfig: []types.BaseOptionValue{
		option("guestinfo.metadata", base64.StdEncoding.EncodeToString([]byte(metadata))),
		option("guestinfo.metadata.encoding", "base64"),
	}}}
}

// waitForAddress waits by property updates, as a driver does.
func waitForAddress(t *testing.T, inventory inventory, vm *object.VirtualMachine) string {
	t.Helper()
	var address string
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := property.Wait(ctx, property.DefaultCollector(inventory.client), vm.Reference(), []string{"guest.ipAddress"},
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
	lab, folder := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	vm := inventory.mustClone(inventory.vm("debian-12"), "web 1", guestSpec("instance-id: i-1\nlocal-hostname: web-1\n"))
	row := inventory.properties(vm)

	create := engineCalls(t, folder, "create")[0]
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
		if strings.Contains(strings.Join(engineCalls(t, folder, command), "\n"), "create") {
			t.Errorf("a %s was made", command)
		}
	}
	checkGuest(t, row, "192.0.2.1")
	if row.Guest.HostName != "web-1" || row.Config.Annotation != inventory.properties(inventory.vm("debian-12")).Config.Annotation {
		t.Errorf("host name %q, annotation %q", row.Guest.HostName, row.Config.Annotation)
	}
}

// checkGuest checks what a guest that runs says of itself.
func checkGuest(t *testing.T, row mo.VirtualMachine, address string) {
	t.Helper()
	card := firstNIC(&row)
	if len(row.Guest.Net) != 1 || len(row.Guest.Net[0].IpAddress) != 1 {
		t.Fatalf("guest.net is %+v", row.Guest.Net)
	}
	nic := row.Guest.Net[0]
	if nic.MacAddress != card.MacAddress || nic.DeviceConfigId != card.Key || nic.IpAddress[0] != address || !strings.HasPrefix(nic.MacAddress, "00:50:56:") {
		t.Errorf("guest.net is %+v, the NIC has %s and key %d", nic, card.MacAddress, card.Key)
	}
	if row.Guest.IpAddress != address || row.Summary.Guest.IpAddress != address || row.Guest.ToolsRunningStatus != "guestToolsRunning" || row.Runtime.PowerState != "poweredOn" {
		t.Errorf("guest is %+v, power %s", row.Guest, row.Runtime.PowerState)
	}
}

func TestGuestStopsAndStarts(t *testing.T) {
	lab, _ := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	ctx := context.Background()
	vm := inventory.mustClone(inventory.vm("debian-12"), "web", guestSpec(""))
	mac := macOf(t, inventory.properties(vm))

	mustFinish(t)(vm.PowerOff(ctx))
	if row := inventory.properties(vm); row.Guest.IpAddress != "" || len(row.Guest.Net[0].IpAddress) != 0 || row.Guest.ToolsRunningStatus != "guestToolsNotRunning" {
		t.Errorf("off, the guest is %+v", row.Guest)
	}
	mustFinish(t)(vm.PowerOn(ctx))
	if address := waitForAddress(t, inventory, vm); address != "192.0.2.2" {
		t.Errorf("started again, it has %s", address)
	}
	checkGuest(t, inventory.properties(vm), "192.0.2.2")
	if err := vm.RebootGuest(ctx); err != nil {
		t.Fatal(err)
	}
	within(t, 3*time.Second, func() {
		for inventory.properties(vm).Guest.IpAddress != "192.0.2.3" {
			time.Sleep(10 * time.Millisecond)
		}
	})
	if after := macOf(t, inventory.properties(vm)); after != mac {
		t.Errorf("the address was %s, and is %s", mac, after)
	}
	if err := vm.ShutdownGuest(ctx); err != nil {
		t.Fatal(err)
	}
	within(t, 3*time.Second, func() { _ = vm.WaitForPowerState(ctx, types.VirtualMachinePowerStatePoweredOff) })
}

func TestGuestOfAClonesClone(t *testing.T) {
	lab, folder := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	first := inventory.mustClone(inventory.vm("debian-12-static"), "first", guestSpec(""))
	second := inventory.mustClone(first, "second", types.VirtualMachineCloneSpec{PowerOn: true})
	calls := engineCalls(t, folder, "create")
	if len(calls) != 2 || strings.Count(calls[1], "--label") != 1 || !strings.HasSuffix(calls[1], " localhost/vsphere-lab/debian-12-static") {
		t.Fatalf("the engine was told %q", calls)
	}
	if !strings.Contains(calls[1], inventory.properties(second).Config.InstanceUuid) || !strings.Contains(calls[1], "--hostname second") {
		t.Errorf("the second container is made by %q", calls[1])
	}
	mustFinish(t)(second.PowerOff(context.Background()))
	mustFinish(t)(second.Destroy(context.Background()))
	if left, _ := filepath.Glob(filepath.Join(folder, "c-*")); len(left) != 1 {
		t.Errorf("after the destroy, the containers are %v", left)
	}
}

func TestCloseRemovesContainers(t *testing.T) {
	lab, folder := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	inventory.mustClone(inventory.vm("debian-12"), "web", guestSpec(""))
	if err := lab.Close(); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "c-*")); len(left) != 0 {
		t.Errorf("the containers %v are left", left)
	}
}

func TestShellCharacters(t *testing.T) {
	lab, _ := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	template := inventory.vm("debian-12")
	for _, name := range []string{"a;b", "$(x)", "it's", "a|b", "`x`", "a&b", "a>b", "a\nb"} {
		if _, err := inventory.clone(template, name, types.VirtualMachineCloneSpec{}); !fault.Is(err, &types.InvalidName{}) {
			t.Errorf("%q: %v", name, err)
		}
	}
	spec := types.VirtualMachineCloneSpec{Config: &types.VirtualMachineConfigSpec{ExtraConfig: []types.BaseOptionValue{option("guestinfo.userdata", "#cloud-config; x")}}}
	if _, err := inventory.clone(template, "plain", spec); !fault.Is(err, &types.InvalidArgument{}) {
		t.Errorf("a value that is not base64: %v", err)
	}
	mustFinish(t)(inventory.mustClone(template, "50% grün/weiß (neu)", types.VirtualMachineCloneSpec{}).PowerOn(context.Background()))
}

func TestStaleLookAtContainer(t *testing.T) {
	lab, _ := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	vm := inventory.mustClone(inventory.vm("debian-12"), "web", guestSpec(""))
	model := lab.model.Map().Get(vm.Reference()).(*simulator.VirtualMachine)
	ctx := lab.internalContext()
	ctx.AutoUpdate(model, func() { // as the simulator does with what it saw while the container was down
		model.Config.Annotation = "inspect"
		model.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff
		model.Guest.IpAddress, model.Guest.Net = "", nil
		firstNIC(&model.VirtualMachine).MacAddress = "02:42:ac:11:00:02"
	})
	checkGuest(t, inventory.properties(vm), "192.0.2.1")
	if annotation := inventory.properties(vm).Config.Annotation; annotation == "inspect" {
		t.Error("the annotation is lost")
	}
}

func TestPowerOperationsAfterReboot(t *testing.T) {
	lab, _ := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	ctx := context.Background()
	vm := inventory.mustClone(inventory.vm("debian-12"), "web", guestSpec(""))
	t.Setenv("FAKE_DOCKER_DELAY", "0.4")
	if err := vm.RebootGuest(ctx); err != nil {
		t.Fatal(err)
	}
	mustFinish(t)(vm.PowerOff(ctx))
	mustFinish(t)(vm.PowerOn(ctx))
	waitForAddress(t, inventory, vm)
	time.Sleep(600 * time.Millisecond) // whatever is late comes now
	checkGuest(t, inventory.properties(vm), "192.0.2.3")
}

func TestGuestThatCannotStart(t *testing.T) {
	lab, _ := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	t.Setenv("FAKE_DOCKER", "/nowhere")
	_, err := inventory.clone(inventory.vm("debian-12"), "web", guestSpec(""))
	var cause *types.SystemError // not SystemErrorFault, a name that only the simulator knows
	if _, ok := fault.As(err, &cause); !ok || cause.Reason == "" {
		t.Errorf("got %v", err)
	}
}
