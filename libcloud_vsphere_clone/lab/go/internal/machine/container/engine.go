// Package container runs machines as containers, by the command of a container engine.
package container

import (
	"bufio"
	"bytes"
	"context"
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
	id        string
	command   string
	removeNow []string // options for a removal that does not wait
}

// NewEngine is for the lab with that id. The command is the path of docker's or podman's.
func NewEngine(id, command string, isPodman bool) *Engine {
	engine := &Engine{id: id, command: command, removeNow: []string{"-v", "-f"}}
	if isPodman {
		// Unlike docker, it lets a container that is removed by force end by itself first.
		engine.removeNow = append(engine.removeNow, "--time", "0")
	}
	return engine
}

// Machine is the container of that name or id, whether or not there is one.
func (e *Engine) Machine(name string) machine.Machine {
	return &container{engine: e, name: name}
}

// Create makes a container by the arguments of docker's command of that name, and returns
// its id. A guest needs the capability to set its host name.
func (e *Engine) Create(ctx context.Context, arguments []string) (string, error) {
	words := append([]string{"create", "--label", label + "=" + e.id, "--cap-add", "SYS_ADMIN"}, arguments...)
	out, err := e.run(ctx, words...)
	return strings.TrimSpace(string(out)), err
}

// Watch calls changed with the id of each container of which the engine reports something,
// until the context ends.
func (e *Engine) Watch(ctx context.Context, changed func(id string)) error {
	command := exec.CommandContext(ctx, e.command, "events", "--format", "{{.ID}}", "--filter", "type=container")
	out, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		changed(strings.TrimSpace(lines.Text()))
	}
	return command.Wait()
}

// RemoveAll removes the containers with this lab's label, in one command.
func (e *Engine) RemoveAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	out, err := e.run(ctx, "ps", "-aq", "--filter", "label="+label+"="+e.id)
	ids := strings.Fields(string(out))
	if err != nil || len(ids) == 0 {
		return nil // no engine answers, so there is nothing of ours in it
	}
	_, err = e.run(ctx, append(append([]string{"rm"}, e.removeNow...), ids...)...)
	return err
}

// run runs one command of the engine, and returns its output.
func (e *Engine) run(ctx context.Context, words ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, e.command, words...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("%s %s: %w: %s", e.command, words[0], err, bytes.TrimSpace(failed.Stderr))
	}
	return out, err
}
