package main

import (
	"context"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const refreshTimeout = 10 * time.Second

// guestView is what can be seen of a guest from outside.
type guestView struct {
	power   types.VirtualMachinePowerState
	address string
	prefix  int32
	host    string
}

// differs tells whether a power operation may lie between two views.
func (v guestView) differs(other guestView) bool {
	return v.power != other.power || v.address != other.address
}

// viewOf is what the VM says of its guest.
func viewOf(vm *mo.VirtualMachine) guestView {
	view := guestView{power: vm.Runtime.PowerState, host: vm.Guest.HostName}
	if view.power == types.VirtualMachinePowerStatePoweredOn {
		view.address, view.prefix = vm.Guest.IpAddress, firstPrefix(vm.Guest.Net)
	}
	return view
}

// lookAtContainer is what the container engine says of the guest, now.
func lookAtContainer(vm *mo.VirtualMachine) (guestView, error) {
	ctx, cancel := context.WithTimeout(context.Background(), refreshTimeout)
	defer cancel()
	state, err := inspectContainer(ctx, containerName(vm))
	if err != nil {
		return guestView{}, err
	}
	view := guestView{power: types.VirtualMachinePowerStatePoweredOff, host: state.Config.Hostname}
	switch {
	case state.State.Paused:
		view.power = types.VirtualMachinePowerStateSuspended
	case state.State.Running:
		view.power = types.VirtualMachinePowerStatePoweredOn
		view.address, view.prefix = state.address()
	}
	return view, nil
}

// publish tells watchers the leaf properties of a VM with a container.
//
// GuestNicInfo.deviceConfigId: "Link to the corresponding virtual device", the
// device's key; macAddress is that device's too.
func (o *observer) publish(ctx *simulator.Context, vm *mo.VirtualMachine, view guestView) {
	o.note(vm.Self, func(record *guestRecord) { record.seen, record.view = true, view })
	tools := string(toolsState(view.power))
	changes := []types.PropertyChange{
		{Name: "config.annotation", Val: vm.Config.Annotation},
		{Name: "guest.ipAddress", Val: view.address},
		{Name: "guest.net", Val: guestNet(vm, view.address, view.prefix)},
		{Name: "guest.hostName", Val: view.host},
		{Name: "guest.toolsRunningStatus", Val: tools},
		{Name: "guest.guestOperationsReady", Val: view.power == types.VirtualMachinePowerStatePoweredOn},
		{Name: "summary.guest.ipAddress", Val: view.address},
		{Name: "summary.guest.hostName", Val: view.host},
		{Name: "summary.guest.toolsRunningStatus", Val: tools},
	}
	for i := range changes {
		if text, ok := changes[i].Val.(string); ok && text == "" {
			changes[i].Val = nil // unset, as a guest that has not said it
		}
	}
	ctx.Update(vm, changes)
}

// refreshGuest reads a container's address until it has one, for a few seconds.
// It keeps the VM to itself while it looks: no power operation comes between.
func (l *Lab) refreshGuest(ref types.ManagedObjectReference) {
	vm, ok := l.model.Map().Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	for deadline := time.Now().Add(refreshTimeout); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		ctx, finished := l.internalContext(), true
		ctx.WithLock(vm, func() {
			if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
				return
			}
			view, err := lookAtContainer(&vm.VirtualMachine)
			if err == nil && view.power == types.VirtualMachinePowerStatePoweredOn {
				l.observer.publish(ctx, &vm.VirtualMachine, view)
				finished = view.address != ""
			}
		})
		if finished {
			return
		}
	}
}

// guestNet is what the guest reports of its network: the VM's first NIC.
func guestNet(vm *mo.VirtualMachine, address string, prefix int32) []types.GuestNicInfo {
	card := firstNIC(vm)
	if card == nil {
		return nil
	}
	nic := types.GuestNicInfo{
		Network:        vm.Config.Name,
		MacAddress:     card.MacAddress,
		DeviceConfigId: card.Key,
		Connected:      address != "",
	}
	if info := card.DeviceInfo; info != nil {
		nic.Network = info.GetDescription().Summary
	}
	if address != "" {
		nic.IpAddress = []string{address}
		nic.IpConfig = &types.NetIpConfigInfo{IpAddress: []types.NetIpConfigInfoIpAddress{{
			IpAddress: address, PrefixLength: prefix, State: string(types.NetIpConfigInfoIpAddressStatusPreferred),
		}}}
	}
	return []types.GuestNicInfo{nic}
}

// firstPrefix is the prefix length of the first address.
func firstPrefix(nics []types.GuestNicInfo) int32 {
	for _, nic := range nics {
		if nic.IpConfig != nil && len(nic.IpConfig.IpAddress) != 0 {
			return nic.IpConfig.IpAddress[0].PrefixLength
		}
	}
	return 0
}

func firstNIC(vm *mo.VirtualMachine) *types.VirtualEthernetCard {
	for _, device := range vm.Config.Hardware.Device {
		if nic, ok := device.(types.BaseVirtualEthernetCard); ok {
			return nic.GetVirtualEthernetCard()
		}
	}
	return nil
}

func toolsState(power types.VirtualMachinePowerState) types.VirtualMachineToolsRunningStatus {
	if power == types.VirtualMachinePowerStatePoweredOn {
		return types.VirtualMachineToolsRunningStatusGuestToolsRunning
	}
	return types.VirtualMachineToolsRunningStatusGuestToolsNotRunning
}
