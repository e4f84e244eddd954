package inventory

import (
	"crypto/rand"
	"fmt"
	"reflect"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// MACAddresses generates MAC addresses, each one once.
type MACAddresses struct {
	mu    sync.Mutex
	given map[string]bool
}

// NewMACAddresses is without any given yet.
func NewMACAddresses() *MACAddresses {
	return &MACAddresses{given: map[string]bool{}}
}

// New is an address as vCenter generates them: 00:50:56:80:00:00 to
// 00:50:56:bf:ff:ff (vSphere Networking, "VMware OUI Allocation").
// The simulator derives them from three hexadecimal digits of a UUID, so that
// a few dozen VMs are enough for two with the same address.
func (b *MACAddresses) New() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		var tail [3]byte
		_, _ = rand.Read(tail[:]) // never fails since Go 1.24
		mac := fmt.Sprintf("00:50:56:%02x:%02x:%02x", 0x80|tail[0]&0x3f, tail[1], tail[2])
		if !b.given[mac] {
			b.given[mac] = true
			return mac
		}
	}
}

// Assign completes the NICs that a spec adds or edits without an address.
//
// VirtualEthernetCard.macAddress: "MAC address assigned to the virtual network
// adapter. Clients can set this property to any of the allowed address types.
// The server might override the specified value for 'Generated' or 'Assigned'
// if it does not fall in the right ranges or is determined to be a duplicate."
func (b *MACAddresses) Assign(changes []types.BaseVirtualDeviceConfigSpec) {
	for _, change := range changes {
		spec := change.GetVirtualDeviceConfigSpec()
		nic, ok := spec.Device.(types.BaseVirtualEthernetCard)
		if !ok || spec.Operation == types.VirtualDeviceConfigSpecOperationRemove {
			continue
		}
		if card := nic.GetVirtualEthernetCard(); card.MacAddress == "" {
			card.MacAddress = b.New()
			card.AddressType = string(types.VirtualEthernetCardMacTypeAssigned)
		}
	}
}

// WithoutMAC is a copy of a NIC that lacks an address.
func WithoutMAC(nic types.BaseVirtualDevice) types.BaseVirtualDevice {
	copied := reflect.New(reflect.TypeOf(nic).Elem())
	copied.Elem().Set(reflect.ValueOf(nic).Elem())
	device := copied.Interface().(types.BaseVirtualDevice)
	card := device.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard()
	card.MacAddress = ""
	if info, ok := card.DeviceInfo.(*types.Description); ok {
		own := *info // the simulator clears it while it edits the device
		card.DeviceInfo = &own
	}
	return device
}
