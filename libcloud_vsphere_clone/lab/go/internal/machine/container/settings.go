package container

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/inventory"
)

const (
	// SettingKey is the extraConfig key by which the simulator runs a container behind a VM.
	SettingKey = simulator.ContainerBackingOptionKey
	// MountDMIKey is the one by which it makes a volume with the machine's identity.
	MountDMIKey = "RUN.mountdmi"
)

// plainWord is what may stand in a container command, which the simulator hands to a
// shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]*$`)

// IsPlainWord reports whether a word may stand in a container command.
func IsPlainWord(word string) bool {
	return plainWord.MatchString(word)
}

// shellSafe is text that a shell takes as it is. The simulator builds its
// container commands without quoting.
var shellSafe = regexp.MustCompile(`^[\pL\pN\pM _./:=+@%,()-]*$`)

// Command is what the simulator runs behind a VM; "" for none.
func Command(vm *simulator.VirtualMachine) string {
	if vm.Config == nil {
		return ""
	}
	return inventory.OptionText(vm.Config.ExtraConfig, SettingKey)
}

// CheckShellSafe refuses, for a VM with a container, names and guestinfo values
// that a shell would take for commands. Real vCenter takes them.
func CheckShellSafe(name string, options []types.BaseOptionValue) types.BaseMethodFault {
	if !shellSafe.MatchString(name) {
		return &types.InvalidName{Name: name}
	}
	for _, option := range options {
		value := option.GetOptionValue()
		text, isText := value.Value.(string)
		if strings.HasPrefix(value.Key, "guestinfo.") && (!isText || !plainValue.MatchString(text)) {
			return &types.InvalidArgument{InvalidProperty: "extraConfig[" + value.Key + "] (a lab with guests takes base64 there)"}
		}
	}
	return nil
}

// plainValue is a guestinfo value of one word, as base64 text is, or the space
// that cloud-init leaves where it cleared one.
var plainValue = regexp.MustCompile(`^(?:[A-Za-z0-9_./:=+@%,-]*| )$`)

// Name is that of a VM's container.
func (e *Engine) Name(instanceUUID string) string {
	return fmt.Sprintf("vsphere-lab-%s-%s", e.id, instanceUUID)
}

// Settings are a clone's extraConfig with a container of its own: two labs, or two VMs
// with names that no container may have, do not meet.
//
// Of the source's command only the image remains, its last word; mounts are options
// for folders that the guest sees.
func (e *Engine) Settings(name, instanceUUID, command, mounts string, options []types.BaseOptionValue) []types.BaseOptionValue {
	fields := strings.Fields(command)
	image := fields[len(fields)-1]
	run := fmt.Sprintf("--pull never --name %s --hostname %s %s %s",
		e.Name(instanceUUID), hostName(name, options), mounts, image)
	kept := options[:0:0]
	for _, option := range options {
		if option.GetOptionValue().Key != SettingKey {
			kept = append(kept, option)
		}
	}
	return append(kept, &types.OptionValue{Key: SettingKey, Value: run})
}

// NameOf is the name of a VM's container; "" when it has none.
func NameOf(vm *mo.VirtualMachine) string {
	fields := strings.Fields(inventory.OptionText(vm.Config.ExtraConfig, SettingKey))
	if i := slices.Index(fields, "--name"); i >= 0 && i+1 < len(fields) {
		return fields[i+1]
	}
	return ""
}

// localHostName is the line of cloud-init metadata, YAML or JSON, that names the host.
var localHostName = regexp.MustCompile(`(?m)["']?local-hostname["']?\s*:\s*["']?([A-Za-z0-9.-]+)`)

var notHostName = regexp.MustCompile(`[^a-z0-9-]+`)

// hostName is what the guest will call itself: what its cloud-init data says,
// or else what can be made of the VM's name.
func hostName(name string, options []types.BaseOptionValue) string {
	text, err := base64.StdEncoding.DecodeString(inventory.OptionText(options, "guestinfo.metadata"))
	if err == nil {
		if found := localHostName.FindSubmatch(text); found != nil && len(found[1]) <= 63 && plainWord.Match(found[1]) {
			return string(found[1])
		}
	}
	host := strings.Trim(notHostName.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if len(host) > 63 {
		host = strings.TrimRight(host[:63], "-")
	}
	if host == "" {
		return "localhost"
	}
	return host
}
