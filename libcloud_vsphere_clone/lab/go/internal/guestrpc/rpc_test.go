package guestrpc_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vsphere-lab/internal/guestrpc"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/labtest"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/types"
)

// optionText is at hand where a variable is called inventory.
var optionText = inventory.OptionText

// send sends one message as a guest would, and returns the VMX's answer.
func send(t *testing.T, folder, message string) string {
	t.Helper()
	t.Chdir(folder) // a socket's path may not be long
	connection, err := net.Dial("unix", "rpc")
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_, _ = io.WriteString(connection, message)
	_ = connection.(*net.UnixConn).CloseWrite()
	answer, err := io.ReadAll(connection)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestGuestRPC(t *testing.T) {
	lab, engine := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	vm := inventory.MustClone(inventory.VM("debian-12"), "web", labtest.GuestSpec("instance-id: i-1\n"))
	channel := labtest.ChannelOf(t, labtest.EngineCalls(t, engine, "create")[0])
	for _, step := range []struct{ message, answer string }{
		{"info-get guestinfo.metadata.encoding", "1 base64"},
		{"info-get guestinfo.x", "0 No value found"},
		{"info-set guestinfo.x a b  c", "1 "},
		{"info-get guestinfo.x", "1 a b  c"},
		{"info-set guestinfo.x second", "1 "},
		{"info-get guestinfo.x", "1 second"},
		{"info-set libcloud.id x", "0 Unknown command"},
		{"machine.id.get", "0 Unknown command"},
		{"info-set guestinfo.long " + strings.Repeat("x", guestrpc.RPCLimit), "0 Value too long"},
	} {
		if answer := send(t, channel, step.message); answer != step.answer {
			t.Errorf("%.40q: %q, not %q", step.message, answer, step.answer)
		}
	}
	if value := optionText(inventory.Properties(vm).Config.ExtraConfig, "guestinfo.x"); value != "second" {
		t.Errorf("vCenter has %q", value)
	}
	labtest.MustFinish(t)(vm.PowerOff(context.Background()))
	labtest.MustFinish(t)(vm.PowerOn(context.Background()))
	if answer := send(t, channel, "info-get guestinfo.x"); answer != "1 second" {
		t.Errorf("after a power cycle: %q", answer)
	}
	labtest.MustFinish(t)(vm.PowerOff(context.Background()))
	labtest.MustFinish(t)(vm.Destroy(context.Background()))
	if _, err := os.Stat(channel); !os.IsNotExist(err) {
		t.Errorf("the channel is left: %v", err)
	}
}

func TestGuestRPCTellsWatchers(t *testing.T) {
	lab, engine := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	vm := inventory.MustClone(inventory.VM("debian-12"), "web", labtest.GuestSpec(""))
	channel := labtest.ChannelOf(t, labtest.EngineCalls(t, engine, "create")[0])
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var seen []string
	for _, value := range []string{"one", "two"} {
		time.AfterFunc(100*time.Millisecond, func() { send(t, channel, "info-set guestinfo.x "+value) })
		err := property.Wait(ctx, property.DefaultCollector(inventory.Client), vm.Reference(),
			[]string{`config.extraConfig["guestinfo.x"].value`}, func(changes []types.PropertyChange) bool {
				for _, change := range changes {
					if text, _ := change.Val.(string); text == value {
						seen = append(seen, text)
						return true
					}
				}
				return false
			})
		if err != nil {
			t.Fatal(err)
		}
	}
	if strings.Join(seen, " ") != "one two" {
		t.Errorf("watchers saw %q", seen)
	}
}

func TestGuestRPCRefused(t *testing.T) {
	lab, engine := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	spec := types.VirtualMachineCloneSpec{PowerOn: true, Config: &types.VirtualMachineConfigSpec{
		ExtraConfig: []types.BaseOptionValue{labtest.Option("isolation.tools.setinfo.disable", "TRUE"), labtest.Option("guestinfo.y", "1")},
	}}
	inventory.MustClone(inventory.VM("debian-12"), "web", spec)
	channel := labtest.ChannelOf(t, labtest.EngineCalls(t, engine, "create")[0])
	if answer := send(t, channel, "info-set guestinfo.x 1"); answer != "0 Permission denied" {
		t.Errorf("got %q", answer)
	}
	if answer := send(t, channel, "info-get guestinfo.y"); answer != "1 1" {
		t.Errorf("reading: %q", answer)
	}
}

func TestChannelsEndWithTheLab(t *testing.T) {
	lab, engine := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	inventory.MustClone(inventory.VM("debian-12"), "web", labtest.GuestSpec(""))
	folder := filepath.Dir(labtest.ChannelOf(t, labtest.EngineCalls(t, engine, "create")[0]))
	if err := lab.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", folder, err)
	}
}
