package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

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
	lab := startLab(t)
	for _, header := range []string{"", "Bearer wrong", testToken, "bearer " + testToken} {
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
	if status := steer(t, lab, "GET", "/v1/health", nil, nil); status != http.StatusOK {
		t.Errorf("with the token: %d", status)
	}
	if status := steer(t, lab, "GET", "/v1/nothing", nil, nil); status != http.StatusNotFound {
		t.Errorf("an unknown path: %d", status)
	}
}

func TestReadyFile(t *testing.T) {
	lab := startLab(t)
	text, err := os.ReadFile(lab.path("ready.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got ready
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Username != "administrator@vsphere.local" || got.Datacenter != "lab-dc" || got.ControlURL != lab.ControlURL() || got.LabID != "test" || got.PID != os.Getpid() {
		t.Errorf("ready.json says %+v", got)
	}
	info, _ := os.Stat(lab.path("ready.json"))
	if info.Mode().Perm() != 0o600 {
		t.Errorf("ready.json has mode %v", info.Mode())
	}
}

func TestCallCounters(t *testing.T) {
	lab := startLab(t)
	client := login(t, lab)
	steer(t, lab, "DELETE", "/v1/calls", nil, nil)
	for range 3 {
		_ = currentTime(client)
	}
	var report callReport
	steer(t, lab, "GET", "/v1/calls", nil, &report)
	if report.Total != 3 || report.ByMethod["CurrentTime"] != 3 || report.BytesOut < 500 {
		t.Errorf("report is %+v", report)
	}
}

func TestLoginCounters(t *testing.T) {
	lab := startLab(t)
	client := connect(t, lab)
	manager := session.NewManager(client)
	for _, user := range []*url.Userinfo{
		url.UserPassword("administrator@vsphere.local", "wrong"), url.UserPassword("administrator", testPassword), url.UserPassword("root", testPassword),
	} {
		if err := manager.Login(context.Background(), user); !fault.Is(err, &types.InvalidLogin{}) {
			t.Errorf("%s: %v", user, err)
		}
	}
	if err := manager.Login(context.Background(), url.UserPassword("administrator@vsphere.local", testPassword)); err != nil {
		t.Error(err)
	}
	var logins, sessions struct{ Count, Failed int }
	steer(t, lab, "GET", "/v1/logins", nil, &logins)
	steer(t, lab, "GET", "/v1/sessions", nil, &sessions)
	if logins.Count != 4 || logins.Failed != 3 || sessions.Count != 1 {
		t.Errorf("logins %+v, sessions %+v", logins, sessions)
	}
	if err := manager.Logout(context.Background()); err != nil {
		t.Error(err)
	}
	steer(t, lab, "GET", "/v1/sessions", nil, &sessions)
	if sessions.Count != 0 {
		t.Errorf("%d sessions after the logout", sessions.Count)
	}
}

func TestExpireSessions(t *testing.T) {
	lab := startLab(t)
	client := login(t, lab)
	inventory := inventoryOf(t, client.Client)
	vm := inventory.vm("legacy-db")
	waiting := make(chan error, 1)
	go func() {
		waiting <- property.Wait(context.Background(), property.DefaultCollector(client.Client), vm.Reference(), []string{"name"},
			func([]types.PropertyChange) bool { return false })
	}()
	time.Sleep(100 * time.Millisecond)
	var reply struct{ Expired int }
	steer(t, lab, "POST", "/v1/sessions/expire", nil, &reply)
	if reply.Expired != 1 {
		t.Errorf("%d sessions expired", reply.Expired)
	}
	within(t, 2*time.Second, func() {
		if err := <-waiting; !fault.Is(err, &types.NotAuthenticated{}) {
			t.Errorf("a wait for updates: %v", err)
		}
	})
	if err := currentTime(client); !fault.Is(err, &types.NotAuthenticated{}) {
		t.Errorf("a call: %v", err)
	}
	if _, err := retrieveName(client.Client, vm.Reference()); !fault.Is(err, &types.NotAuthenticated{}) {
		t.Errorf("a property read: %v", err)
	}
	if err := client.Login(context.Background(), url.UserPassword(lab.config.Username, testPassword)); err != nil {
		t.Errorf("a new login: %v", err)
	}
	if err := currentTime(client); err != nil {
		t.Errorf("a call after it: %v", err)
	}
}

func TestExpireSilently(t *testing.T) {
	lab := startLab(t)
	client := login(t, lab)
	vm := inventoryOf(t, client.Client).vm("legacy-db")
	steer(t, lab, "POST", "/v1/sessions/expire", map[string]bool{"silent": true}, nil)
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
	lab := startLab(t)
	client := login(t, lab)
	ctx := context.Background()
	count := func() (views struct{ Count, Collectors, Filters int }) {
		steer(t, lab, "GET", "/v1/views", nil, &views)
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
	lab := startLab(t)
	inventory := inventoryOf(t, login(t, lab).Client)
	template := inventory.vm("debian-12")
	steer(t, lab, "POST", "/v1/tasks/delay", map[string]int{"CloneVM": 400}, nil)
	start := time.Now()
	task, err := template.Clone(context.Background(), inventory.root(), "late", types.VirtualMachineCloneSpec{Location: types.VirtualMachineRelocateSpec{Pool: inventory.pool("cluster-drs/Resources")}})
	if err != nil {
		t.Fatal(err)
	}
	inventory.properties(template) // the source can be read meanwhile
	if early := time.Since(start); early > 300*time.Millisecond {
		t.Errorf("a read waited %s", early)
	}
	if err := task.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	if elapsed := time.Since(start); elapsed < 400*time.Millisecond {
		t.Errorf("the clone took %s", elapsed)
	}
	steer(t, lab, "POST", "/v1/tasks/delay", map[string]int{}, nil)
	start = time.Now()
	inventory.mustClone(template, "soon", types.VirtualMachineCloneSpec{})
	if elapsed := time.Since(start); elapsed > 300*time.Millisecond {
		t.Errorf("without a delay the clone took %s", elapsed)
	}
}

func TestCancelTask(t *testing.T) {
	lab := startLab(t)
	client := login(t, lab)
	inventory := inventoryOf(t, client.Client)
	steer(t, lab, "POST", "/v1/tasks/delay", map[string]int{"CloneVM": 300}, nil)
	task, err := inventory.vm("debian-12").Clone(context.Background(), inventory.root(), "never", types.VirtualMachineCloneSpec{
		Location: types.VirtualMachineRelocateSpec{Pool: inventory.pool("cluster-drs/Resources")},
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
	steer(t, lab, "POST", "/v1/tasks/delay", map[string]int{}, nil)
	inventory.mustClone(inventory.vm("debian-12"), "later", types.VirtualMachineCloneSpec{})
}

func TestCancelTaskAtWork(t *testing.T) {
	lab, _ := startGuestLab(t)
	client := login(t, lab)
	inventory := inventoryOf(t, client.Client)
	t.Setenv("FAKE_DOCKER_DELAY", "0.4")
	spec := guestSpec("")
	spec.Location.Pool = inventory.pool("cluster-drs/Resources")
	task, err := inventory.vm("debian-12").Clone(context.Background(), inventory.root(), "made", spec)
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
	lab := startLab(t)
	client := login(t, lab)
	vm := inventoryOf(t, client.Client).vm("legacy-db")
	path := "/v1/vms/" + vm.Reference().Value
	steer(t, lab, "POST", path, map[string]any{"set": map[string]any{
		"runtime.connectionState": "orphaned", "guest.toolsRunningStatus": "guestToolsRunning", "guest.ipAddress": "192.0.2.7",
		"config.hardware.numCPU": 7, "runtime.question": map[string]any{"id": "1", "text": "Moved or copied?", "choice": map[string]any{}},
	}}, nil)
	row := read(t, client.Client, vm.Reference())
	if row.Runtime.ConnectionState != "orphaned" || row.Guest.IpAddress != "192.0.2.7" || row.Config.Hardware.NumCPU != 7 || row.Runtime.Question == nil {
		t.Errorf("row is %+v %+v", row.Runtime, row.Guest)
	}
	for _, bad := range []any{map[string]any{"set": map[string]any{"runtime.nonsense": 1}}, map[string]any{"set": map[string]any{"config.hardware.numCPU": "x"}}} {
		if status := steer(t, lab, "POST", path, bad, nil); status != http.StatusBadRequest {
			t.Errorf("%v: %d", bad, status)
		}
	}
	if status := steer(t, lab, "POST", "/v1/vms/vm-999", map[string]any{}, nil); status != http.StatusNotFound {
		t.Errorf("an unknown VM: %d", status)
	}
}

func TestDropConfig(t *testing.T) {
	lab := startLab(t)
	client := login(t, lab)
	inventory := inventoryOf(t, client.Client)
	vm := inventory.vm("legacy-db")
	path := "/v1/vms/" + vm.Reference().Value
	steer(t, lab, "POST", path, map[string]any{"drop_config": true}, nil)
	row := read(t, client.Client, vm.Reference())
	if row.Config != nil || row.Name != "legacy-db" || row.Summary.Config.Name != "legacy-db" {
		t.Errorf("row is %+v", row)
	}
	inventory.mustClone(inventory.vm("debian-12"), "still works", types.VirtualMachineCloneSpec{})
	steer(t, lab, "POST", path, map[string]any{"drop_config": false}, nil)
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
	lab := startLab(t)
	client := login(t, lab)
	inventory := inventoryOf(t, client.Client)
	ref := *inventory.datastore("shared-2")
	status := steer(t, lab, "POST", "/v1/objects/"+ref.Value, map[string]any{"set": map[string]any{
		"summary.maintenanceMode": "inMaintenance", "summary.freeSpace": 5 * gib,
	}}, nil)
	if status != http.StatusOK {
		t.Fatal(status)
	}
	inventory.mustClone(inventory.vm("debian-12"), "x", types.VirtualMachineCloneSpec{})
	var row mo.Datastore
	if err := property.DefaultCollector(client.Client).RetrieveOne(context.Background(), ref, nil, &row); err != nil {
		t.Fatal(err)
	}
	if row.Summary.MaintenanceMode != "inMaintenance" || row.Summary.FreeSpace != 5*gib {
		t.Errorf("summary is %+v", row.Summary)
	}
	if status := steer(t, lab, "POST", "/v1/objects/datastore-999", map[string]any{}, nil); status != http.StatusNotFound {
		t.Errorf("an unknown object: %d", status)
	}
}
