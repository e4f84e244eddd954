package collector_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"vsphere-lab/internal/collector"
	"vsphere-lab/internal/lab"
	"vsphere-lab/internal/labtest"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// follower reads what changes in a view of all VMs.
type follower struct {
	t         *testing.T
	client    *vim25.Client
	collector *property.Collector
	version   string
}

func follow(t *testing.T, client *vim25.Client) *follower {
	t.Helper()
	ctx := context.Background()
	all, err := view.NewManager(client).CreateContainerView(
		ctx, client.ServiceContent.RootFolder, []string{"VirtualMachine", "Folder"}, true)
	if err != nil {
		t.Fatal(err)
	}
	collector, err := property.DefaultCollector(client).Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	filter := types.CreateFilter{This: collector.Reference(), Spec: types.PropertyFilterSpec{
		ObjectSet: []types.ObjectSpec{{
			Obj: all.Reference(), Skip: types.NewBool(true),
			SelectSet: []types.BaseSelectionSpec{&types.TraversalSpec{Type: "ContainerView", Path: "view"}},
		}},
		PropSet: []types.PropertySpec{{Type: "VirtualMachine", PathSet: []string{"name", "parent", "config.uuid"}}},
	}}
	if _, err := methods.CreateFilter(ctx, client, &filter); err != nil {
		t.Fatal(err)
	}
	return &follower{t: t, client: client, collector: collector}
}

