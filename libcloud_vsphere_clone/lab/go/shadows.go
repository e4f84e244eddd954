package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// shadows are VMs that clients see without their config, as vCenter shows a VM
// that is orphaned, inaccessible or still being cloned. The simulator itself
// goes on working with the whole VM: it would not survive one without a config.
type shadows struct {
	registry *simulator.Registry

	mu   sync.Mutex
	refs map[types.ManagedObjectReference]bool // true: hidden; false: was hidden
}

func newShadows(registry *simulator.Registry) *shadows {
	return &shadows{registry: registry, refs: map[types.ManagedObjectReference]bool{}}
}

// set hides or shows a VM's config.
func (s *shadows) set(ref types.ManagedObjectReference, hidden bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs[ref] = hidden
}

// show puts the shadows into a session, whose own objects a client sees first.
func (s *shadows) show(session *simulator.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ref, hidden := range s.refs {
		vm, ok := s.registry.Get(ref).(*simulator.VirtualMachine)
		if hidden && ok {
			session.Registry.Put(shadowOf(vm))
		} else if session.Registry.Get(ref) != nil {
			session.Registry.Remove(new(simulator.Context), ref)
		}
	}
}

func shadowOf(vm *simulator.VirtualMachine) *simulator.VirtualMachine {
	shadow := *vm
	shadow.Config = nil
	shadow.Capability = types.VirtualMachineCapability{}
	shadow.Layout, shadow.LayoutEx, shadow.Storage = nil, nil, nil
	return &shadow
}

// setProperties changes a VM's properties: {"runtime.connectionState": "orphaned"}.
func (l *Lab) setProperties(vm *simulator.VirtualMachine, values map[string]json.RawMessage) error {
	var changes []types.PropertyChange
	for path, text := range values {
		value, err := decodeProperty(reflect.TypeOf(mo.VirtualMachine{}), path, text)
		if err != nil {
			return err
		}
		changes = append(changes, types.PropertyChange{Name: path, Val: value})
	}
	ctx := l.internalContext()
	ctx.WithLock(vm, func() { ctx.Update(vm, changes) })
	return nil
}

// decodeProperty is a JSON value as the type that the property has; null unsets it.
func decodeProperty(kind reflect.Type, path string, text json.RawMessage) (any, error) {
	for _, name := range strings.Split(path, ".") {
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		field, ok := reflect.StructField{}, false
		if kind.Kind() == reflect.Struct && name != "" {
			field, ok = kind.FieldByName(strings.ToUpper(name[:1]) + name[1:])
		}
		if !ok {
			return nil, fmt.Errorf("a virtual machine has no property %q", path)
		}
		kind = field.Type
	}
	if string(text) == "null" {
		return nil, nil
	}
	value := reflect.New(kind)
	if err := json.Unmarshal(text, value.Interface()); err != nil {
		return nil, fmt.Errorf("property %q: %w", path, err)
	}
	if kind.Kind() == reflect.Pointer {
		return value.Elem().Elem().Interface(), nil
	}
	return value.Elem().Interface(), nil
}
