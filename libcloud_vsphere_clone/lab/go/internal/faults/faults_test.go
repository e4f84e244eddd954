package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"vsphere-lab/internal/faults"
	"vsphere-lab/internal/labtest"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func TestFaultBefore(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	inventory := labtest.InventoryOf(t, client.Client)
	labtest.AddRule(t, lab, map[string]any{
		"method": "CloneVM_Task", "object": "name:debian-12", "fault": "NoPermission", "message": "not you",
		"fields": map[string]any{"privilegeId": "VirtualMachine.Provisioning.Clone", "object": map[string]string{"type": "Folder", "value": "group-1"}},
	})
	if _, err := inventory.Clone(inventory.VM("debian-12-static"), "other", types.VirtualMachineCloneSpec{}); err != nil {
		t.Errorf("another object: %v", err)
	}
	_, err := inventory.Clone(inventory.VM("debian-12"), "x", types.VirtualMachineCloneSpec{})
	if !soap.IsSoapFault(err) || soap.ToSoapFault(err).String != "not you" {
		t.Fatalf("got %v", err)
	}
	got, ok := soap.ToSoapFault(err).VimFault().(types.NoPermission)
	if !ok || got.PrivilegeId != "VirtualMachine.Provisioning.Clone" || got.Object.Value != "group-1" {
		t.Errorf("got %#v", soap.ToSoapFault(err).VimFault())
	}
	if _, err := inventory.Clone(inventory.VM("debian-12"), "x", types.VirtualMachineCloneSpec{}); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestFaultByMoID(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	inventory := labtest.InventoryOf(t, client.Client)
	vm := inventory.VM("legacy-db")
	labtest.AddRule(t, lab, map[string]any{"method": "*", "object": vm.Reference().Value, "fault": "ManagedObjectNotFound"})
	if _, err := vm.PowerOff(context.Background()); !fault.Is(err, &types.ManagedObjectNotFound{}) {
		t.Errorf("got %v", err)
	}
}

func TestFaultInTask(t *testing.T) {
	lab := labtest.Start(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	labtest.AddRule(t, lab, map[string]any{
		"method": "CloneVM_Task", "when": "task", "fault": "NoDiskSpace", "message": "full", "fields": map[string]any{"datastore": "shared-1"},
	})
	task, err := inventory.VM("debian-12").Clone(context.Background(), inventory.Root(), "x", types.VirtualMachineCloneSpec{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := task.WaitForResult(context.Background())
	var full *types.NoDiskSpace
	if _, ok := fault.As(err, &full); !ok || full.Datastore != "shared-1" {
		t.Fatalf("got %v", err)
	}
	if info.Error.LocalizedMessage != "full" || info.Name != "CloneVM_Task" || info.DescriptionId != "VirtualMachine.clone" || info.EntityName != "debian-12" {
		t.Errorf("the task says %q, %q, %q, %q", info.Error.LocalizedMessage, info.Name, info.DescriptionId, info.EntityName)
	}
	if _, err := inventory.VirtualMachine(context.Background(), "x"); err == nil {
		t.Error("the clone was made")
	}
}

func TestResetBefore(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	labtest.AddRule(t, lab, map[string]any{"method": "CurrentTime", "when": "reset-before"})
	if err := labtest.CurrentTime(client); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
	if err := labtest.CurrentTime(client); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestResetAfter(t *testing.T) {
	lab := labtest.Start(t)
	inventory := labtest.InventoryOf(t, labtest.Login(t, lab).Client)
	labtest.AddRule(t, lab, map[string]any{"method": "CloneVM_Task", "when": "reset-after"})
	if _, err := inventory.Clone(inventory.VM("debian-12"), "made", types.VirtualMachineCloneSpec{}); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
	labtest.Within(t, 2*time.Second, func() {
		for {
			if _, err := inventory.VirtualMachine(context.Background(), "made"); err == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

func TestDropBody(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	labtest.AddRule(t, lab, map[string]any{"method": "CurrentTime", "when": "drop-body"})
	err := labtest.CurrentTime(client)
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

func TestStall(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	labtest.AddRule(t, lab, map[string]any{"method": "CurrentTime", "when": "stall", "delay_ms": 200})
	start := time.Now()
	if err := labtest.CurrentTime(client); err != nil || time.Since(start) < 200*time.Millisecond {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	labtest.AddRule(t, lab, map[string]any{"method": "CurrentTime", "when": "stall"})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := methods.GetCurrentTime(ctx, client); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without an end: %v", err)
	}
}

func TestEveryAndTimes(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	pattern := func() string {
		var seen strings.Builder
		for range 7 {
			if labtest.CurrentTime(client) == nil {
				seen.WriteByte('.')
			} else {
				seen.WriteByte('x')
			}
		}
		return seen.String()
	}
	for _, check := range []struct {
		times, every int
		want         string
	}{{1, 1, "x......"}, {3, 1, "xxx...."}, {0, 1, "xxxxxxx"}, {0, 3, "..x..x."}, {1, 3, "..x...."}, {2, 2, ".x.x..."}} {
		labtest.Steer(t, lab, "DELETE", "/v1/faults", nil, nil)
		labtest.AddRule(t, lab, map[string]any{"method": "CurrentTime", "fault": "HostCommunication", "times": check.times, "every": check.every})
		if got := pattern(); got != check.want {
			t.Errorf("times %d, every %d: %s, not %s", check.times, check.every, got, check.want)
		}
		var list struct{ Faults []faults.Rule }
		labtest.Steer(t, lab, "GET", "/v1/faults", nil, &list)
		if hits := strings.Count(check.want, "x"); len(list.Faults) != 1 || list.Faults[0].Hits != hits {
			t.Errorf("times %d, every %d: the list says %+v", check.times, check.every, list.Faults)
		}
	}
	labtest.Steer(t, lab, "DELETE", "/v1/faults", nil, nil)
	if got := pattern(); got != "......." {
		t.Errorf("after the rules were dropped: %s", got)
	}
}

func TestBadRules(t *testing.T) {
	lab := labtest.Start(t)
	for _, rule := range []string{
		`{}`, `{"method": "CurrentTime"}`, `{"method": "CurrentTime", "fault": "Nonsense"}`,
		`{"method": "CurrentTime", "fault": "VirtualMachineConfigSpec"}`, `{"method": "CurrentTime", "fault": "PowerOnVM_Task"}`,
		`{"method": "CurrentTime", "when": "task", "fault": "NoDiskSpace"}`,
		`{"method": "CurrentTime", "when": "later", "fault": "NoDiskSpace"}`,
		`{"method": "CurrentTime", "fault": "NoDiskSpace", "fields": {"color": "red"}}`,
		`{"method": "CurrentTime", "fault": "NoDiskSpace", "every": -1}`, `{"method": "CurrentTime", "surprise": 1}`,
	} {
		var reply map[string]any
		if status := labtest.Steer(t, lab, "POST", "/v1/faults", json.RawMessage(rule), &reply); status != 400 || fmt.Sprint(reply["error"]) == "" {
			t.Errorf("%s: %d %v", rule, status, reply)
		}
	}
}
