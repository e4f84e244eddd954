package dockercli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vsphere-lab/internal/machine"
)

// The test's own program stands for the lab's.
func init() {
	if filepath.Base(os.Args[0]) == Program {
		os.Exit(Run(os.Args[1:], os.Stdout, os.Stderr))
	}
}

// fakeEngine has one machine, "m-1", and notes what is done with it.
type fakeEngine struct {
	calls   chan string
	watches chan string // "begun", "ended"
}

func (e *fakeEngine) Create(_ context.Context, arguments []string) (string, error) {
	e.calls <- "create " + strings.Join(arguments, " ")
	return "m-1", nil
}

func (e *fakeEngine) Machine(id string) machine.Machine {
	return &fakeMachine{e, id}
}

func (e *fakeEngine) Watch(ctx context.Context, changed func(id string)) error {
	changed("m-1")
	e.watches <- "begun"
	<-ctx.Done()
	e.watches <- "ended"
	return nil
}

type fakeMachine struct {
	engine *fakeEngine
	id     string
}

func (m *fakeMachine) note(call string) error {
	if m.id != "m-1" {
		return fmt.Errorf("%s: %w", call, machine.ErrNotFound)
	}
	m.engine.calls <- call
	return nil
}

func (m *fakeMachine) Start(context.Context) error   { return m.note("start") }
func (m *fakeMachine) Stop(context.Context) error    { return m.note("stop") }
func (m *fakeMachine) Restart(context.Context) error { return m.note("restart") }
func (m *fakeMachine) Pause(context.Context) error   { return m.note("pause") }
func (m *fakeMachine) Resume(context.Context) error  { return m.note("resume") }
func (m *fakeMachine) Remove(context.Context) error  { return m.note("remove") }

func (m *fakeMachine) Inspect(context.Context) (machine.State, error) {
	network := machine.Network{Address: "192.0.2.1", Prefix: 24}
	return machine.State{Running: true, HostName: "web", Network: network}, m.note("inspect")
}

func startServer(t *testing.T) *fakeEngine {
	t.Helper()
	engine := &fakeEngine{calls: make(chan string, 1), watches: make(chan string, 1)}
	server, err := Start(filepath.Join(t.TempDir(), "bin"), engine)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

func docker(words ...string) (stdout, stderr string, status int) {
	command := exec.Command("docker", words...) // as the simulator has it
	var out, errors bytes.Buffer
	command.Stdout, command.Stderr = &out, &errors
	_ = command.Run()
	return out.String(), errors.String(), command.ProcessState.ExitCode()
}

func TestCommandsReachTheMachine(t *testing.T) {
	engine := startServer(t)
	for _, check := range []struct{ command, call, stdout string }{
		{"create --name web -v /a:/b image", "create --name web -v /a:/b image", "m-1\n"},
		{"start m-1", "start", ""},
		{"stop m-1", "stop", ""},
		{"restart m-1", "restart", ""},
		{"pause m-1", "pause", ""},
		{"unpause m-1", "resume", ""},
		{"rm -v -f m-1", "remove", ""},
		{"inspect m-1", "inspect", `[{"Config":{"Domainname":"","Hostname":"web"},"NetworkSettings":{"Networks":{"lab":` +
			`{"Gateway":"","IPAddress":"192.0.2.1","IPPrefixLen":24,"MacAddress":""}}},"State":{"Paused":false,"Running":true}}]` + "\n"},
	} {
		stdout, stderr, status := docker(strings.Fields(check.command)...)
		if stdout != check.stdout || stderr != "" || status != 0 {
			t.Errorf("%s: %q, %q, status %d", check.command, stdout, stderr, status)
			continue
		}
		if call := <-engine.calls; call != check.call {
			t.Errorf("%s is %q", check.command, call)
		}
	}
}

func TestCommandsThatFail(t *testing.T) {
	startServer(t)
	for command, want := range map[string]string{
		"inspect m-2": "No such object: m-2", // by these words the simulator knows that a machine is gone
		"exec m-1 ls": "does not know this command",
	} {
		if stdout, stderr, status := docker(strings.Fields(command)...); stdout != "" || status != 1 || !strings.Contains(stderr, want) {
			t.Errorf("%s: %q, %q, status %d", command, stdout, stderr, status)
		}
	}
	if stdout, stderr, status := docker("volume", "ls", "-q"); stdout+stderr != "" || status != 0 {
		t.Errorf("volumes: %q, %q, status %d", stdout, stderr, status)
	}
}

func TestEventsEndWithTheirClient(t *testing.T) {
	engine := startServer(t)
	command := exec.Command("docker", "events")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	<-engine.watches
	line := make([]byte, 4)
	if _, err := out.Read(line); err != nil || string(line) != "m-1\n" {
		t.Errorf("got %q, %v", line, err)
	}
	_ = command.Process.Kill()
	select {
	case <-engine.watches:
	case <-time.After(5 * time.Second):
		t.Error("the watch goes on")
	}
	_ = command.Wait()
}

func TestARemovedMachineIsReportedNoMore(t *testing.T) {
	server := &Server{engine: &fakeEngine{calls: make(chan string, 1), watches: make(chan string, 2)}}
	reported := func() (lines []string) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // the watch reports m-1, and ends
		_ = server.carryOut(ctx, []string{"events"}, func(line string) { lines = append(lines, line) })
		<-server.engine.(*fakeEngine).watches
		<-server.engine.(*fakeEngine).watches
		return lines
	}
	if lines := reported(); len(lines) != 1 || lines[0] != "m-1" {
		t.Errorf("before: %q", lines)
	}
	if err := server.carryOut(context.Background(), []string{"rm", "-v", "-f", "m-1"}, nil); err != nil {
		t.Fatal(err)
	}
	if lines := reported(); lines != nil {
		t.Errorf("after: %q", lines)
	}
}

func TestCommandWithoutAServer(t *testing.T) {
	t.Setenv(FolderVariable, t.TempDir())
	var stderr bytes.Buffer
	if status := Run([]string{"start", "m-1"}, new(bytes.Buffer), &stderr); status != cannotRun || stderr.Len() == 0 {
		t.Errorf("status %d, %q", status, stderr.String())
	}
}
