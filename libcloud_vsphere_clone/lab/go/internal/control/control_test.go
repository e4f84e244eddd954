package control_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"vsphere-lab/internal/labtest"
	"vsphere-lab/internal/soap"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func TestControlToken(t *testing.T) {
	lab := labtest.Start(t)
	for _, header := range []string{"", "Bearer wrong", labtest.Token, "bearer " + labtest.Token} {
		r, _ := http.NewRequest("GET", lab.ControlURL()+"/v1/health", nil)
		r.Header.Set("Authorization", header)
		reply, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		if reply.StatusCode != http.StatusUnauthorized {
			t.Errorf("%q: %s", header, reply.Status)
		}
	}
	if status := labtest.Steer(t, lab, "GET", "/v1/health", nil, nil); status != http.StatusOK {
		t.Errorf("with the token: %d", status)
	}
	if status := labtest.Steer(t, lab, "GET", "/v1/nothing", nil, nil); status != http.StatusNotFound {
		t.Errorf("an unknown path: %d", status)
	}
}

func TestCallCounters(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	labtest.Steer(t, lab, "DELETE", "/v1/calls", nil, nil)
	for range 3 {
		_ = labtest.CurrentTime(client)
	}
	var report soap.Report
	labtest.Steer(t, lab, "GET", "/v1/calls", nil, &report)
	if report.Total != 3 || report.ByMethod["CurrentTime"] != 3 || report.BytesOut < 500 {
		t.Errorf("report is %+v", report)
	}
}

func TestLoginCounters(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Connect(t, lab)
	manager := session.NewManager(client)
	for _, user := range []*url.Userinfo{
		url.UserPassword("administrator@vsphere.local", "wrong"), url.UserPassword("administrator", labtest.Password), url.UserPassword("root", labtest.Password),
	} {
		if err := manager.Login(context.Background(), user); !fault.Is(err, &types.InvalidLogin{}) {
			t.Errorf("%s: %v", user, err)
		}
	}
	if err := manager.Login(context.Background(), url.UserPassword("administrator@vsphere.local", labtest.Password)); err != nil {
		t.Error(err)
	}
	var logins, sessions struct{ Count, Failed int }
	labtest.Steer(t, lab, "GET", "/v1/logins", nil, &logins)
	labtest.Steer(t, lab, "GET", "/v1/sessions", nil, &sessions)
	if logins.Count != 4 || logins.Failed != 3 || sessions.Count != 1 {
		t.Errorf("logins %+v, sessions %+v", logins, sessions)
	}
	if err := manager.Logout(context.Background()); err != nil {
		t.Error(err)
	}
	labtest.Steer(t, lab, "GET", "/v1/sessions", nil, &sessions)
	if sessions.Count != 0 {
		t.Errorf("%d sessions after the logout", sessions.Count)
	}
}

func TestExpireSessions(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	inventory := labtest.InventoryOf(t, client.Client)
	vm := inventory.VM("legacy-db")
	waiting := make(chan error, 1)
	go func() {
		waiting <- property.Wait(context.Background(), property.DefaultCollector(client.Client), vm.Reference(), []string{"name"},
			func([]types.PropertyChange) bool { return false })
	}()
	time.Sleep(100 * time.Millisecond)
	var reply struct{ Expired int }
	labtest.Steer(t, lab, "POST", "/v1/sessions/expire", nil, &reply)
	if reply.Expired != 1 {
		t.Errorf("%d sessions expired", reply.Expired)
	}
	labtest.Within(t, 2*time.Second, func() {
		if err := <-waiting; !fault.Is(err, &types.NotAuthenticated{}) {
			t.Errorf("a wait for updates: %v", err)
		}
	})
	if err := labtest.CurrentTime(client); !fault.Is(err, &types.NotAuthenticated{}) {
		t.Errorf("a call: %v", err)
	}
	if _, err := retrieveName(client.Client, vm.Reference()); !fault.Is(err, &types.NotAuthenticated{}) {
		t.Errorf("a property read: %v", err)
	}
	if err := client.Login(context.Background(), url.UserPassword(labtest.Username, labtest.Password)); err != nil {
		t.Errorf("a new login: %v", err)
	}
	if err := labtest.CurrentTime(client); err != nil {
		t.Errorf("a call after it: %v", err)
	}
}

