package main

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
	// mostUpdates is how many objects one reply tells of. WaitOptions.maxObjectUpdates:
	// "PropertyCollector policy may still limit the total count to something less".
	mostUpdates = 100
	// gathering is how long a waiting client's news may grow before it is told.
	gathering = 20 * time.Millisecond
)

// collector is a property collector that tells what is different from what it
// told before, by reading once what its filters select.
//
// The simulator's own follows changes one by one. It reads everything again for
// each, so that one who writes all the time keeps a reader from ever ending; it
// tells of every object anew when one comes; and it stops for good when a view
// changes meanwhile: whoever adds a VM holds the folder, the VM and the view
// when it wants to tell the filter, and the collector holds the filter when it
// wants to read those three.
//
// Here a wait holds no lock that a change asks for, see news.
type collector struct {
	simulator.PropertyCollector
	news news

	telling sync.Mutex // one calculation at a time
	told    map[types.ManagedObjectReference]told
	pending *types.UpdateSet
	version int
}

// told is what a filter's client knows, by object.
type told map[types.ManagedObjectReference]types.ObjectContent

// useCollectors has all sessions' collectors be of ours.
func useCollectors(registry *simulator.Registry, content types.ServiceContent) {
	main := new(collector)
	main.Self = content.PropertyCollector
	registry.Put(main) // each session makes itself one of this type
}

// CreatePropertyCollector makes one more of these.
func (c *collector) CreatePropertyCollector(ctx *simulator.Context, _ *types.CreatePropertyCollector) soap.HasFault {
	more := new(collector)
	more.Self.Type = c.Self.Type
	return &methods.CreatePropertyCollectorBody{Res: &types.CreatePropertyCollectorResponse{
		Returnval: ctx.Session.Put(more).Reference(),
	}}
}

// DestroyPropertyCollector also ends a wait.
func (c *collector) DestroyPropertyCollector(ctx *simulator.Context, r *types.DestroyPropertyCollector) soap.HasFault {
	c.news.cancel()
	return c.PropertyCollector.DestroyPropertyCollector(ctx, r)
}

// CreateFilter may be called while a wait goes on, which then tells of it.
func (c *collector) CreateFilter(ctx *simulator.Context, r *types.CreateFilter) soap.HasFault {
	defer c.news.mark()
	return c.PropertyCollector.CreateFilter(ctx, r)
}

// CancelWaitForUpdates ends the waits that go on.
func (c *collector) CancelWaitForUpdates(*types.CancelWaitForUpdates) soap.HasFault {
	c.news.cancel()
	return &methods.CancelWaitForUpdatesBody{Res: new(types.CancelWaitForUpdatesResponse)}
}

// CheckForUpdates does not wait, and tells everything in one reply: "UpdateSet.truncated
// will never be true" in what it and WaitForUpdates return.
func (c *collector) CheckForUpdates(ctx *simulator.Context, r *types.CheckForUpdates) soap.HasFault {
	set, fault := c.wait(ctx, r.Version, math.MaxInt, past())
	if fault != nil {
		return &methods.CheckForUpdatesBody{Fault_: simulator.Fault("", fault)}
	}
	return &methods.CheckForUpdatesBody{Res: &types.CheckForUpdatesResponse{Returnval: set}}
}

// WaitForUpdates is WaitForUpdatesEx without options and pages.
func (c *collector) WaitForUpdates(ctx *simulator.Context, r *types.WaitForUpdates) soap.HasFault {
	body := new(methods.WaitForUpdatesBody)
	switch set, fault := c.wait(ctx, r.Version, math.MaxInt, nil); {
	case fault != nil:
		body.Fault_ = simulator.Fault("", fault)
	case set != nil:
		body.Res = &types.WaitForUpdatesResponse{Returnval: *set}
	}
	return body
}

// WaitForUpdatesEx tells all that is there when the version is empty, and then
// what has changed.
func (c *collector) WaitForUpdatesEx(ctx *simulator.Context, r *types.WaitForUpdatesEx) soap.HasFault {
	most, timeout := limits(r.Options)
	set, fault := c.wait(ctx, r.Version, most, timeout)
	if fault != nil {
		return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault("", fault)}
	}
	return &methods.WaitForUpdatesExBody{Res: &types.WaitForUpdatesExResponse{Returnval: set}}
}