// read is what changed since the last time, such as "enter vm-7 name,parent".
func (f *follower) read(most int32) (updates []string, truncated bool) {
	f.t.Helper()
	set, err := methods.WaitForUpdatesEx(context.Background(), f.client, &types.WaitForUpdatesEx{
		This: f.collector.Reference(), Version: f.version,
		Options: &types.WaitOptions{MaxWaitSeconds: types.NewInt32(0), MaxObjectUpdates: most},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	if set.Returnval == nil {
		return nil, false
	}
	f.version = set.Returnval.Version
	for _, filter := range set.Returnval.FilterSet {
		for _, object := range filter.ObjectSet {
			text := string(object.Kind) + " " + object.Obj.Value
			for _, change := range object.ChangeSet {
				text += " " + change.Name
			}
			updates = append(updates, text)
		}
	}
	return updates, set.Returnval.Truncated != nil && *set.Returnval.Truncated
}

func (f *follower) expect(want ...string) {
	f.t.Helper()
	if got, _ := f.read(0); !slices.Equal(got, want) {
		f.t.Errorf("got %q, want %q", got, want)
	}
}

// TestUpdatesAreWhatChanged tells of newcomers alone, of what differs, and of those that left.
func TestUpdatesAreWhatChanged(t *testing.T) {
	client := labtest.Login(t, labtest.Start(t)).Client
	inventory := labtest.InventoryOf(t, client)
	reader := follow(t, client)
	if first, _ := reader.read(0); len(first) < 5 {
		t.Errorf("at first: %q", first)
	}
	reader.expect()
	vm := inventory.MustClone(inventory.VM("debian-12"), "newcomer", types.VirtualMachineCloneSpec{})
	id := vm.Reference().Value
	reader.expect("enter " + id + " name parent config.uuid")
	wait := func(task *object.Task, err error) {
		t.Helper()
		if err == nil {
			err = task.Wait(context.Background())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	wait(vm.Rename(context.Background(), "renamed"))
	reader.expect("modify " + id + " name")
	wait(vm.Destroy(context.Background()))
	reader.expect("leave " + id)
}

func TestUpdatesComeInPages(t *testing.T) {
	reader := follow(t, labtest.Login(t, labtest.Start(t)).Client)
	whole, _ := reader.read(0)
	reader.version = ""
	var pages []string
	for truncated := true; truncated; {
		var page []string
		if page, truncated = reader.read(2); len(page) > 2 {
			t.Errorf("a page of %d", len(page))
		}
		pages = append(pages, page...)
	}
	if !slices.Equal(pages, whole) {
		t.Errorf("pages are %q, the whole is %q", pages, whole)
	}
}

func TestTheOldMethodsTellAllAtOnce(t *testing.T) {
	client := labtest.Login(t, labtest.Start(t, func(config *lab.Config) { config.VMs = 150 })).Client
	reader := follow(t, client)
	page, truncated := reader.read(0)
	if len(page) != collector.MaxUpdates || !truncated {
		t.Fatalf("a page of %d, truncated: %v", len(page), truncated)
	}
	checked, err := methods.CheckForUpdates(context.Background(), client,
		&types.CheckForUpdates{This: reader.collector.Reference()})
	if err != nil {
		t.Fatal(err)
	}
	waited, err := methods.WaitForUpdates(context.Background(), client,
		&types.WaitForUpdates{This: reader.collector.Reference()})
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []*types.UpdateSet{checked.Returnval, &waited.Returnval} {
		if sent := len(set.FilterSet[0].ObjectSet); sent < 150 || set.Truncated != nil {
			t.Errorf("sent %d, truncated: %v", sent, set.Truncated)
		}
	}
	reader.version = waited.Returnval.Version
	reader.expect()
	again, err := methods.CheckForUpdates(context.Background(), client,
		&types.CheckForUpdates{This: reader.collector.Reference(), Version: reader.version})
	if err != nil || again.Returnval != nil {
		t.Errorf("nothing has changed: %v, %v", again, err)
	}
}

func TestAWaitIsWokenOrCancelled(t *testing.T) {
	client := labtest.Login(t, labtest.Start(t)).Client
	inventory := labtest.InventoryOf(t, client)
	reader := follow(t, client)
	reader.read(0)
	wait := func() (*types.WaitForUpdatesExResponse, error) {
		return methods.WaitForUpdatesEx(context.Background(), client, &types.WaitForUpdatesEx{
			This: reader.collector.Reference(), Version: reader.version,
		})
	}
	time.AfterFunc(100*time.Millisecond, func() {
		inventory.MustClone(inventory.VM("debian-12"), "newcomer", types.VirtualMachineCloneSpec{})
	})
	labtest.Within(t, 10*time.Second, func() {
		if set, err := wait(); err != nil || set.Returnval == nil {
			t.Errorf("woken with %v, %v", set, err)
		} else {
			reader.version = set.Returnval.Version
		}
	})
	time.Sleep(300 * time.Millisecond) // the clone's end
	reader.read(0)
	time.AfterFunc(100*time.Millisecond, func() { _ = reader.collector.CancelWaitForUpdates(context.Background()) })
	labtest.Within(t, 10*time.Second, func() {
		if _, err := wait(); err == nil {
			t.Error("a cancelled wait ended well")
		}
	})
}

// TestReadingWhileOthersWrite hung for good with the simulator's own collector.
func TestReadingWhileOthersWrite(t *testing.T) {
	lab := labtest.Start(t)
	reader := follow(t, labtest.Login(t, lab).Client)
	labtest.Within(t, 60*time.Second, func() {
		writers := make(chan error, 3)
		for writer := range cap(writers) {
			inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
			go func() { writers <- cloneAndDestroy(inventory, writer, 30) }()
		}
		for left := cap(writers); left > 0; {
			select {
			case err := <-writers:
				if left--; err != nil {
					t.Error(err)
				}
			default:
				reader.read(0)
			}
		}
	})
	reader.read(0)
	reader.expect()
}

func cloneAndDestroy(inventory labtest.Inventory, writer, count int) error {
	ctx := context.Background()
	source := inventory.VM("debian-12")
	for i := range count {
		vm, err := inventory.Clone(source, fmt.Sprintf("writer-%d-%d", writer, i), types.VirtualMachineCloneSpec{})
		if err != nil {
			return err
		}
		task, err := vm.Destroy(ctx)
		if err == nil {
			err = task.Wait(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
