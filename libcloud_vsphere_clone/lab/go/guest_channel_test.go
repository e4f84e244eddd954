package main

import (
	"os"
	"testing"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25/types"
)

// channelCount is how many guests' channels there are, and folders for them.
func channelCount(t *testing.T, lab *Lab) (channels, folders int) {
	t.Helper()
	entries, err := os.ReadDir(lab.path("guests"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	lab.channels.mu.Lock()
	defer lab.channels.mu.Unlock()
	return len(lab.channels.channels), len(entries)
}

func TestFailedCloneLeavesNoChannel(t *testing.T) {
	lab, _ := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	inventory.mustClone(inventory.vm("debian-12"), "web", guestSpec(""))
	if _, err := inventory.clone(inventory.vm("debian-12"), "web", guestSpec("")); !fault.Is(err, &types.DuplicateName{}) {
		t.Fatalf("got %v", err)
	}
	if channels, folders := channelCount(t, lab); channels != 1 || folders != 1 {
		t.Errorf("there are %d channels in %d folders", channels, folders)
	}
}

func TestCloneWithAnIdentityThatIsTaken(t *testing.T) {
	lab, engine := startGuestLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	spec := guestSpec("")
	spec.Config.InstanceUuid = "11111111-2222-4333-8444-555555555555"
	inventory.mustClone(inventory.vm("debian-12"), "first", spec)
	inventory.mustClone(inventory.vm("debian-12"), "second", spec)
	for _, call := range engineCalls(t, engine, "create") {
		if answer := tell(t, channelOf(t, call), "info-get guestinfo.metadata.encoding"); answer != "1 base64" {
			t.Errorf("%s: %q", call, answer)
		}
	}
}
