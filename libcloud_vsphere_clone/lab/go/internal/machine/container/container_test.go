package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vsphere-lab/internal/machine"
)

// engineThat is an engine whose command is a shell script.
func engineThat(t *testing.T, script string, isPodman bool) *Engine {
	t.Helper()
	command := filepath.Join(t.TempDir(), "it's an engine")
	if err := os.WriteFile(command, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return NewEngine("lab-1", command, isPodman)
}

func TestCommandsOfTheEngine(t *testing.T) {
	ctx := context.Background()
	for _, check := range []struct {
		isPodman bool
		run      func(*Engine) error
		want     string
	}{
		{true, func(e *Engine) error { return e.Machine("x").Remove(ctx) }, "rm -v -f --time 0 x"},
		{false, func(e *Engine) error { return e.Machine("x").Remove(ctx) }, "rm -v -f x"},
		{true, func(e *Engine) error { return e.Machine("x").Start(ctx) }, "start x"},
		{true, func(e *Engine) error { return e.Machine("x").Resume(ctx) }, "unpause x"},
	} {
		calls := filepath.Join(t.TempDir(), "calls")
		if err := check.run(engineThat(t, `echo "$@" >> `+calls, check.isPodman)); err != nil {
			t.Error(err)
		}
		if got, _ := os.ReadFile(calls); strings.TrimSpace(string(got)) != check.want {
			t.Errorf("%q, not %q", got, check.want)
		}
	}
}

func TestCreateAddsLabelAndCapability(t *testing.T) {
	got, err := engineThat(t, `echo "$@"`, true).Create(context.Background(), []string{"--name", "x", "image"})
	if want := "create --label vsphere-lab=lab-1 --cap-add SYS_ADMIN --name x image"; got != want || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWatchReportsIDsWithoutQuotes(t *testing.T) {
	var lines []string
	engine := engineThat(t, `echo "$@"`, true)
	if err := engine.Watch(context.Background(), func(id string) { lines = append(lines, id) }); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 1 || lines[0] != "events --format {{.ID}} --filter type=container" {
		t.Errorf("got %q", lines)
	}
}

func TestRemoveAll(t *testing.T) {
	calls := filepath.Join(t.TempDir(), "calls")
	engine := engineThat(t, `echo "$@" >> `+calls+`; [ "$1" = rm ] || printf 'a\nb\n'`, false)
	if err := engine.RemoveAll(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(calls); string(got) != "ps -aq --filter label=vsphere-lab=lab-1\nrm -v -f a b\n" {
		t.Errorf("got %q", got)
	}
}

func TestInspect(t *testing.T) {
	state, err := engineThat(t, `echo '[{"Config": {"Hostname": "web"}, "State": {"Running": true}, "NetworkSettings":
		{"IPAddress": "", "Networks": {"a": {"IPAddress": ""}, "b": {"IPAddress": "192.0.2.1", "IPPrefixLen": 24}}}}]'`, false).
		Machine("x").Inspect(context.Background())
	want := machine.State{Running: true, HostName: "web", Network: machine.Network{Address: "192.0.2.1", Prefix: 24}}
	if state != want || err != nil {
		t.Errorf("got %+v, %v", state, err)
	}
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	gone := engineThat(t, `echo "Error: no such object: x" >&2; exit 125`, true)
	if _, err := gone.Machine("x").Inspect(ctx); !errors.Is(err, machine.ErrNotFound) {
		t.Errorf("of a container that is gone: %v", err)
	}
	broken := engineThat(t, `echo "Error: no netavark" >&2; exit 126`, true)
	if err := broken.Machine("x").Start(ctx); errors.Is(err, machine.ErrNotFound) || !strings.Contains(err.Error(), "no netavark") {
		t.Errorf("of an engine that is broken: %v", err)
	}
}
