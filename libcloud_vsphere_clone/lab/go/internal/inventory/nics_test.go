package inventory

import (
	"testing"

	"github.com/vmware/govmomi/vim25/types"
)

func TestWithConnectionLeavesTheOriginal(t *testing.T) {
	nic := &types.VirtualVmxnet3{}
	nic.Connectable = &types.VirtualDeviceConnectInfo{Connected: true}
	disk := &types.VirtualDisk{}
	devices := []types.BaseVirtualDevice{disk, nic, &types.VirtualE1000{}}
	copied := WithConnection(devices, false)
	if !nic.Connectable.Connected || copied[0] != devices[0] {
		t.Error("the original was changed, or what is no NIC was copied")
	}
	for _, device := range copied[1:] {
		if info := device.GetVirtualDevice().Connectable; info == nil || info.Connected {
			t.Errorf("%T is %+v", device, info)
		}
	}
}
