package collector

import (
	"reflect"

	"github.com/vmware/govmomi/vim25/types"
)

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
