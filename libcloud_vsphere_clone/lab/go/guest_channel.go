package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
)

const (
	// guestChannelDir is where a guest finds its end of the channel.
	guestChannelDir = "/run/vsphere-lab"
	// rpcSocket is where the VM answers its guest, toolsSocket where the guest's tools answer us.
	rpcSocket   = "rpc"
	toolsSocket = "tools"
	// toolsPatience is how long a guest that is on may take until its tools
	// answer: its power-on does not wait for them.
	toolsPatience = 5 * time.Second
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

// options are those by which a clone's container will see its channel; "" where there can be none.
func (g *guestChannels) options(instanceUUID string) string {
	folder := g.folder(instanceUUID)
	if !plainPath.MatchString(folder) {
		return ""
	}
	options := "-v " + folder + ":" + guestChannelDir
	if _, err := os.Stat("/sys/fs/selinux/enforce"); err == nil {
		options += " --security-opt label=disable" // else no container may connect to a socket of ours
	}
	return options
}

func (g *guestChannels) folder(instanceUUID string) string {
	return g.lab.path("guests", instanceUUID)
}

// open makes a clone's channel, once its instanceUuid is nobody else's.
func (g *guestChannels) open(instanceUUID string) {
	channel, err := listenIn(g.folder(instanceUUID))
	if err != nil {
		log.Printf("the guest of %s cannot talk to its VM: %v", instanceUUID, err)
		return
	}
	g.mu.Lock()
	g.channels[instanceUUID] = channel
	g.mu.Unlock()
	go g.serve(channel.listener, instanceUUID)
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
	listener, err := net.ListenUnix("unix", socketIn(directory, rpcSocket))
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // that path is another file's by then
	if err := errors.Join(os.Chmod(folder, 0o755), os.Chmod(filepath.Join(folder, rpcSocket), 0o666)); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return &guestChannel{listener: listener, folder: folder}, nil
}

// socketIn is a socket by way of its open folder: its path has 107 characters at most.
func socketIn(directory *os.File, name string) *net.UnixAddr {
	return &net.UnixAddr{Name: fmt.Sprintf("/proc/self/fd/%d/%s", directory.Fd(), name), Net: "unix"}
}

// dialTools connects to the guest's tools, once they are there.
func (c *guestChannel) dialTools(ctx context.Context) (*net.UnixConn, error) {
	directory, err := os.Open(c.folder)
	if err != nil {
		return nil, err
	}
	defer directory.Close()
	for deadline := time.Now().Add(toolsPatience); ; time.Sleep(10 * time.Millisecond) {
		if info, err := os.Lstat(filepath.Join(c.folder, toolsSocket)); err == nil && info.Mode()&os.ModeSymlink != 0 {
			return nil, errNoTools // the guest has the folder, and could lead us to any socket of this machine
		}
		connection, err := net.DialUnix("unix", nil, socketIn(directory, toolsSocket))
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return connection, err
		}
	}
}

// of is the channel of a VM's guest; nil where it has none.
func (g *guestChannels) of(vm *simulator.VirtualMachine) *guestChannel {
	if vm.Config == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.channels[vm.Config.InstanceUuid]
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
		go guarded("a message of a guest", func() { g.converse(connection, instanceUUID) })
	}
}
