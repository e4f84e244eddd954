// Package machine is what runs behind a virtual machine of the lab that is switched on.
//
// Each kind of machine is a package below this one that implements Machine. Package
// dockercli lets the simulator start and stop them.
package machine

import (
	"context"
	"errors"
)

// ErrNotFound is a machine that was removed, or never made.
var ErrNotFound = errors.New("no such machine")

// State is what can be seen of a machine from outside.
type State struct {
	Running    bool // also while it is paused
	Paused     bool
	HostName   string
	DomainName string
	Network    Network // its first; without an address while it has none
}

// Network is how a machine is connected to one.
type Network struct {
	Address    string // IPv4
	Prefix     int32  // the length of the address's prefix
	Gateway    string
	MACAddress string
}

// Machine is one machine that was made. Its methods may be called at any time; of one
// that is gone, they end in ErrNotFound.
type Machine interface {
	// Start switches the machine on.
	Start(ctx context.Context) error
	// Stop shuts the machine down, by force if it takes long.
	Stop(ctx context.Context) error
	// Restart stops the machine and starts it again.
	Restart(ctx context.Context) error
	// Pause halts the machine until it is resumed.
	Pause(ctx context.Context) error
	// Resume lets a machine that is paused go on.
	Resume(ctx context.Context) error
	// Inspect is the machine's state of now.
	Inspect(ctx context.Context) (State, error)
	// Remove stops the machine by force, and deletes all that it has.
	Remove(ctx context.Context) error
}
