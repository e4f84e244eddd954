package guestrpc_test

import (
	"os"
	"testing"

	"vsphere-lab/internal/labtest"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25/types"
)

func TestFailedCloneLeavesNoChannel(t *testing.T) {
	lab, engine := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	inventory.MustClone(inventory.VM("debian-12"), "web", labtest.GuestSpec(""))
	if _, err := inventory.Clone(inventory.VM("debian-12"), "web", labtest.GuestSpec("")); !fault.Is(err, &types.DuplicateName{}) {
		t.Fatalf("got %v", err)
	}
	folders, err := os.ReadDir(lab.Path("guests")) // a channel is closed together with its folder
	if err != nil || len(folders) != 1 {
		t.Errorf("there are the channels %v, %v", folders, err)
	}
	channel := labtest.ChannelOf(t, labtest.EngineCalls(t, engine, "create")[0])
	if answer := send(t, channel, "info-get guestinfo.metadata.encoding"); answer != "1 base64" {
		t.Errorf("the other clone's channel answers %q", answer)
	}
}

func TestCloneWithAnIdentityThatIsTaken(t *testing.T) {
	lab, engine := labtest.StartWithGuests(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	spec := labtest.GuestSpec("")
	spec.Config.InstanceUuid = "11111111-2222-4333-8444-555555555555"
	inventory.MustClone(inventory.VM("debian-12"), "first", spec)
	inventory.MustClone(inventory.VM("debian-12"), "second", spec)
	for _, call := range labtest.EngineCalls(t, engine, "create") {
		if answer := send(t, labtest.ChannelOf(t, call), "info-get guestinfo.metadata.encoding"); answer != "1 base64" {
			t.Errorf("%s: %q", call, answer)
		}
	}
}
