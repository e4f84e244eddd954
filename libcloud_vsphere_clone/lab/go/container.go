package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	mountDMIKey = "RUN.mountdmi"
	// containerLabel marks a container as a lab's; its value is the lab's id.
	containerLabel = "vsphere-lab"
	removeTimeout  = 60 * time.Second
)

// shellSafe is text that a shell takes as it is. The simulator builds its
// container commands without quoting.
var shellSafe = regexp.MustCompile(`^[\pL\pN\pM _./:=+@%,()-]*$`)

// containerCommand is what the simulator runs behind a VM; "" for none.
func containerCommand(vm *simulator.VirtualMachine) string {
	if vm.Config == nil {
		return ""
	}
	return optionText(vm.Config.ExtraConfig, simulator.ContainerBackingOptionKey)
}

// optionText is the text of one extraConfig key; "" when it is not there.
func optionText(options []types.BaseOptionValue, key string) string {
	for _, option := range options {
		if value := option.GetOptionValue(); value.Key == key {
			text, _ := value.Value.(string)
			return text
		}
	}
	return ""
}

// checkShellSafe refuses, for a VM with a container, names and guestinfo values
// that a shell would take for commands. Real vCenter takes them.
func checkShellSafe(name string, options []types.BaseOptionValue) types.BaseMethodFault {
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

// nameContainer gives a clone's container a name and a label of its own: two
// labs, or two VMs with names that no container may have, do not meet.
func (l *Lab) nameContainer(name, instanceUUID, command string, options []types.BaseOptionValue) []types.BaseOptionValue {
	fields := strings.Fields(command)
	image := fields[len(fields)-1] // a clone's clone: drop its source's options
	run := fmt.Sprintf("--pull never --name %s --label %s=%s --hostname %s %s %s",
		l.newContainerName(instanceUUID), containerLabel, l.labelValue(), hostName(name, options), l.channels.options(instanceUUID), image)
	kept := options[:0:0]
	for _, option := range options {
		if option.GetOptionValue().Key != simulator.ContainerBackingOptionKey {
			kept = append(kept, option)
		}
	}
	return append(kept, &types.OptionValue{Key: simulator.ContainerBackingOptionKey, Value: run})
}

// labelValue is the lab's id, or its port where it has none.
func (l *Lab) labelValue() string {
	if l.config.LabID != "" {
		return l.config.LabID
	}
	return "port-" + l.URL().Port()
}

func (l *Lab) newContainerName(instanceUUID string) string {
	return fmt.Sprintf("vsphere-lab-%s-%s", l.labelValue(), instanceUUID)
}

// containerName is the name that nameContainer gave to a VM's container.
func containerName(vm *mo.VirtualMachine) string {
	fields := strings.Fields(optionText(vm.Config.ExtraConfig, simulator.ContainerBackingOptionKey))
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
	text, err := base64.StdEncoding.DecodeString(optionText(options, "guestinfo.metadata"))
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

// containerState is what `docker inspect` says that concerns a VM.
type containerState struct {
	Config struct{ Hostname string }
	State  struct{ Running, Paused bool }

	NetworkSettings struct {
		IPAddress   string
		IPPrefixLen int32
		Networks    map[string]struct {
			IPAddress   string
			IPPrefixLen int32
		}
	}
}

// address is the container's first IPv4 address and the length of its prefix.
func (s containerState) address() (string, int32) {
	for _, network := range s.NetworkSettings.Networks {
		if network.IPAddress != "" {
			return network.IPAddress, network.IPPrefixLen
		}
	}
	return s.NetworkSettings.IPAddress, s.NetworkSettings.IPPrefixLen
}

// inspectContainer asks the engine about one container.
func inspectContainer(ctx context.Context, name string) (containerState, error) {
	out, err := exec.CommandContext(ctx, "docker", "inspect", name).Output()
	if err != nil {
		return containerState{}, err
	}
	var states []containerState
	if err := json.Unmarshal(out, &states); err != nil || len(states) != 1 {
		return containerState{}, fmt.Errorf("docker inspect %s: %d containers, %w", name, len(states), err)
	}
	return states[0], nil
}

// removeContainers removes whatever container carries this lab's label, in one command.
func (l *Lab) removeContainers(ctx context.Context) error {
	if l.config.ESXi || !l.config.Guests || l.listener == nil {
		return nil
	}
	if _, err := exec.LookPath("docker"); err != nil {
		return nil // then none was ever started
	}
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	filter := "label=" + containerLabel + "=" + l.labelValue()
	out, err := exec.CommandContext(ctx, "docker", "ps", "-aq", "--filter", filter).Output()
	ids := strings.Fields(string(bytes.TrimSpace(out)))
	if err != nil || len(ids) == 0 {
		return nil // no engine answers, so there is nothing of ours in it
	}
	if out, err = exec.CommandContext(ctx, "docker", append([]string{"rm", "-f", "-v"}, ids...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("docker rm: %w: %s", err, out)
	}
	return nil
}
