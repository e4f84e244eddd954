// Package collector is a property collector to replace the simulator's.
package collector

import (
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// maxUpdates is how many objects one reply has at most. WaitOptions.maxObjectUpdates:
	// "PropertyCollector policy may still limit the total count to something less".
	maxUpdates = 100
	// batchDelay is how long changes are collected before a waiting client gets them.
	batchDelay = 20 * time.Millisecond
)

// Collector is a property collector that sends the differences from what it
// sent before, by reading once what its filters select.
//
// The simulator's own follows changes one by one. It reads everything again for
// each, so that a client that writes all the time keeps a reader from ever ending;
// it sends every object anew when one comes; and it deadlocks when a view changes
// meanwhile: the call that adds a VM holds the folder, the VM and the view when it
// wants to notify the filter, and the collector holds the filter when it wants to
// read those three.
//
// Here a wait holds no lock that a change asks for, see changeSignal.
type Collector struct {
	simulator.PropertyCollector
	signal changeSignal

	calculating sync.Mutex // one calculation at a time
	sent        map[types.ManagedObjectReference]sentState
	pending     *types.UpdateSet
	version     int
}

// sentState is what a filter's client has been sent, by object.
type sentState map[types.ManagedObjectReference]types.ObjectContent

// Use makes the collectors of all sessions ones of this type.
func Use(registry *simulator.Registry, content types.ServiceContent) {
	main := new(Collector)
	main.Self = content.PropertyCollector
	registry.Put(main) // each session makes itself one of this type
}

// CreatePropertyCollector makes one more of these.
func (c *Collector) CreatePropertyCollector(ctx *simulator.Context, _ *types.CreatePropertyCollector) soap.HasFault {
	more := new(Collector)
	more.Self.Type = c.Self.Type
	return &methods.CreatePropertyCollectorBody{Res: &types.CreatePropertyCollectorResponse{
		Returnval: ctx.Session.Put(more).Reference(),
	}}
}

// DestroyPropertyCollector also ends a wait.
func (c *Collector) DestroyPropertyCollector(ctx *simulator.Context, r *types.DestroyPropertyCollector) soap.HasFault {
	c.signal.cancel()
	return c.PropertyCollector.DestroyPropertyCollector(ctx, r)
}

// CreateFilter may be called while a wait goes on, which then reports it.
func (c *Collector) CreateFilter(ctx *simulator.Context, r *types.CreateFilter) soap.HasFault {
	defer c.signal.mark()
	return c.PropertyCollector.CreateFilter(ctx, r)
}

// CancelWaitForUpdates ends the waits that go on.
func (c *Collector) CancelWaitForUpdates(*types.CancelWaitForUpdates) soap.HasFault {
	c.signal.cancel()
	return &methods.CancelWaitForUpdatesBody{Res: new(types.CancelWaitForUpdatesResponse)}
}

// CheckForUpdates does not wait, and sends everything in one reply: "UpdateSet.truncated
// will never be true" in what it and WaitForUpdates return.
func (c *Collector) CheckForUpdates(ctx *simulator.Context, r *types.CheckForUpdates) soap.HasFault {
	set, fault := c.wait(ctx, r.Version, math.MaxInt, past())
	if fault != nil {
		return &methods.CheckForUpdatesBody{Fault_: simulator.Fault("", fault)}
	}
	return &methods.CheckForUpdatesBody{Res: &types.CheckForUpdatesResponse{Returnval: set}}
}

// WaitForUpdates is WaitForUpdatesEx without options and pages.
func (c *Collector) WaitForUpdates(ctx *simulator.Context, r *types.WaitForUpdates) soap.HasFault {
	body := new(methods.WaitForUpdatesBody)
	switch set, fault := c.wait(ctx, r.Version, math.MaxInt, nil); {
	case fault != nil:
		body.Fault_ = simulator.Fault("", fault)
	case set != nil:
		body.Res = &types.WaitForUpdatesResponse{Returnval: *set}
	}
	return body
}

