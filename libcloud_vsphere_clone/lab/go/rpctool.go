package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// guestChannelDir is where a guest finds its end of the channel.
	guestChannelDir = "/run/vsphere-lab"
	// rpcLimit is the longest message that a VMX takes ("GuestRPC", 64 KiB).
	rpcLimit = 64 << 10
	// guestInfoLimit is what all guestinfo values of a VM may take together.
	// tools.setInfo.sizeLimit: "the default size is 1 MB".
	guestInfoLimit = 1 << 20
	rpcTimeout     = 10 * time.Second
	guestInfo      = "guestinfo."
)

var (
	errUnknownCommand = errors.New("Unknown command")
	errNoValue        = errors.New("No value found")
	errRefused        = errors.New("Permission denied")
	errTooLong        = errors.New("Value too long")
)

// plainPath is a folder that may stand in a container command.
var plainPath = regexp.MustCompile(`^/[A-Za-z0-9._/@+-]+$`)

// guestChannels are the sockets on which guests talk to their VM, as VMware
// Tools do over the backdoor. Each guest has one of its own, in a folder that
// only its container sees: by it the lab knows who is talking.
type guestChannels struct {
	lab *Lab

	mu       sync.Mutex
	channels map[string]*guestChannel // by instanceUuid
}

type guestChannel struct {
	listener net.Listener
	folder   string
}

func newGuestChannels(lab *Lab) *guestChannels {
	return &guestChannels{lab: lab, channels: map[string]*guestChannel{}}
}

// open makes a clone's channel, and gives the options by which its container
// sees it; "" where there can be none.
func (g *guestChannels) open(instanceUUID string) string {
	folder := g.lab.path("guests", instanceUUID)
	if !plainPath.MatchString(folder) {
		return ""
	}
	channel, err := listenIn(folder)
	if err != nil {
		_ = os.RemoveAll(folder)
		return ""
	}
	g.mu.Lock()
	g.channels[instanceUUID] = channel
	g.mu.Unlock()
	go g.serve(channel.listener, instanceUUID)
	options := "-v " + folder + ":" + guestChannelDir
	if _, err := os.Stat("/sys/fs/selinux/enforce"); err == nil {
		options += " --security-opt label=disable" // else no container may connect to a socket of ours
	}
	return options
}

// listenIn listens on a socket in a new folder that every user of the guest
// may enter: on a VMware platform, too, any of them may talk to the VM.
func listenIn(folder string) (*guestChannel, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	directory, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer directory.Close()
	// By way of the open folder: a socket's path has 107 characters at most.
	path := fmt.Sprintf("/proc/self/fd/%d/rpc", directory.Fd())
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // that path is another file's by then
	if err := errors.Join(os.Chmod(folder, 0o755), os.Chmod(folder+"/rpc", 0o666)); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return &guestChannel{listener: listener, folder: folder}, nil
}

// close ends a VM's channel.
func (g *guestChannels) close(instanceUUID string) {
	g.mu.Lock()
	channel := g.channels[instanceUUID]
	delete(g.channels, instanceUUID)
	g.mu.Unlock()
	if channel != nil {
		_ = channel.listener.Close()
		_ = os.RemoveAll(channel.folder)
	}
}

// closeAll ends the channels of all guests.
func (g *guestChannels) closeAll() {
	g.mu.Lock()
	ids := make([]string, 0, len(g.channels))
	for id := range g.channels {
		ids = append(ids, id)
	}
	g.mu.Unlock()
	for _, id := range ids {
		g.close(id)
	}
}

func (g *guestChannels) serve(listener net.Listener, instanceUUID string) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return // closed
		}
		go g.converse(connection, instanceUUID)
	}
}

// converse answers one message as the VMX does: "1 " and the result, or "0 " and what is wrong.
func (g *guestChannels) converse(connection net.Conn, instanceUUID string) {
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(rpcTimeout))
	message, err := io.ReadAll(io.LimitReader(connection, rpcLimit+1))
	if err != nil {
		return
	}
	reply, result := "0 ", ""
	switch vm := g.find(instanceUUID); {
	case len(message) > rpcLimit:
		_, _ = io.Copy(io.Discard, connection) // the guest reads no answer before it has sent all
		result = errTooLong.Error()
	case vm == nil:
		result = errNoValue.Error() // the VM is being made or removed
	default:
		if result, err = g.lab.guestRPC(vm, string(message)); err != nil {
			result = err.Error()
		} else {
			reply = "1 "
		}
	}
	// Anew: the VM may have been busy for long, with the very power-on that this guest comes from.
	_ = connection.SetDeadline(time.Now().Add(rpcTimeout))
	_, _ = io.WriteString(connection, reply+result)
}

func (g *guestChannels) find(instanceUUID string) *simulator.VirtualMachine {
	for _, entity := range g.lab.model.Map().All("VirtualMachine") {
		vm, ok := entity.(*simulator.VirtualMachine)
		if ok && vm.Config != nil && vm.Config.InstanceUuid == instanceUUID {
			return vm
		}
	}
	return nil
}

// guestRPC carries out one message of a guest.
//
// Of VMware's GuestRPC it knows "info-get KEY" and "info-set KEY VALUE", for
// keys under guestinfo. ("guestinfo variables", Guest SDK).
func (l *Lab) guestRPC(vm *simulator.VirtualMachine, message string) (result string, err error) {
	verb, rest, _ := strings.Cut(message, " ")
	key, value, _ := strings.Cut(rest, " ")
	if (verb != "info-get" && verb != "info-set") || !strings.HasPrefix(key, guestInfo) || key == guestInfo {
		return "", errUnknownCommand
	}
	ctx := l.internalContext()
	ctx.WithLock(vm, func() {
		if verb == "info-get" {
			result, err = infoGet(vm, key)
		} else {
			err = infoSet(ctx, vm, key, value)
		}
	})
	return result, err
}

func infoGet(vm *simulator.VirtualMachine, key string) (string, error) {
	value := optionText(vm.Config.ExtraConfig, key)
	if value == "" {
		return "", errNoValue
	}
	return value, nil
}

// infoSet changes a key and tells watchers.
//
// isolation.tools.setInfo.disable: guests may not write ("vSphere Security
// Configuration Guide", VM hardening).
func infoSet(ctx *simulator.Context, vm *simulator.VirtualMachine, key, value string) error {
	taken := len(key) + len(value)
	var options []types.BaseOptionValue // a new list: somebody may be reading the old one
	operation := types.PropertyChangeOpAdd
	for _, option := range vm.Config.ExtraConfig {
		old := option.GetOptionValue()
		text, _ := old.Value.(string)
		switch {
		case strings.EqualFold(old.Key, "isolation.tools.setInfo.disable"):
			if disabled, _ := strconv.ParseBool(strings.ToLower(text)); disabled {
				return errRefused
			}
		case old.Key == key:
			operation = types.PropertyChangeOpAssign
			continue
		case strings.HasPrefix(old.Key, guestInfo):
			taken += len(old.Key) + len(text)
		}
		options = append(options, option)
	}
	if taken > guestInfoLimit {
		return errTooLong
	}
	set := &types.OptionValue{Key: key, Value: value}
	options = append(options, set)
	vm.Config.ExtraConfig = options
	ctx.Update(vm, []types.PropertyChange{
		{Name: fmt.Sprintf("config.extraConfig[%q]", key), Val: set, Op: operation},
		{Name: "config.extraConfig", Val: options},
	})
	return nil
}
