package lab_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/keyboard"
	"vsphere-lab/internal/labtest"
)

func keyEvent(code int32) types.UsbScanCodeSpecKeyEvent {
	return types.UsbScanCodeSpecKeyEvent{UsbHidCode: code<<16 | keyboard.Page}
}

func TestTyping(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	ctx := context.Background()
	vm := labtest.InventoryOf(t, client.Client).VM("legacy/legacy-web")
	send := func(codes ...int32) (int32, error) {
		var spec types.UsbScanCodeSpec
		for _, code := range codes {
			spec.KeyEvents = append(spec.KeyEvents, keyEvent(code))
		}
		return vm.PutUsbScanCodes(ctx, spec)
	}
	typed := func() string {
		var reply struct{ Text string }
		labtest.Steer(t, lab, "GET", "/v1/vms/"+vm.Reference().Value+"/typed", nil, &reply)
		return reply.Text
	}

	if _, err := send(4); !fault.Is(err, &types.InvalidPowerState{}) {
		t.Errorf("of a VM that is off: %v", err)
	}
	labtest.PowerOn(t, vm)
	if n, err := send(4, 5, 6); n != 3 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	labtest.Steer(t, lab, "POST", "/v1/vms/"+vm.Reference().Value+"/keyboard", map[string]any{"accepts": []int{2, 0}}, nil)
	for _, want := range []int32{2, 0, 2} {
		if n, _ := send(7, 8, 9); n != want {
			t.Errorf("%d events taken, not %d", n, want)
		}
	}
	if got := typed(); got != "abcdede" {
		t.Errorf("typed %q", got)
	}
	labtest.Steer(t, lab, "DELETE", "/v1/vms/"+vm.Reference().Value+"/typed", nil, nil)
	if got := typed(); got != "" {
		t.Errorf("still there: %q", got)
	}
	if status := labtest.Steer(t, lab, "GET", "/v1/vms/vm-none/typed", nil, nil); status != http.StatusNotFound {
		t.Errorf("no such VM: %d", status)
	}
}

// A VM that was typed on goes on like any other, to its end.
func TestVMThatWasTypedOnGoesOn(t *testing.T) {
	lab := labtest.Start(t)
	client := labtest.Login(t, lab)
	ctx := context.Background()
	vm := labtest.InventoryOf(t, client.Client).VM("legacy/legacy-web")
	labtest.PowerOn(t, vm)
	if _, err := vm.PutUsbScanCodes(ctx, types.UsbScanCodeSpec{KeyEvents: []types.UsbScanCodeSpecKeyEvent{keyEvent(4)}}); err != nil {
		t.Fatal(err)
	}
	for _, start := range []func(context.Context) (*object.Task, error){vm.PowerOff, vm.Destroy} {
		task, err := start(ctx)
		if err == nil {
			err = task.Wait(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var row mo.VirtualMachine
	if err := vm.Properties(ctx, vm.Reference(), []string{"name"}, &row); !fault.Is(err, &types.ManagedObjectNotFound{}) {
		t.Errorf("of a VM that is gone: %v %q", err, row.Name)
	}
}
