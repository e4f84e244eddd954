package winrm

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"github.com/google/uuid"
)

// maxStreamBytes is how much of a stream one answer carries, so that larger
// outputs come in several.
const maxStreamBytes = 64 << 10

// shell is a remote shell: a set of running commands.
type shell struct {
	mu       sync.Mutex
	commands map[string]*command
}

// command is one process with its streams.
type command struct {
	process *exec.Cmd
	stdin   io.WriteCloser

	mu       sync.Mutex
	stdout   []byte
	stderr   []byte
	finished bool
	exitCode int
	changed  chan struct{} // closed and replaced whenever something above changes
}

// start runs a command line and gives its id at once.
func (s *shell) start(program []string, line string) (string, error) {
	process := exec.Command(program[0], append(program[1:len(program):len(program)], line)...)
	process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	process.WaitDelay = waitDelay
	stdin, err := process.StdinPipe()
	if err != nil {
		return "", err
	}
	command := &command{process: process, stdin: stdin, changed: make(chan struct{})}
	process.Stdout = streamWriter{command, &command.stdout}
	process.Stderr = streamWriter{command, &command.stderr}
	if err := process.Start(); err != nil {
		return "", err
	}
	go command.wait()
	id := strings.ToUpper(uuid.NewString())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands[id] = command
	return fmt.Sprintf(`<rsp:CommandResponse><rsp:CommandId>%s</rsp:CommandId></rsp:CommandResponse>`, id), nil
}

func (s *shell) find(id string) (*command, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if command, ok := s.commands[id]; ok {
		return command, nil
	}
	return nil, &fault{2150858810, "The WS-Management service cannot process the request: the command " + id +
		" was not found."}
}

func (s *shell) send(request sendBody) (string, error) {
	for _, stream := range request.Streams {
		command, err := s.find(stream.CommandID)
		if err != nil {
			return "", err
		}
		data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(stream.Data))
		if err != nil {
			return "", err
		}
		if _, err := command.stdin.Write(data); err != nil {
			return "", &fault{2147942509, "The pipe has been ended."} // ERROR_BROKEN_PIPE as HRESULT
		}
		if strings.EqualFold(stream.End, "true") {
			_ = command.stdin.Close()
		}
	}
	return `<rsp:SendResponse/>`, nil
}

// receive waits for output or the end; when neither comes in time, that is the
// fault by which clients know that they may ask again.
func (s *shell) receive(ctx context.Context, id string) (string, error) {
	command, err := s.find(id)
	if err != nil {
		return "", err
	}
	for {
		answer, changed := command.take(id)
		if answer != "" {
			return answer, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", &fault{2150858793, "The WS-Management service cannot complete the operation within " +
				"the time specified in OperationTimeout."}
		}
	}
}

// signal ends a command, whichever signal it is; Terminate forgets it too.
func (s *shell) signal(request signalBody) (string, error) {
	command, err := s.find(request.CommandID)
	if err != nil {
		return "", err
	}
	command.kill()
	if strings.HasSuffix(strings.ToLower(request.Code), "/terminate") {
		s.mu.Lock()
		delete(s.commands, request.CommandID)
		s.mu.Unlock()
	}
	return `<rsp:SignalResponse/>`, nil
}

func (s *shell) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, command := range s.commands {
		command.kill()
	}
	s.commands = map[string]*command{}
}

// running counts the commands that have not ended.
func (s *shell) running() (count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, command := range s.commands {
		if !command.ended() {
			count++
		}
	}
	return count
}

func (c *command) wait() {
	err := c.process.Wait()
	code := c.process.ProcessState.ExitCode()
	if err != nil && code == 0 && !errors.Is(err, exec.ErrWaitDelay) {
		code = 1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finished, c.exitCode = true, code
	c.wake()
}

// take gives the next part of the output, and the exit status with the last
// one; nothing, and what to wait for, when nothing has changed.
func (c *command) take(id string) (string, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var streams strings.Builder
	for _, stream := range []struct {
		name string
		data *[]byte
	}{{"stdout", &c.stdout}, {"stderr", &c.stderr}} {
		if part := (*stream.data)[:min(len(*stream.data), maxStreamBytes)]; len(part) > 0 {
			fmt.Fprintf(&streams, `<rsp:Stream Name="%s" CommandId="%s">%s</rsp:Stream>`,
				stream.name, id, base64.StdEncoding.EncodeToString(part))
			*stream.data = (*stream.data)[len(part):]
		}
	}
	state, code := "Running", ""
	if c.finished && len(c.stdout)+len(c.stderr) == 0 {
		state, code = "Done", fmt.Sprintf(`<rsp:ExitCode>%d</rsp:ExitCode>`, c.exitCode)
	} else if streams.Len() == 0 {
		return "", c.changed
	}
	return fmt.Sprintf(`<rsp:ReceiveResponse>%s<rsp:CommandState CommandId="%s" State="%s/CommandState/%s">%s`+
		`</rsp:CommandState></rsp:ReceiveResponse>`, streams.String(), id, shellNamespace, state, code), nil
}

// wake ends the waits for a change; the caller holds the lock.
func (c *command) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *command) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.finished
}

// kill ends the process and all that it started.
func (c *command) kill() {
	if !c.ended() {
		_ = syscall.Kill(-c.process.Process.Pid, syscall.SIGKILL)
	}
}

// streamWriter appends to one stream of a command.
type streamWriter struct {
	command *command
	stream  *[]byte
}

func (w streamWriter) Write(data []byte) (int, error) {
	w.command.mu.Lock()
	defer w.command.mu.Unlock()
	*w.stream = append(*w.stream, data...)
	w.command.wake()
	return len(data), nil
}
