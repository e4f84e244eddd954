package collector

import (
	"reflect"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// compare reads what the filters select, and adds what is different.
func (c *Collector) compare(ctx *simulator.Context, set *types.UpdateSet) types.BaseMethodFault {
	known := map[types.ManagedObjectReference]sentState{}
	var specs []types.PropertyFilterSpec
	for _, ref := range c.Filter {
		if filter, ok := ctx.Session.Get(ref).(*simulator.PropertyFilter); ok {
			known[ref] = c.sent[ref]
			specs = append(specs, filter.Spec)
		}
	}
	c.sent = known
	c.signal.follow(specs) // before they are read: what changes meanwhile sets the signal again
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
func (c *Collector) read(
	ctx *simulator.Context, spec types.PropertyFilterSpec,
) (sentState, []types.ManagedObjectReference, types.BaseMethodFault) {
	request := &types.RetrievePropertiesEx{This: c.Self, SpecSet: []types.PropertyFilterSpec{spec}}
	body := c.RetrievePropertiesEx(ctx, request).(*methods.RetrievePropertiesExBody)
	if body.Fault_ != nil {
		return nil, nil, body.Fault_.VimFault().(types.BaseMethodFault)
	}
	now := sentState{}
	var order []types.ManagedObjectReference
	for _, object := range body.Res.Returnval.Objects {
		now[object.Obj] = object
		order = append(order, object.Obj)
	}
	return now, order, nil
}

// differences are the updates that lead from one state to another.
func differences(before, now sentState, order []types.ManagedObjectReference) []types.ObjectUpdate {
	var updates []types.ObjectUpdate
	for _, ref := range order {
		old, isKnown := before[ref]
		update := types.ObjectUpdate{Obj: ref, Kind: types.ObjectUpdateKindEnter}
		if isKnown {
			update.Kind = types.ObjectUpdateKindModify
		}
		update.ChangeSet = changes(old.PropSet, now[ref].PropSet)
		if !reflect.DeepEqual(old.MissingSet, now[ref].MissingSet) {
			update.MissingSet = now[ref].MissingSet
		}
		if !isKnown || len(update.ChangeSet)+len(update.MissingSet) != 0 {
			updates = append(updates, update)
		}
	}
	for ref := range before {
		if _, ok := now[ref]; !ok {
			updates = append(updates, types.ObjectUpdate{Obj: ref, Kind: types.ObjectUpdateKindLeave})
		}
	}
	return updates
}

// changes are the properties that differ; one that is unset now comes without a value.
func changes(before, now []types.DynamicProperty) []types.PropertyChange {
	old := map[string]types.AnyType{}
	for _, property := range before {
		old[property.Name] = property.Val
	}
	var changed []types.PropertyChange
	for _, property := range now {
		value, isKnown := old[property.Name]
		delete(old, property.Name)
		if !isKnown || !reflect.DeepEqual(value, property.Val) {
			changed = append(changed, types.PropertyChange{
				Name: property.Name, Op: types.PropertyChangeOpAssign, Val: property.Val,
			})
		}
	}
	for name := range old {
		changed = append(changed, types.PropertyChange{Name: name, Op: types.PropertyChangeOpAssign})
	}
	return changed
}

// cut leaves at most so many objects in the set, and returns the rest, nil if there is none.
func cut(set *types.UpdateSet, most int) *types.UpdateSet {
	set.Truncated = nil
	for i := range set.FilterSet {
		part := &set.FilterSet[i]
		if len(part.ObjectSet) <= most {
			most -= len(part.ObjectSet)
			continue
		}
		rest := &types.UpdateSet{FilterSet: []types.PropertyFilterUpdate{
			{Filter: part.Filter, ObjectSet: part.ObjectSet[most:]},
		}}
		rest.FilterSet = append(rest.FilterSet, set.FilterSet[i+1:]...)
		part.ObjectSet = part.ObjectSet[:most]
		set.FilterSet = set.FilterSet[:i+1]
		set.Truncated = types.NewBool(true)
		return rest
	}
	return nil
}
