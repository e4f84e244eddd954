package inventory

import (
	"reflect"
	"slices"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// FirstNIC is a VM's first network adapter; nil when it has none.
func FirstNIC(vm *mo.VirtualMachine) *types.VirtualEthernetCard {
	for _, device := range vm.Config.Hardware.Device {
		if nic, ok := device.(types.BaseVirtualEthernetCard); ok {
			return nic.GetVirtualEthernetCard()
		}
	}
	return nil
}

// WithConnection is a copy of the devices, their NICs connected or not.
func WithConnection(devices []types.BaseVirtualDevice, connected bool) []types.BaseVirtualDevice {
	copied := slices.Clone(devices)
	for i, device := range copied {
		if _, ok := device.(types.BaseVirtualEthernetCard); !ok {
			continue
		}
		own := reflect.New(reflect.TypeOf(device).Elem())
		own.Elem().Set(reflect.ValueOf(device).Elem())
		copied[i] = own.Interface().(types.BaseVirtualDevice)
		info := types.VirtualDeviceConnectInfo{StartConnected: true, AllowGuestControl: true}
		if known := copied[i].GetVirtualDevice().Connectable; known != nil {
			info = *known
		}
		info.Connected = connected
		copied[i].GetVirtualDevice().Connectable = &info
	}
	return copied
}

// GuestNICsWithConnection is a copy of the NICs as a guest sees them, connected or not.
func GuestNICsWithConnection(nics []types.GuestNicInfo, connected bool) []types.GuestNicInfo {
	copied := slices.Clone(nics)
	for i := range copied {
		copied[i].Connected = connected
	}
	return copied
}
