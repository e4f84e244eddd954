// Package guest keeps what vCenter says of a guest in line with the machine behind it.
package guest

import (
	"context"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/guard"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/machine/container"
)

const refreshTimeout = 10 * time.Second

// Guests are the guests of VMs with a container, and what was last true of each.
type Guests struct {
	engine     *container.Engine
	newContext inventory.NewContext

	mu      sync.Mutex
	records map[types.ManagedObjectReference]record
}

// record is what was last true of a VM with a container.
type record struct {
	annotation string
	mac        string
	isKnown    bool // the container was started before
	view       view
}

// New is without any guest.
func New(engine *container.Engine, newContext inventory.NewContext) *Guests {
	return &Guests{engine: engine, newContext: newContext, records: map[types.ManagedObjectReference]record{}}
}

// Forget removes what is known of a VM's guest.
func (g *Guests) Forget(ref types.ManagedObjectReference) {
	g.mu.Lock()
	delete(g.records, ref)
	g.mu.Unlock()
}

// view is what can be seen of a guest from outside.
type view struct {
	power   types.VirtualMachinePowerState
	address string
	prefix  int32
	host    string
}

// differs reports whether a power operation may lie between two views.
func (v view) differs(other view) bool {
	return v.power != other.power || v.address != other.address
}

// viewOf is the guest's view by the VM's properties.
func viewOf(vm *mo.VirtualMachine) view {
	seen := view{power: vm.Runtime.PowerState, host: vm.Guest.HostName}
	if seen.power == types.VirtualMachinePowerStatePoweredOn {
		seen.address, seen.prefix = vm.Guest.IpAddress, firstPrefix(vm.Guest.Net)
	}
	return seen
}

// inspect is the guest's view by its machine, now.
func (g *Guests) inspect(vm *mo.VirtualMachine) (view, error) {
	ctx, cancel := context.WithTimeout(context.Background(), refreshTimeout)
	defer cancel()
	state, err := g.engine.Machine(container.NameOf(vm)).Inspect(ctx)
	if err != nil {
		return view{}, err
	}
	now := view{power: types.VirtualMachinePowerStatePoweredOff, host: state.HostName}
	switch {
	case state.Paused:
		now.power = types.VirtualMachinePowerStateSuspended
	case state.Running:
		now.power = types.VirtualMachinePowerStatePoweredOn
		now.address, now.prefix = state.Network.Address, state.Network.Prefix
	}
	return now, nil
}

// Update repairs a VM with a container that the simulator has just changed. The caller
// holds the VM's lock.
func (g *Guests) Update(ctx *simulator.Context, vm *mo.VirtualMachine, changes []types.PropertyChange) {
	for _, change := range changes {
		switch change.Name {
		case "guest", "config", "summary", "runtime":
			g.repair(ctx, vm)
			return
		case "runtime.powerState":
			g.power(ctx, vm)
			return
		}
	}
	g.note(vm.Self, func(record *record) {
		record.annotation = vm.Config.Annotation
		if card := inventory.FirstNIC(vm); card != nil {
			record.mac = card.MacAddress
		}
	})
}

// publish sets the leaf properties of a VM with a container, which notifies watchers.
//
// GuestNicInfo.deviceConfigId: "Link to the corresponding virtual device", the
// device's key; macAddress is that device's too.
func (g *Guests) publish(ctx *simulator.Context, vm *mo.VirtualMachine, now view) {
	g.note(vm.Self, func(record *record) { record.isKnown, record.view = true, now })
	tools := string(toolsState(now.power))
	changes := []types.PropertyChange{
		{Name: "config.annotation", Val: vm.Config.Annotation},
		{Name: "guest.ipAddress", Val: now.address},
		{Name: "guest.net", Val: GuestNet(vm, now.address, now.prefix)},
		{Name: "guest.hostName", Val: now.host},
		{Name: "guest.toolsRunningStatus", Val: tools},
		{Name: "guest.guestOperationsReady", Val: now.power == types.VirtualMachinePowerStatePoweredOn},
		{Name: "summary.guest.ipAddress", Val: now.address},
		{Name: "summary.guest.hostName", Val: now.host},
		{Name: "summary.guest.toolsRunningStatus", Val: tools},
	}
	for i := range changes {
		if text, ok := changes[i].Val.(string); ok && text == "" {
			changes[i].Val = nil // unset, as a guest that has not said it
		}
	}
	ctx.Update(vm, changes)
}

// Refresh reads a container's address until it has one, for a few seconds. It holds
// the VM's lock while it looks: no power operation comes between.
func (g *Guests) Refresh(ref types.ManagedObjectReference) {
	vm, ok := g.newContext().Map.Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	for deadline := time.Now().Add(refreshTimeout); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		ctx, finished := g.newContext(), true
		ctx.WithLock(vm, func() {
			if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
				return
			}
			now, err := g.inspect(&vm.VirtualMachine)
			if err == nil && now.power == types.VirtualMachinePowerStatePoweredOn {
				g.publish(ctx, &vm.VirtualMachine, now)
				finished = now.address != ""
			}
		})
		if finished {
			return
		}
	}
}

// GuestNet is what the guest reports of its network: the VM's first NIC.
func GuestNet(vm *mo.VirtualMachine, address string, prefix int32) []types.GuestNicInfo {
	card := inventory.FirstNIC(vm)
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

// note changes what is known about a VM, and returns that.
func (g *Guests) note(ref types.ManagedObjectReference, change func(*record)) record {
	g.mu.Lock()
	defer g.mu.Unlock()
	known := g.records[ref]
	change(&known)
	g.records[ref] = known
	return known
}

// repair undoes what the simulator does to a VM when it looks at its
// container: it replaces the annotation and the NIC's address, numbers the
// NICs from 0, and notifies watchers only that "guest" as a whole has changed.
//
// It also looks before it holds the VM's lock, so that what it saw may be from
// before a power operation: where that differs, the container is inspected again.
func (g *Guests) repair(ctx *simulator.Context, vm *mo.VirtualMachine) {
	known := g.note(vm.Self, func(*record) {})
	vm.Config.Annotation = known.annotation
	if card := inventory.FirstNIC(vm); card != nil && known.mac != "" {
		card.MacAddress = known.mac
	}
	seen := viewOf(vm)
	if known.isKnown && seen.differs(known.view) {
		if now, err := g.inspect(vm); err == nil {
			seen = now
		}
	}
	vm.Runtime.PowerState = seen.power
	g.publish(ctx, vm, seen)
	ctx.Update(vm, []types.PropertyChange{
		{Name: "runtime.powerState", Val: seen.power},
		{Name: "summary.runtime.powerState", Val: seen.power},
	})
}

// power clears what a guest that is off cannot know, and reads the address of one
// that was started again: the simulator would take ten seconds.
func (g *Guests) power(ctx *simulator.Context, vm *mo.VirtualMachine) {
	seen := viewOf(vm)
	g.publish(ctx, vm, seen)
	if seen.power == types.VirtualMachinePowerStatePoweredOn && seen.address == "" {
		ref := vm.Self
		go guard.Run("a look at a guest", func() { g.Refresh(ref) })
	}
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

func toolsState(power types.VirtualMachinePowerState) types.VirtualMachineToolsRunningStatus {
	if power == types.VirtualMachinePowerStatePoweredOn {
		return types.VirtualMachineToolsRunningStatusGuestToolsRunning
	}
	return types.VirtualMachineToolsRunningStatusGuestToolsNotRunning
}