func TestExpireSilently(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	vm := labtest.InventoryOf(t, client.Client).VM("legacy-db")
	labtest.Steer(t, lab, "POST", "/v1/sessions/expire", map[string]bool{"silent": true}, nil)
	result, err := retrieveName(client.Client, vm.Reference())
	if err != nil || len(result.Returnval.Objects[0].PropSet) != 0 || len(result.Returnval.Objects[0].MissingSet) != 1 {
		t.Errorf("got %+v, %v", result, err)
	}
}

// retrieveName is a property read whose reply is not looked into.
func retrieveName(client *vim25.Client, ref types.ManagedObjectReference) (*types.RetrievePropertiesExResponse, error) {
	return methods.RetrievePropertiesEx(context.Background(), client, &types.RetrievePropertiesEx{
		This: client.ServiceContent.PropertyCollector,
		SpecSet: []types.PropertyFilterSpec{{
			PropSet:   []types.PropertySpec{{Type: ref.Type, PathSet: []string{"name"}}},
			ObjectSet: []types.ObjectSpec{{Obj: ref}},
		}},
	})
}

func TestViewsAndCollectors(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	ctx := context.Background()
	count := func() (views struct{ Count, Collectors, Filters int }) {
		labtest.Steer(t, lab, "GET", "/v1/views", nil, &views)
		return views
	}
	before := count()
	all, err := view.NewManager(client.Client).CreateContainerView(ctx, client.ServiceContent.RootFolder, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	collector, err := property.DefaultCollector(client.Client).Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if now := count(); now.Count != before.Count+1 || now.Collectors != before.Collectors+1 {
		t.Errorf("first %+v, then %+v", before, now)
	}
	if err := all.Destroy(ctx); err != nil {
		t.Error(err)
	}
	if err := collector.Destroy(ctx); err != nil {
		t.Error(err)
	}
	if now := count(); now != before {
		t.Errorf("first %+v, in the end %+v", before, now)
	}
}

func TestTaskDelay(t *testing.T) {
	lab := labtest.Start(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	template := inventory.VM("debian-12")
	labtest.Steer(t, lab, "POST", "/v1/tasks/delay", map[string]int{"CloneVM": 400}, nil)
	start := time.Now()
	task, err := template.Clone(context.Background(), inventory.Root(), "late", types.VirtualMachineCloneSpec{Location: types.VirtualMachineRelocateSpec{Pool: inventory.Pool("cluster-drs/Resources")}})
	if err != nil {
		t.Fatal(err)
	}
	inventory.Properties(template) // the source can be read meanwhile
	if early := time.Since(start); early > 300*time.Millisecond {
		t.Errorf("a read waited %s", early)
	}
	if err := task.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	if elapsed := time.Since(start); elapsed < 400*time.Millisecond {
		t.Errorf("the clone took %s", elapsed)
	}
	labtest.Steer(t, lab, "POST", "/v1/tasks/delay", map[string]int{}, nil)
	start = time.Now()
	inventory.MustClone(template, "soon", types.VirtualMachineCloneSpec{})
	if elapsed := time.Since(start); elapsed > 300*time.Millisecond {
		t.Errorf("without a delay the clone took %s", elapsed)
	}
}

func TestCancelTask(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	inventory := labtest.InventoryOf(t, client.Client)
	labtest.Steer(t, lab, "POST", "/v1/tasks/delay", map[string]int{"CloneVM": 300}, nil)
	task, err := inventory.VM("debian-12").Clone(context.Background(), inventory.Root(), "never", types.VirtualMachineCloneSpec{
		Location: types.VirtualMachineRelocateSpec{Pool: inventory.Pool("cluster-drs/Resources")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := task.Cancel(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := task.Wait(context.Background()); !fault.Is(err, &types.RequestCanceled{}) {
		t.Errorf("got %v", err)
	}
	time.Sleep(500 * time.Millisecond) // longer than the delay
	if _, err := inventory.VirtualMachine(context.Background(), "never"); err == nil {
		t.Error("the VM was made all the same")
	}
	labtest.Steer(t, lab, "POST", "/v1/tasks/delay", map[string]int{}, nil)
	inventory.MustClone(inventory.VM("debian-12"), "later", types.VirtualMachineCloneSpec{})
}

func TestCancelTaskAtWork(t *testing.T) {
	lab, _ := labtest.StartWithGuests(t)
	client := labtest.Login(t, lab)
	inventory := labtest.InventoryOf(t, client.Client)
	t.Setenv("FAKE_DOCKER_DELAY", "0.4")
	spec := labtest.GuestSpec("")
	spec.Location.Pool = inventory.Pool("cluster-drs/Resources")
	task, err := inventory.VM("debian-12").Clone(context.Background(), inventory.Root(), "made", spec)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(150 * time.Millisecond)
	if err := task.Cancel(context.Background()); err != nil {
		t.Fatal(err)
	}
	info, err := task.WaitForResult(context.Background())
	if err != nil || !info.Cancelled {
		t.Errorf("a task at work: cancelled %t, %v", info.Cancelled, err)
	}
	if err := task.Cancel(context.Background()); !fault.Is(err, &types.InvalidState{}) {
		t.Errorf("a task that is done: %v", err)
	}
}

func TestChangeVM(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	vm := labtest.InventoryOf(t, client.Client).VM("legacy-db")
	path := "/v1/vms/" + vm.Reference().Value
	labtest.Steer(t, lab, "POST", path, map[string]any{"set": map[string]any{
		"runtime.connectionState": "orphaned", "guest.toolsRunningStatus": "guestToolsRunning", "guest.ipAddress": "192.0.2.7",
		"config.hardware.numCPU": 7, "runtime.question": map[string]any{"id": "1", "text": "Moved or copied?", "choice": map[string]any{}},
	}}, nil)
	row := read(t, client.Client, vm.Reference())
	if row.Runtime.ConnectionState != "orphaned" || row.Guest.IpAddress != "192.0.2.7" || row.Config.Hardware.NumCPU != 7 || row.Runtime.Question == nil {
		t.Errorf("row is %+v %+v", row.Runtime, row.Guest)
	}
	for _, bad := range []any{map[string]any{"set": map[string]any{"runtime.nonsense": 1}}, map[string]any{"set": map[string]any{"config.hardware.numCPU": "x"}}} {
		if status := labtest.Steer(t, lab, "POST", path, bad, nil); status != http.StatusBadRequest {
			t.Errorf("%v: %d", bad, status)
		}
	}
	if status := labtest.Steer(t, lab, "POST", "/v1/vms/vm-999", map[string]any{}, nil); status != http.StatusNotFound {
		t.Errorf("an unknown VM: %d", status)
	}
}

func TestDropConfig(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	inventory := labtest.InventoryOf(t, client.Client)
	vm := inventory.VM("legacy-db")
	path := "/v1/vms/" + vm.Reference().Value
	labtest.Steer(t, lab, "POST", path, map[string]any{"drop_config": true}, nil)
	row := read(t, client.Client, vm.Reference())
	if row.Config != nil || row.Name != "legacy-db" || row.Summary.Config.Name != "legacy-db" {
		t.Errorf("row is %+v", row)
	}
	inventory.MustClone(inventory.VM("debian-12"), "still works", types.VirtualMachineCloneSpec{})
	labtest.Steer(t, lab, "POST", path, map[string]any{"drop_config": false}, nil)
	if read(t, client.Client, vm.Reference()).Config == nil {
		t.Error("the config stays away")
	}
}

func read(t *testing.T, client *vim25.Client, ref types.ManagedObjectReference) mo.VirtualMachine {
	t.Helper()
	var row mo.VirtualMachine
	if err := property.DefaultCollector(client).RetrieveOne(context.Background(), ref, nil, &row); err != nil {
		t.Fatal(err)
	}
	return row
}

func TestChangeObject(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	inventory := labtest.InventoryOf(t, client.Client)
	ref := *inventory.DatastoreRef("shared-2")
	status := labtest.Steer(t, lab, "POST", "/v1/objects/"+ref.Value, map[string]any{"set": map[string]any{
		"summary.maintenanceMode": "inMaintenance", "summary.freeSpace": 5 << 30,
	}}, nil)
	if status != http.StatusOK {
		t.Fatal(status)
	}
	inventory.MustClone(inventory.VM("debian-12"), "x", types.VirtualMachineCloneSpec{})
	var row mo.Datastore
	if err := property.DefaultCollector(client.Client).RetrieveOne(context.Background(), ref, nil, &row); err != nil {
		t.Fatal(err)
	}
	if row.Summary.MaintenanceMode != "inMaintenance" || row.Summary.FreeSpace != 5<<30 {
		t.Errorf("summary is %+v", row.Summary)
	}
	if status := labtest.Steer(t, lab, "POST", "/v1/objects/datastore-999", map[string]any{}, nil); status != http.StatusNotFound {
		t.Errorf("an unknown object: %d", status)
	}
}
