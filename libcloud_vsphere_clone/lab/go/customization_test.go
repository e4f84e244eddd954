package main

import (
	"testing"

	"github.com/vmware/govmomi/vim25/types"
)

func TestNewVMEvent(t *testing.T) {
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: "vm-1"}
	event, err := newVMEvent("CustomizationSysprepFailed", ref, "web", "no key")
	if err != nil {
		t.Fatal(err)
	}
	got := event.(*types.CustomizationSysprepFailed)
	if got.FullFormattedMessage != "no key" || got.Vm.Vm != ref || got.Vm.Name != "web" {
		t.Errorf("got %+v", got)
	}
	for _, kind := range []string{"", "Nothing", "VmPoweredOnEvent", "CustomizationFault", "CustomizationSpec"} {
		if _, err := newVMEvent(kind, ref, "", ""); err == nil {
			t.Errorf("%q is taken for an event", kind)
		}
	}
}

func TestCustomizationRulesWearOut(t *testing.T) {
	book := newCustomizations()
	book.rules = []*customizationRule{{Event: "one", Times: 2}, {Event: "two", Times: 1}}
	var taken []string
	for {
		rule, ok := book.take()
		if !ok {
			break
		}
		taken = append(taken, rule.Event)
	}
	if len(taken) != 3 || taken[0] != "one" || taken[1] != "one" || taken[2] != "two" {
		t.Errorf("took %v", taken)
	}
}

func TestWithConnectionLeavesTheOriginal(t *testing.T) {
	nic := &types.VirtualVmxnet3{}
	nic.Connectable = &types.VirtualDeviceConnectInfo{Connected: true}
	disk := &types.VirtualDisk{}
	devices := []types.BaseVirtualDevice{disk, nic, &types.VirtualE1000{}}
	copied := withConnection(devices, false)
	if !nic.Connectable.Connected || copied[0] != devices[0] {
		t.Error("the original was changed, or what is no NIC was copied")
	}
	for _, device := range copied[1:] {
		if info := device.GetVirtualDevice().Connectable; info == nil || info.Connected {
			t.Errorf("%T is %+v", device, info)
		}
	}
}
