package inventory

import (
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// DecodeChanges are an object's property changes from JSON values by path:
// {"runtime.connectionState": "orphaned"}; null unsets a property.
func DecodeChanges(object mo.Entity, values map[string]json.RawMessage) ([]types.PropertyChange, error) {
	var changes []types.PropertyChange
	for path, text := range values {
		value, err := decodeProperty(managedType(object), path, text)
		if err != nil {
			return nil, err
		}
		changes = append(changes, types.PropertyChange{Name: path, Val: value})
	}
	return changes, nil
}

// managedType is the object's type in package mo, which has its properties.
func managedType(object mo.Entity) reflect.Type {
	kind := reflect.TypeOf(object).Elem()
	for path.Base(kind.PkgPath()) != "mo" {
		kind = kind.Field(0).Type // the simulator's types embed them first
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
	}
	return kind
}

// decodeProperty is a JSON value as the type that the property has; null unsets it.
func decodeProperty(object reflect.Type, path string, text json.RawMessage) (any, error) {
	kind := object
	for _, name := range strings.Split(path, ".") {
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		field, ok := reflect.StructField{}, false
		if kind.Kind() == reflect.Struct && name != "" {
			field, ok = kind.FieldByName(strings.ToUpper(name[:1]) + name[1:])
		}
		if !ok {
			return nil, fmt.Errorf("%s has no property %q", object.Name(), path)
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
