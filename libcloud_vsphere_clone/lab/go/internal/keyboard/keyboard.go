// Package keyboard has the keyboards of virtual machines: it decodes the key events
// that are sent to them, and keeps the text.
package keyboard

import (
	"strings"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// maxTextBytes is what is kept of a VM's typed text: its end.
const maxTextBytes = 1 << 18

// Keyboard is a VM's, and what was typed on it.
type Keyboard struct {
	decoder decoder
	text    string
	limits  []int // how many events each next call takes, over and over; empty: all
}

// Take types the events that the keyboard has room for, and returns their number.
func (k *Keyboard) Take(events []types.UsbScanCodeSpecKeyEvent) int {
	room := len(events)
	if len(k.limits) > 0 {
		room = min(room, k.limits[0])
		k.limits = append(k.limits[1:], k.limits[0])
	}
	var text strings.Builder
	for _, event := range events[:room] {
		text.WriteString(k.decoder.decode(event))
	}
	k.text += text.String()
	k.text = k.text[max(0, len(k.text)-maxTextBytes):]
	return room
}

// Text is what was typed since the keyboard was last cleared.
func (k *Keyboard) Text() string {
	return k.text
}

// Clear forgets the text, and the limits.
func (k *Keyboard) Clear() {
	*k = Keyboard{}
}

// Limit sets how many events each next call takes, over and over; none is all.
func (k *Keyboard) Limit(limits []int) {
	k.limits = limits
}

// Keyboards are those that something was typed on.
type Keyboards struct {
	mu   sync.Mutex
	ofVM map[types.ManagedObjectReference]*Keyboard
}

// New is without any keyboard yet.
func New() *Keyboards {
	return &Keyboards{ofVM: map[types.ManagedObjectReference]*Keyboard{}}
}

// With calls f with the VM's keyboard.
func (k *Keyboards) With(vm types.ManagedObjectReference, f func(*Keyboard)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ofVM[vm] == nil {
		k.ofVM[vm] = new(Keyboard)
	}
	f(k.ofVM[vm])
}