// wait is one call: version "" is told everything at once.
func (c *collector) wait(
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
		changed, cancelled := c.news.signals()
		select {
		case <-timeout:
			return nil, nil
		default:
		}
		select {
		case <-changed:
			time.Sleep(gathering)
		case <-cancelled:
			return nil, new(types.RequestCanceled)
		case <-timeout:
			return nil, nil
		}
	}
}

// limits are the most objects that a reply may tell of, and what ends the wait.
func limits(options *types.WaitOptions) (most int, timeout <-chan time.Time) {
	most = mostUpdates
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

// restart forgets what was told, and follows what changes from now on.
func (c *collector) restart(ctx *simulator.Context) {
	c.telling.Lock()
	c.told, c.pending = map[types.ManagedObjectReference]told{}, nil
	c.telling.Unlock()
	ctx.Map.AddHandler(c)
	c.news.mark()
}

// calculate is the next page of what is not told yet, nil if there is nothing.
//
// With orEmpty there is a page in any case: the first reply has a version.
func (c *collector) calculate(ctx *simulator.Context, most int, orEmpty bool) (*types.UpdateSet, types.BaseMethodFault) {
	c.telling.Lock()
	defer c.telling.Unlock()
	set := c.pending
	if set == nil && c.news.take() {
		set = new(types.UpdateSet)
		if fault := c.compare(ctx, set); fault != nil {
			c.news.mark()
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

// compare reads what the filters select, and adds what is different.
func (c *collector) compare(ctx *simulator.Context, set *types.UpdateSet) types.BaseMethodFault {
	known := map[types.ManagedObjectReference]told{}
	var specs []types.PropertyFilterSpec
	for _, ref := range c.Filter {
		if filter, ok := ctx.Session.Get(ref).(*simulator.PropertyFilter); ok {
			known[ref] = c.told[ref]
			specs = append(specs, filter.Spec)
		}
	}
	c.told = known
	c.news.follow(specs) // before they are read: what changes meanwhile is news again
	for _, ref := range c.Filter {
		filter, ok := ctx.Session.Get(ref).(*simulator.PropertyFilter)
		if !ok {
			continue
		}
		now, order, fault := c.read(ctx, filter.Spec)
		if fault != nil {
			return fault
		}
		if objects := differences(known[ref], now, order); len(objects) != 0 {
			set.FilterSet = append(set.FilterSet, types.PropertyFilterUpdate{Filter: ref, ObjectSet: objects})
		}
		known[ref] = now
	}
	return nil
}

// read is what a filter selects, as it is now.
func (c *collector) read(
	ctx *simulator.Context, spec types.PropertyFilterSpec,
) (told, []types.ManagedObjectReference, types.BaseMethodFault) {
	request := &types.RetrievePropertiesEx{This: c.Self, SpecSet: []types.PropertyFilterSpec{spec}}
	body := c.RetrievePropertiesEx(ctx, request).(*methods.RetrievePropertiesExBody)
	if body.Fault_ != nil {
		return nil, nil, body.Fault_.VimFault().(types.BaseMethodFault)
	}
	now := told{}
	var order []types.ManagedObjectReference
	for _, object := range body.Res.Returnval.Objects {
		now[object.Obj] = object
		order = append(order, object.Obj)
	}
	return now, order, nil
}

// PutObject is news when a filter may select the object.
func (c *collector) PutObject(_ *simulator.Context, object mo.Reference) {
	c.news.note(object.Reference())
}

// UpdateObject is news likewise. So is the end of a task: the simulator does not
// tell of everything that it changes.
func (c *collector) UpdateObject(_ *simulator.Context, object mo.Reference, _ []types.PropertyChange) {
	if task, ok := object.(*mo.Task); ok && (task.Info.State == types.TaskInfoStateSuccess ||
		task.Info.State == types.TaskInfoStateError) {
		c.news.mark()
		return
	}
	c.news.note(object.Reference())
}

// RemoveObject is news likewise.
func (c *collector) RemoveObject(_ *simulator.Context, ref types.ManagedObjectReference) {
	c.news.note(ref)
}
