package keyboard

import (
	"testing"

	"github.com/vmware/govmomi/vim25/types"
)

func keyEvent(code int32, bits uint8) types.UsbScanCodeSpecKeyEvent {
	on := func(i int) *bool { return types.NewBool(bits&(1<<i) != 0) }
	return types.UsbScanCodeSpecKeyEvent{UsbHidCode: code<<16 | Page, Modifiers: &types.UsbScanCodeSpecModifierType{
		LeftControl: on(0), LeftShift: on(1), LeftAlt: on(2), LeftGui: on(3),
		RightControl: on(4), RightShift: on(5), RightAlt: on(6), RightGui: on(7),
	}}
}

func TestDecoder(t *testing.T) {
	for want, events := range map[string][]types.UsbScanCodeSpecKeyEvent{
		"a":                                {{UsbHidCode: 4<<16 | Page}},
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
		var decoder decoder
		got := ""
		for _, event := range events {
			got += decoder.decode(event)
		}
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
