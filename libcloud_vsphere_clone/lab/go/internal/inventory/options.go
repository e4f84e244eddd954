package inventory

import "github.com/vmware/govmomi/vim25/types"

// OptionText is the text of one extraConfig key; "" when it is not there.
func OptionText(options []types.BaseOptionValue, key string) string {
	for _, option := range options {
		if value := option.GetOptionValue(); value.Key == key {
			text, _ := value.Value.(string)
			return text
		}
	}
	return ""
}

// MergeOptions is a clone's extraConfig: its source's keys, changed by the spec's.
//
// VirtualMachineConfigSpec.extraConfig: "This describes a set of modifications
// to the additional options. If the key is already present, it will be reset
// with the new value provided. Otherwise, a new option is added. Keys with empty
// values will be removed." A clone has its source's options to begin with.
func MergeOptions(source, spec []types.BaseOptionValue) []types.BaseOptionValue {
	var merged []types.BaseOptionValue
	given := map[string]bool{}
	for _, option := range spec {
		value := option.GetOptionValue()
		given[value.Key] = true
		if value.Value != "" {
			merged = append(merged, option)
		}
	}
	for _, option := range source {
		value := *option.GetOptionValue()
		if !given[value.Key] {
			merged = append(merged, &value)
		}
	}
	return merged
}
