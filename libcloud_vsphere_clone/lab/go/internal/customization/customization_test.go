package customization

import (
	"testing"

	"github.com/vmware/govmomi/vim25/types"
)

func TestNewEvent(t *testing.T) {
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: "vm-1"}
	event, err := newEvent("CustomizationSysprepFailed", ref, "web", "no key")
	if err != nil {
		t.Fatal(err)
	}
	got := event.(*types.CustomizationSysprepFailed)
	if got.FullFormattedMessage != "no key" || got.Vm.Vm != ref || got.Vm.Name != "web" {
		t.Errorf("got %+v", got)
	}
	for _, kind := range []string{"", "Nothing", "VmPoweredOnEvent", "CustomizationFault", "CustomizationSpec"} {
		if _, err := newEvent(kind, ref, "", ""); err == nil {
			t.Errorf("%q is taken for an event", kind)
		}
	}
}

func TestCustomizationRulesWearOut(t *testing.T) {
	customizations := New(nil)
	customizations.rules = []*Rule{{Event: "one", Times: 2}, {Event: "two", Times: 1}}
	var taken []string
	for {
		rule, ok := customizations.take()
		if !ok {
			break
		}
		taken = append(taken, rule.Event)
	}
	if len(taken) != 3 || taken[0] != "one" || taken[1] != "one" || taken[2] != "two" {
		t.Errorf("took %v", taken)
	}
}
