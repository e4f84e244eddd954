package main

import (
	"context"
	"testing"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25/types"
)

func TestStoredName(t *testing.T) {
	for name, want := range map[string]string{
		"web 1": "web 1", "a/b": "a%2fb", "a%2Fb": "a%2fb", `a\b`: "a%5cb", "100%": "100%25", "100%25": "100%25", "%zz": "%25zz", "ü": "ü",
	} {
		if got := storedName(name); got != want {
			t.Errorf("%q is stored as %q, not %q", name, got, want)
		}
	}
}

func TestNamesWithSpecialCharacters(t *testing.T) {
	inventory := inventoryOf(t, login(t, startLab(t)).Client)
	template := inventory.vm("debian-12")
	for name, want := range map[string]string{"a/b": "a%2fb", "c%2fd": "c%2fd", "50% off": "50%25 off", "grün 🙂": "grün 🙂"} {
		properties := inventory.properties(inventory.mustClone(template, name, types.VirtualMachineCloneSpec{}))
		if properties.Name != want || properties.Config.Name != want || properties.Summary.Config.Name != want {
			t.Errorf("the clone %q has the names %q, %q, %q", name, properties.Name, properties.Config.Name, properties.Summary.Config.Name)
		}
		if _, err := inventory.clone(template, name, types.VirtualMachineCloneSpec{}); !fault.Is(err, &types.DuplicateName{}) {
			t.Errorf("the name %q a second time: %v", name, err)
		}
		folder, err := inventory.root().CreateFolder(context.Background(), "folder "+name)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := folder.ObjectName(context.Background()); got != "folder "+want {
			t.Errorf("the folder of %q has the name %q", name, got)
		}
	}
}
