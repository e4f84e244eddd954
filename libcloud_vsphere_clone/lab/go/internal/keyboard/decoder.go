package keyboard

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/vim25/types"
)

// Page is the usage page of keyboards, which the API wants in a code's
// lower half: HID Usage Tables 1.12, section 10.
const Page = 7

// The usage ids of the modifier keys, in the order of the HID modifier byte.
const (
	leftControl = 0xe0
	leftShift   = 0xe1
	rightShift  = 0xe5
)

var modifierNames = []string{
	"leftCtrl", "leftShift", "leftAlt", "leftSuper", "rightCtrl", "rightShift", "rightAlt", "rightSuper",
}

// usKeys are the characters of the US layout, by usage id: alone, with shift.
var usKeys = map[int32][2]string{0x2c: {" ", " "}}

// namedKeys are the others, in the notation of Packer's boot_command.
var namedKeys = map[int32]string{
	0x28: "enter", 0x29: "esc", 0x2a: "bs", 0x2b: "tab",
	0x49: "insert", 0x4a: "home", 0x4b: "pageUp", 0x4c: "del", 0x4d: "end", 0x4e: "pageDown",
	0x4f: "right", 0x50: "left", 0x51: "down", 0x52: "up", 0x65: "menu",
}

func init() {
	for first, keys := range map[int32][2]string{
		0x04: {"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
		0x1e: {"1234567890", "!@#$%^&*()"},
		0x2d: {"-=[]\\", "_+{}|"},
		0x33: {";'`,./", ":\"~<>?"},
	} {
		for i := range keys[0] {
			usKeys[first+int32(i)] = [2]string{keys[0][i : i+1], keys[1][i : i+1]}
		}
	}
	for i := range int32(12) {
		namedKeys[0x3a+i] = fmt.Sprintf("f%d", i+1)
	}
}

// decoder turns key events into text, as a guest with a US keyboard layout would
// see them, modifiers named.
type decoder struct {
	held uint8 // modifiers that are held down by an event of their own
}

// decode is what one event types: "a", "<enter>", "<leftCtrlOn>c<leftCtrlOff>".
func (d *decoder) decode(event types.UsbScanCodeSpecKeyEvent) string {
	code, modifiers := event.UsbHidCode>>16, modifierBits(event.Modifiers)
	if code >= leftControl && code < leftControl+8 {
		return d.decodeModifier(code-leftControl, modifiers)
	}
	text := d.release(modifiers)
	shifts := uint8(1)<<(leftShift-leftControl) | uint8(1)<<(rightShift-leftControl)
	around, key := modifiers&^d.held, ""
	if characters, ok := usKeys[code]; ok && modifiers&shifts != 0 {
		key, around = characters[1], around&^shifts
	} else if ok {
		key = characters[0]
	} else if name, ok := namedKeys[code]; ok {
		key = "<" + name + ">"
	} else {
		key = fmt.Sprintf("<0x%02x>", code)
	}
	return text + toggled(around, "On") + key + toggled(around, "Off")
}

// decodeModifier is for a modifier's own key: held down where it is among its
// own modifiers, else let go of, or only tapped.
func (d *decoder) decodeModifier(index int32, modifiers uint8) string {
	bit := uint8(1) << index
	wasHeld := d.held&bit != 0
	text := d.release(modifiers | bit)
	switch {
	case modifiers&bit != 0:
		d.held |= bit
		return text + toggled(bit, "On")
	case wasHeld:
		d.held &^= bit
		return text + toggled(bit, "Off")
	}
	return text + "<" + modifierNames[index] + ">"
}

// release releases what is held and is not among these modifiers.
func (d *decoder) release(modifiers uint8) string {
	gone := d.held &^ modifiers
	d.held &^= gone
	return toggled(gone, "Off")
}

func toggled(modifiers uint8, state string) string {
	var text strings.Builder
	for i, name := range modifierNames {
		if modifiers&(1<<i) != 0 {
			text.WriteString("<" + name + state + ">")
		}
	}
	return text.String()
}

// modifierBits is the modifier byte of HID 1.11, section 8.3.
func modifierBits(modifiers *types.UsbScanCodeSpecModifierType) (bits uint8) {
	if modifiers == nil {
		return 0
	}
	for i, pressed := range []*bool{
		modifiers.LeftControl, modifiers.LeftShift, modifiers.LeftAlt, modifiers.LeftGui,
		modifiers.RightControl, modifiers.RightShift, modifiers.RightAlt, modifiers.RightGui,
	} {
		if pressed != nil && *pressed {
			bits |= 1 << i
		}
	}
	return bits
}
