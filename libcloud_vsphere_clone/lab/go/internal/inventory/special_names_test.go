package inventory_test

import (
	"context"
	"testing"

	"vsphere-lab/internal/labtest"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25/types"
)

func TestNamesWithSpecialCharacters(t *testing.T) {
	inventory := labtest.InventoryOf(t, labtest.Login(t, labtest.Start(t)).Client)
	template := inventory.VM("debian-12")
	for name, want := range map[string]string{"a/b": "a%2fb", "c%2fd": "c%2fd", "50% off": "50%25 off", "grün 🙂": "grün 🙂"} {
		properties := inventory.Properties(inventory.MustClone(template, name, types.VirtualMachineCloneSpec{}))
		if properties.Name != want || properties.Config.Name != want || properties.Summary.Config.Name != want {
			t.Errorf("the clone %q has the names %q, %q, %q", name, properties.Name, properties.Config.Name, properties.Summary.Config.Name)
		}
		if _, err := inventory.Clone(template, name, types.VirtualMachineCloneSpec{}); !fault.Is(err, &types.DuplicateName{}) {
			t.Errorf("the name %q a second time: %v", name, err)
		}
		folder, err := inventory.Root().CreateFolder(context.Background(), "folder "+name)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := folder.ObjectName(context.Background()); got != "folder "+want {
			t.Errorf("the folder of %q has the name %q", name, got)
		}
	}
}
