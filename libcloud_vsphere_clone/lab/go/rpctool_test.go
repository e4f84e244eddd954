package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/types"
)

// tell sends one message as a guest would, and returns the VMX's answer.
func tell(t *testing.T, folder, message string) string {
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

// channelOf is the folder with a guest's channel, from what the engine was told.
func channelOf(t *testing.T, engineCall string) string {
	t.Helper()
	_, rest, _ := strings.Cut(engineCall, " -v ")
	folder, _, found := strings.Cut(rest, ":"+guestChannelDir)
	if !found {
		t.Fatalf("no channel in %q", engineCall)
	}
	return folder
}

func TestGuestRPC(t *testing.T) {
	lab, engine := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	vm := inventory.mustClone(inventory.vm("debian-12"), "web", guestSpec("instance-id: i-1\n"))
	channel := channelOf(t, engineCalls(t, engine, "create")[0])
	for _, step := range []struct{ message, answer string }{
		{"info-get guestinfo.metadata.encoding", "1 base64"},
		{"info-get guestinfo.x", "0 No value found"},
		{"info-set guestinfo.x a b  c", "1 "},
		{"info-get guestinfo.x", "1 a b  c"},
		{"info-set guestinfo.x second", "1 "},
		{"info-get guestinfo.x", "1 second"},
		{"info-set libcloud.id x", "0 Unknown command"},
		{"machine.id.get", "0 Unknown command"},
		{"info-set guestinfo.long " + strings.Repeat("x", rpcLimit), "0 Value too long"},
	} {
		if answer := tell(t, channel, step.message); answer != step.answer {
			t.Errorf("%.40q: %q, not %q", step.message, answer, step.answer)
		}
	}
	if value := optionText(inventory.properties(vm).Config.ExtraConfig, "guestinfo.x"); value != "second" {
		t.Errorf("vCenter has %q", value)
	}
	mustFinish(t)(vm.PowerOff(context.Background()))
	mustFinish(t)(vm.PowerOn(context.Background()))
	if answer := tell(t, channel, "info-get guestinfo.x"); answer != "1 second" {
		t.Errorf("after a power cycle: %q", answer)
	}
	mustFinish(t)(vm.PowerOff(context.Background()))
	mustFinish(t)(vm.Destroy(context.Background()))
	if _, err := os.Stat(channel); !os.IsNotExist(err) {
		t.Errorf("the channel is left: %v", err)
	}
}

func TestGuestRPCTellsWatchers(t *testing.T) {
	lab, engine := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	vm := inventory.mustClone(inventory.vm("debian-12"), "web", guestSpec(""))
	channel := channelOf(t, engineCalls(t, engine, "create")[0])
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var seen []string
	for _, value := range []string{"one", "two"} {
		time.AfterFunc(100*time.Millisecond, func() { tell(t, channel, "info-set guestinfo.x "+value) })
		err := property.Wait(ctx, property.DefaultCollector(inventory.client), vm.Reference(),
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
	lab, engine := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	spec := types.VirtualMachineCloneSpec{PowerOn: true, Config: &types.VirtualMachineConfigSpec{
		ExtraConfig: []types.BaseOptionValue{option("isolation.tools.setinfo.disable", "TRUE"), option("guestinfo.y", "1")},
	}}
	inventory.mustClone(inventory.vm("debian-12"), "web", spec)
	channel := channelOf(t, engineCalls(t, engine, "create")[0])
	if answer := tell(t, channel, "info-set guestinfo.x 1"); answer != "0 Permission denied" {
		t.Errorf("got %q", answer)
	}
	if answer := tell(t, channel, "info-get guestinfo.y"); answer != "1 1" {
		t.Errorf("reading: %q", answer)
	}
}

func TestChannelsEndWithTheLab(t *testing.T) {
	lab, engine := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	inventory.mustClone(inventory.vm("debian-12"), "web", guestSpec(""))
	folder := filepath.Dir(channelOf(t, engineCalls(t, engine, "create")[0]))
	if err := lab.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", folder, err)
	}
}
