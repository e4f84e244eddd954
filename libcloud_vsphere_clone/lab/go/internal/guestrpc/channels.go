// Package guestrpc has the channels between guests and their VMs: it answers what guests
// say to their VM, and connects to the tools in a guest.
package guestrpc

import (
	"context"
	"errors"
	"log"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"

	"vsphere-lab/internal/guard"
	"vsphere-lab/internal/inventory"
	"vsphere-lab/internal/unixsocket"
)

const (
	// FolderInGuest is where a guest finds its end of the channel.
	FolderInGuest = "/run/vsphere-lab"
	// ToolsSocket is where the guest's tools answer the lab, rpcSocket where the VM answers its guest.
	ToolsSocket = "tools"
	rpcSocket   = "rpc"
	// dialTimeout is how long a guest that is on may take until its tools
	// answer: its power-on does not wait for them.
	dialTimeout = 5 * time.Second
)

// ErrNoTools is a guest without tools that answer.
var ErrNoTools = errors.New("the guest's tools did not answer")

// plainPath is a folder that may stand in a container command.
var plainPath = regexp.MustCompile(`^/[A-Za-z0-9._/@+-]+$`)

// Channels are the sockets on which guests talk to their VM, as VMware
// Tools do over the backdoor. Each guest has one of its own, in a folder that
// only its container sees: by it the lab knows which guest is talking.
type Channels struct {
	root       string
	newContext inventory.NewContext

	mu       sync.Mutex
	channels map[string]*Channel // by instanceUuid
}

// Channel is one guest's.
type Channel struct {
	listener net.Listener
	folder   string
}

// NewChannels is without any channel; their folders will be in root.
func NewChannels(root string, newContext inventory.NewContext) *Channels {
	return &Channels{root: root, newContext: newContext, channels: map[string]*Channel{}}
}

// Options are those by which a clone's container will see its channel; "" where there can be none.
func (c *Channels) Options(instanceUUID string) string {
	folder := c.folder(instanceUUID)
	if !plainPath.MatchString(folder) {
		return ""
	}
	options := "-v " + folder + ":" + FolderInGuest
	if _, err := os.Stat("/sys/fs/selinux/enforce"); err == nil {
		options += " --security-opt label=disable" // else no container may connect to a socket of ours
	}
	return options
}

func (c *Channels) folder(instanceUUID string) string {
	return filepath.Join(c.root, instanceUUID)
}

// Open makes a clone's channel, once no other VM has its instanceUuid.
func (c *Channels) Open(instanceUUID string) {
	channel, err := listenIn(c.folder(instanceUUID))
	if err != nil {
		log.Printf("the guest of %s cannot talk to its VM: %v", instanceUUID, err)
		return
	}
	c.mu.Lock()
	c.channels[instanceUUID] = channel
	c.mu.Unlock()
	go c.serve(channel.listener, instanceUUID)
}

// listenIn listens on a socket in a new folder that every user of the guest
// may enter: on a VMware platform, too, any of them may talk to the VM.
func listenIn(folder string) (*Channel, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	listener, err := unixsocket.Listen(folder, rpcSocket)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chmod(folder, 0o755), os.Chmod(filepath.Join(folder, rpcSocket), 0o666)); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return &Channel{listener: listener, folder: folder}, nil
}

// DialTools connects to the guest's tools, once they are there.
func (c *Channel) DialTools(ctx context.Context) (*net.UnixConn, error) {
	for deadline := time.Now().Add(dialTimeout); ; time.Sleep(10 * time.Millisecond) {
		connection, err := unixsocket.Dial(c.folder, ToolsSocket)
		switch {
		case err == nil:
			return connection, nil
		case errors.Is(err, unixsocket.ErrLink):
			return nil, ErrNoTools // the guest has made it
		case ctx.Err() != nil || time.Now().After(deadline):
			return nil, err
		}
	}
}

// Of is the channel of a VM's guest; nil where it has none.
func (c *Channels) Of(vm *simulator.VirtualMachine) *Channel {
	if vm.Config == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.channels[vm.Config.InstanceUuid]
}

// Close ends a VM's channel.
func (c *Channels) Close(instanceUUID string) {
	c.mu.Lock()
	channel := c.channels[instanceUUID]
	delete(c.channels, instanceUUID)
	c.mu.Unlock()
	if channel != nil {
		_ = channel.listener.Close()
		_ = os.RemoveAll(channel.folder)
	}
}

// CloseAll ends the channels of all guests.
func (c *Channels) CloseAll() {
	c.mu.Lock()
	ids := make([]string, 0, len(c.channels))
	for id := range c.channels {
		ids = append(ids, id)
	}
	c.mu.Unlock()
	for _, id := range ids {
		c.Close(id)
	}
}

func (c *Channels) serve(listener net.Listener, instanceUUID string) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return // closed
		}
		go guard.Run("a message of a guest", func() { c.answer(connection, instanceUUID) })
	}
}
