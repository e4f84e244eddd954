// Package container runs machines as containers, by the command of a container engine.
package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"vsphere-lab/internal/machine"
)

const (
	// label marks a container as a lab's; its value is the lab's id.
	label         = "vsphere-lab"
	removeTimeout = 60 * time.Second
)

// Engine makes the containers of one lab, and finds them.
type Engine struct {
	id string
}

// NewEngine is for the lab with that id.
func NewEngine(id string) *Engine {
	return &Engine{id: id}
}

// Machine is the container of that name or id, whether or not there is one.
func (e *Engine) Machine(name string) machine.Machine {
	return &container{name: name}
}

// RemoveAll removes the containers with this lab's label, in one command.
func (e *Engine) RemoveAll(ctx context.Context) error {
	if _, err := exec.LookPath("docker"); err != nil {
		return nil // then none was ever started
	}
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "docker", "ps", "-aq", "--filter", "label="+label+"="+e.id).Output()
	ids := strings.Fields(string(bytes.TrimSpace(out)))
	if err != nil || len(ids) == 0 {
		return nil // no engine answers, so there is nothing of ours in it
	}
	if out, err = exec.CommandContext(ctx, "docker", append([]string{"rm", "-f", "-v"}, ids...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("docker rm: %w: %s", err, out)
	}
	return nil
}

// container is one machine, known by its name or id.
type container struct {
	name string
}

// Start starts the container.
func (c *container) Start(ctx context.Context) error {
	_, err := docker(ctx, "start", c.name)
	return err
}

// Resume ends a pause.
func (c *container) Resume(ctx context.Context) error {
	_, err := docker(ctx, "unpause", c.name)
	return err
}

// Stop lets the container end, and kills it when it does not.
func (c *container) Stop(ctx context.Context) error {
	_, err := docker(ctx, "stop", c.name)
	return err
}

// Pause freezes all processes of the container.
func (c *container) Pause(ctx context.Context) error {
	_, err := docker(ctx, "pause", c.name)
	return err
}

// Restart stops and starts the container.
func (c *container) Restart(ctx context.Context) error {
	_, err := docker(ctx, "restart", c.name)
	return err
}

// Remove kills the container and removes it with its volumes.
func (c *container) Remove(ctx context.Context) error {
	_, err := docker(ctx, "rm", "-v", "-f", c.name)
	return err
}

// Inspect asks the engine about the container.
func (c *container) Inspect(ctx context.Context) (machine.State, error) {
	out, err := docker(ctx, "inspect", c.name)
	if err != nil {
		return machine.State{}, err
	}
	var details []details
	if err := json.Unmarshal(out, &details); err != nil || len(details) != 1 {
		return machine.State{}, fmt.Errorf("docker inspect %s: %d containers, %w", c.name, len(details), err)
	}
	return details[0].state(), nil
}

// details are what `docker inspect` says that concerns a machine.
type details struct {
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

func (d details) state() machine.State {
	state := machine.State{
		Running: d.State.Running, Paused: d.State.Paused, HostName: d.Config.Hostname,
		Address: d.NetworkSettings.IPAddress, Prefix: d.NetworkSettings.IPPrefixLen,
	}
	for _, network := range d.NetworkSettings.Networks {
		if network.IPAddress != "" {
			state.Address, state.Prefix = network.IPAddress, network.IPPrefixLen
			break
		}
	}
	return state
}

// docker runs one command of the engine, and returns its output.
func docker(ctx context.Context, words ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, "docker", words...).Output()
	var failed *exec.ExitError
	switch {
	case err == nil:
		return out, nil
	case !errors.As(err, &failed):
		return nil, err
	case strings.Contains(strings.ToLower(string(failed.Stderr)), "no such"):
		return nil, fmt.Errorf("docker %s: %w", words[0], machine.ErrNotFound)
	}
	return nil, fmt.Errorf("docker %s: %w: %s", words[0], err, bytes.TrimSpace(failed.Stderr))
}
