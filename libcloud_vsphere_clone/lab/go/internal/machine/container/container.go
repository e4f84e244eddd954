package container

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"vsphere-lab/internal/machine"
)

// container is one machine, known by its name or id.
type container struct {
	engine *Engine
	name   string
}

// Start starts the container.
func (c *container) Start(ctx context.Context) error {
	return c.do(ctx, "start")
}

// Stop lets the container end, and kills it when it does not.
func (c *container) Stop(ctx context.Context) error {
	return c.do(ctx, "stop")
}

// Restart stops and starts the container.
func (c *container) Restart(ctx context.Context) error {
	return c.do(ctx, "restart")
}

// Pause freezes all processes of the container.
func (c *container) Pause(ctx context.Context) error {
	return c.do(ctx, "pause")
}

// Resume ends a pause.
func (c *container) Resume(ctx context.Context) error {
	return c.do(ctx, "unpause")
}

// Remove kills the container and removes it with its volumes.
func (c *container) Remove(ctx context.Context) error {
	return c.do(ctx, "rm", c.engine.removeNow...)
}

// do runs a command of the engine on the container.
func (c *container) do(ctx context.Context, verb string, options ...string) error {
	_, err := c.run(ctx, append([]string{verb}, options...)...)
	return err
}

// run runs a command of the engine on the container, and returns its output.
func (c *container) run(ctx context.Context, words ...string) ([]byte, error) {
	out, err := c.engine.run(ctx, append(words, c.name)...)
	if err != nil && strings.Contains(strings.ToLower(err.Error()), "no such ") {
		return nil, fmt.Errorf("%w: %w", machine.ErrNotFound, err) // "No such container", "no such object"
	}
	return out, err
}

// Inspect asks the engine about the container.
func (c *container) Inspect(ctx context.Context) (machine.State, error) {
	out, err := c.run(ctx, "inspect")
	if err != nil {
		return machine.State{}, err
	}
	var found []details
	if err := json.Unmarshal(out, &found); err != nil || len(found) != 1 {
		return machine.State{}, fmt.Errorf("inspect %s: %d containers, %w", c.name, len(found), err)
	}
	return found[0].state(), nil
}

// details are the part of the engine's answer that concerns a machine.
type details struct {
	Config struct{ Hostname, Domainname string }
	State  struct{ Running, Paused bool }

	NetworkSettings struct {
		network
		Networks map[string]network
	}
}

type network struct {
	IPAddress   string
	IPPrefixLen int32
	Gateway     string
	MacAddress  string
}

// state is without the engine's names: the first network with an address, if there is one.
func (d details) state() machine.State {
	chosen := d.NetworkSettings.network
	for _, network := range d.NetworkSettings.Networks {
		if network.IPAddress != "" {
			chosen = network
			break
		}
	}
	return machine.State{
		Running: d.State.Running, Paused: d.State.Paused,
		HostName: d.Config.Hostname, DomainName: d.Config.Domainname,
		Network: machine.Network{
			Address: chosen.IPAddress, Prefix: chosen.IPPrefixLen, Gateway: chosen.Gateway, MACAddress: chosen.MacAddress,
		},
	}
}