// WaitForUpdatesEx sends all that is there when the version is empty, and then
// what has changed.
func (c *Collector) WaitForUpdatesEx(ctx *simulator.Context, r *types.WaitForUpdatesEx) soap.HasFault {
	most, timeout := limits(r.Options)
	set, fault := c.wait(ctx, r.Version, most, timeout)
	if fault != nil {
		return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault("", fault)}
	}
	return &methods.WaitForUpdatesExBody{Res: &types.WaitForUpdatesExResponse{Returnval: set}}
}

// wait is one call: version "" gets everything at once.
func (c *Collector) wait(
	ctx *simulator.Context, version string, most int, timeout <-chan time.Time,
) (*types.UpdateSet, types.BaseMethodFault) {
	if version == "" {
		c.restart(ctx)
		return c.calculate(ctx, most, true)
	}
	for {
		set, fault := c.calculate(ctx, most, false)
		if fault != nil || set != nil {
			return set, fault
		}
		changed, cancelled := c.signal.signals()
		select {
		case <-timeout:
			return nil, nil
		default:
		}
		select {
		case <-changed:
			time.Sleep(batchDelay)
		case <-cancelled:
			return nil, new(types.RequestCanceled)
		case <-timeout:
			return nil, nil
		}
	}
}

// limits are the most objects that a reply may have, and what ends the wait.
func limits(options *types.WaitOptions) (most int, timeout <-chan time.Time) {
	most = maxUpdates
	if options == nil {
		return most, nil
	}
	if options.MaxObjectUpdates > 0 {
		most = min(most, int(options.MaxObjectUpdates))
	}
	switch seconds := options.MaxWaitSeconds; {
	case seconds == nil:
		return most, nil
	case *seconds == 0:
		return most, past()
	default:
		return most, time.After(time.Duration(*seconds) * time.Second)
	}
}

// past is a time that is over.
func past() <-chan time.Time {
	over := make(chan time.Time)
	close(over)
	return over
}

// restart forgets what was sent, and follows what changes from now on.
func (c *Collector) restart(ctx *simulator.Context) {
	c.calculating.Lock()
	c.sent, c.pending = map[types.ManagedObjectReference]sentState{}, nil
	c.calculating.Unlock()
	ctx.Map.AddHandler(c)
	c.signal.mark()
}

// calculate is the next page of what is not sent yet, nil if there is nothing.
//
// With orEmpty there is a page in any case: the first reply has a version.
func (c *Collector) calculate(ctx *simulator.Context, most int, orEmpty bool) (*types.UpdateSet, types.BaseMethodFault) {
	c.calculating.Lock()
	defer c.calculating.Unlock()
	set := c.pending
	if set == nil && c.signal.take() {
		set = new(types.UpdateSet)
		if fault := c.compare(ctx, set); fault != nil {
			c.signal.mark()
			return nil, fault
		}
	}
	if set == nil || len(set.FilterSet) == 0 && !orEmpty {
		return nil, nil
	}
	c.pending = cut(set, most)
	c.version++
	set.Version = strconv.Itoa(c.version)
	return set, nil
}

// Changed sets the signal when a filter may select the object.
func (c *Collector) Changed(ref types.ManagedObjectReference) {
	c.signal.note(ref)
}

// PutObject sets the signal for a new object.
func (c *Collector) PutObject(_ *simulator.Context, object mo.Reference) {
	c.signal.note(object.Reference())
}

// UpdateObject sets it likewise, and in any case for the end of a task: the
// simulator does not notify handlers of everything that it changes.
func (c *Collector) UpdateObject(_ *simulator.Context, object mo.Reference, _ []types.PropertyChange) {
	if task, ok := object.(*mo.Task); ok && (task.Info.State == types.TaskInfoStateSuccess ||
		task.Info.State == types.TaskInfoStateError) {
		c.signal.mark()
		return
	}
	c.signal.note(object.Reference())
}

// RemoveObject sets it likewise.
func (c *Collector) RemoveObject(_ *simulator.Context, ref types.ManagedObjectReference) {
	c.signal.note(ref)
}
