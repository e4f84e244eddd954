package dockercli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"vsphere-lab/internal/guard"
	"vsphere-lab/internal/machine"
	"vsphere-lab/internal/unixsocket"
)

const pathVariable = "PATH"

// Engine makes machines and finds them.
type Engine interface {
	// Create makes a machine by the arguments of "docker create", and returns its id.
	Create(ctx context.Context, arguments []string) (id string, err error)
	// Machine is the one of that id.
	Machine(id string) machine.Machine
	// Watch reports the ids of machines that have changed, until the context ends.
	Watch(ctx context.Context, changed func(id string)) error
}

// Server carries out commands on the machines of an engine.
type Server struct {
	listener net.Listener
	engine   Engine
	path     string   // PATH as it was before
	leaving  sync.Map // the ids of machines that are being removed, or have been
}

// Start makes this process's simulator run the machines of an engine, until it is closed.
// The folder must be a new one; only this user may enter it. A process has one server at
// a time: PATH is its own.
func Start(folder string, engine Engine) (*Server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Mkdir(folder, 0o700), os.Symlink(program, filepath.Join(folder, Program))); err != nil {
		return nil, err
	}
	listener, err := unixsocket.Listen(folder, socket)
	if err != nil {
		return nil, err
	}
	server := &Server{listener: listener, engine: engine, path: os.Getenv(pathVariable)}
	go server.accept()
	path := folder + string(os.PathListSeparator) + server.path
	return server, errors.Join(os.Setenv(FolderVariable, folder), os.Setenv(pathVariable, path))
}

// Close stops answering. Commands that are being carried out go on.
func (s *Server) Close() error {
	return errors.Join(s.listener.Close(), os.Setenv(pathVariable, s.path), os.Unsetenv(FolderVariable))
}

func (s *Server) accept() {
	for {
		connection, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		go guard.Run("a command of the simulator", func() { s.answer(connection) })
	}
}

// answer carries out the command that comes by a connection. The command that waits for
// events ends when the simulator kills its client.
func (s *Server) answer(connection net.Conn) {
	defer connection.Close()
	decoder, encoder := json.NewDecoder(connection), json.NewEncoder(connection)
	var arguments []string
	if decoder.Decode(&arguments) != nil || len(arguments) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if arguments[0] == "events" {
		go func() {
			defer cancel()
			_, _ = io.Copy(io.Discard, connection) // it sends nothing more
		}()
	}
	status, stderr := 0, ""
	err := s.carryOut(ctx, arguments, func(line string) { _ = encoder.Encode(reply{Stdout: line + "\n"}) })
	if err != nil {
		status, stderr = 1, describe(err, arguments)+"\n"
	}
	_ = encoder.Encode(reply{Stderr: stderr, Exit: &status})
}

// describe words an error so that the simulator knows a machine that is gone.
func describe(err error, arguments []string) string {
	if errors.Is(err, machine.ErrNotFound) {
		return "Error: No such object: " + arguments[len(arguments)-1]
	}
	return err.Error()
}

// operations are the commands that change a machine, by docker's names.
var operations = map[string]func(machine.Machine, context.Context) error{
	"start":   machine.Machine.Start,
	"stop":    machine.Machine.Stop,
	"restart": machine.Machine.Restart,
	"pause":   machine.Machine.Pause,
	"unpause": machine.Machine.Resume,
	"rm":      machine.Machine.Remove,
}

// carryOut runs a command on its machine, and calls printed for each line of its output.
func (s *Server) carryOut(ctx context.Context, arguments []string, printed func(line string)) error {
	id := arguments[len(arguments)-1]
	subject := s.engine.Machine(id)
	if arguments[0] == "rm" {
		s.leaving.Store(id, true)
	}
	if operate, ok := operations[arguments[0]]; ok {
		return operate(subject, ctx)
	}
	switch arguments[0] {
	case "volume", "network":
		return nil // machines have none; the simulator asks for them whenever one goes
	case "create":
		id, err := s.engine.Create(ctx, arguments[1:])
		if err == nil {
			printed(id)
		}
		return err
	case "inspect":
		state, err := subject.Inspect(ctx)
		if err == nil {
			printed(details(state))
		}
		return err
	case "events":
		return s.engine.Watch(ctx, func(id string) { s.report(id, printed) })
	}
	return fmt.Errorf("docker %s: the lab does not know this command", strings.Join(arguments, " "))
}

// report prints the id of a machine that has changed. Of one that the simulator itself has
// removed it must not hear: it would look for it, find it gone, and destroy its VM while it
// is being destroyed, in a goroutine whose panic ends the process.
func (s *Server) report(id string, printed func(line string)) {
	if _, gone := s.leaving.Load(id); !gone {
		printed(id)
	}
}

// details is a machine's state as the simulator reads it from "docker inspect".
func details(state machine.State) string {
	network := map[string]any{
		"IPAddress": state.Network.Address, "IPPrefixLen": state.Network.Prefix,
		"Gateway": state.Network.Gateway, "MacAddress": state.Network.MACAddress,
	}
	text, _ := json.Marshal([]any{map[string]any{ // strings and numbers only
		"Config":          map[string]any{"Hostname": state.HostName, "Domainname": state.DomainName},
		"State":           map[string]any{"Running": state.Running, "Paused": state.Paused},
		"NetworkSettings": map[string]any{"Networks": map[string]any{"lab": network}},
	}})
	return string(text)
}
