package main

import (
	"context"
	"net/http"
	"testing"

	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func keyEvent(code int32, bits uint8) types.UsbScanCodeSpecKeyEvent {
	on := func(i int) *bool { return types.NewBool(bits&(1<<i) != 0) }
	return types.UsbScanCodeSpecKeyEvent{UsbHidCode: code<<16 | keyboardPage, Modifiers: &types.UsbScanCodeSpecModifierType{
		LeftControl: on(0), LeftShift: on(1), LeftAlt: on(2), LeftGui: on(3),
		RightControl: on(4), RightShift: on(5), RightAlt: on(6), RightGui: on(7),
	}}
}

func TestDecoder(t *testing.T) {
	for want, events := range map[string][]types.UsbScanCodeSpecKeyEvent{
		"a":                                {{UsbHidCode: 4<<16 | keyboardPage}},
		"aA~\\":                            {keyEvent(4, 0), keyEvent(4, 2), keyEvent(0x35, 0x20), keyEvent(0x31, 0)},
		"<enter><f12> ":                    {keyEvent(0x28, 0), keyEvent(0x45, 0), keyEvent(0x2c, 0)},
		"<leftCtrlOn>c<leftCtrlOff>":       {keyEvent(6, 1)},
		"<leftCtrlOn>cd<leftCtrlOff>e":     {keyEvent(0xe0, 1), keyEvent(6, 1), keyEvent(7, 1), keyEvent(0xe0, 0), keyEvent(8, 0)},
		"<leftAltOn><tab><leftAltOff>b":    {keyEvent(0xe2, 4), keyEvent(0x2b, 4), keyEvent(5, 0)},
		"<leftShiftOn><tab><leftShiftOff>": {keyEvent(0x2b, 2)},
		"<leftShiftOn>A<leftShiftOff>":     {keyEvent(0xe1, 2), keyEvent(4, 2), keyEvent(0xe1, 0)},
		"<rightAltOn>q<rightAltOff><0x64>": {keyEvent(0x14, 0x40), keyEvent(0x64, 0)},
		"<leftSuper>":                      {keyEvent(0xe3, 0)},
	} {
		var decoder keyDecoder
		got := ""
		for _, event := range events {
			got += decoder.decode(event)
		}
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

func TestTyping(t *testing.T) {
	lab := startLab(t)
	client := login(t, lab)
	ctx := context.Background()
	vm := inventoryOf(t, client.Client).vm("legacy/legacy-web")
	send := func(codes ...int32) (int32, error) {
		var spec types.UsbScanCodeSpec
		for _, code := range codes {
			spec.KeyEvents = append(spec.KeyEvents, keyEvent(code, 0))
		}
		return vm.PutUsbScanCodes(ctx, spec)
	}
	typed := func() string {
		var reply struct{ Text string }
		steer(t, lab, "GET", "/v1/vms/"+vm.Reference().Value+"/typed", nil, &reply)
		return reply.Text
	}

	if _, err := send(4); !fault.Is(err, &types.InvalidPowerState{}) {
		t.Errorf("of a VM that is off: %v", err)
	}
	powerOn(t, vm)
	if n, err := send(4, 5, 6); n != 3 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	steer(t, lab, "POST", "/v1/vms/"+vm.Reference().Value+"/keyboard", map[string]any{"accepts": []int{2, 0}}, nil)
	for _, want := range []int32{2, 0, 2} {
		if n, _ := send(7, 8, 9); n != want {
			t.Errorf("%d events taken, not %d", n, want)
		}
	}
	if got := typed(); got != "abcdede" {
		t.Errorf("typed %q", got)
	}
	steer(t, lab, "DELETE", "/v1/vms/"+vm.Reference().Value+"/typed", nil, nil)
	if got := typed(); got != "" {
		t.Errorf("still there: %q", got)
	}
	if status := steer(t, lab, "GET", "/v1/vms/vm-none/typed", nil, nil); status != http.StatusNotFound {
		t.Errorf("no such VM: %d", status)
	}
}

// TestLending: a VM that was typed on goes on like any other, to its end.
func TestLending(t *testing.T) {
	lab := startLab(t)
	client := login(t, lab)
	ctx := context.Background()
	vm := inventoryOf(t, client.Client).vm("legacy/legacy-web")
	powerOn(t, vm)
	if _, err := vm.PutUsbScanCodes(ctx, types.UsbScanCodeSpec{KeyEvents: []types.UsbScanCodeSpecKeyEvent{keyEvent(4, 0)}}); err != nil {
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

func powerOn(t *testing.T, vm *object.VirtualMachine) {
	t.Helper()
	task, err := vm.PowerOn(context.Background())
	if err == nil {
		err = task.Wait(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
}
