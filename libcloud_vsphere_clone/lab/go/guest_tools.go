package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// toolsProgram stands for VMware Tools. It runs in the guest, once per request:
// Debian has Perl wherever it has a package manager.
//
//go:embed guest_tools.pl
var toolsProgram string

const toolsTimeout = 60 * time.Second

// guestUser is who asks for something in a guest.
type guestUser struct {
	container string
	name      string
	password  string
}

// guestUserOf is who a request's authentication says it is, in a VM whose guest can be asked.
//
// GuestOperationsUnavailable "is thrown when an operation fails to contact the
// guest operations agent running inside the virtual machine", InvalidPowerState
// if it "could not be performed given the current power state".
func guestUserOf(ctx *simulator.Context, ref types.ManagedObjectReference, auth types.BaseGuestAuthentication) (guestUser, types.BaseMethodFault) {
	vm, ok := ctx.Map.Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return guestUser{}, &types.ManagedObjectNotFound{Obj: ref}
	}
	user, state := guestUser{}, types.VirtualMachinePowerStatePoweredOff
	ctx.WithLock(vm, func() {
		state = vm.Runtime.PowerState
		if containerCommand(vm) != "" {
			user.container = containerName(&vm.VirtualMachine)
		}
	})
	if state != types.VirtualMachinePowerStatePoweredOn {
		return user, &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: state}
	}
	if user.container == "" {
		return user, new(types.GuestOperationsUnavailable)
	}
	login, ok := auth.(*types.NamePasswordAuthentication)
	if !ok {
		return user, new(types.OperationNotSupportedByGuest)
	}
	user.name, user.password = login.Username, login.Password
	return user, nil
}

// command is a request to the guest's tools, not started yet: its words are on
// its standard input, never on a command line.
func (u guestUser) command(ctx context.Context, contents io.Reader, what string, arguments ...string) *exec.Cmd {
	var words bytes.Buffer
	for _, word := range append([]string{u.name, u.password, what, strconv.Itoa(len(arguments))}, arguments...) {
		fmt.Fprintf(&words, "%d\n%s", len(word), word)
	}
	// Only the guest's own boot may name the host, see guest/boot.
	cmd := exec.CommandContext(ctx, "docker", "exec", "-i", u.container,
		"setpriv", "--bounding-set=-sys_admin", "perl", "-e", toolsProgram)
	cmd.Stdin = &words
	if contents != nil {
		cmd.Stdin = io.MultiReader(&words, contents)
	}
	return cmd
}

// ask has the guest's tools do something, and returns what they say.
func (u guestUser) ask(what string, arguments ...string) (string, types.BaseMethodFault) {
	ctx, cancel := context.WithTimeout(context.Background(), toolsTimeout)
	defer cancel()
	out, err := u.command(ctx, nil, what, arguments...).Output()
	return toolsAnswer(bufio.NewReader(bytes.NewReader(out)), err)
}

// toolsAnswer is the rest of an answer, or the fault that it names.
func toolsAnswer(out *bufio.Reader, failed error) (string, types.BaseMethodFault) {
	status, err := out.ReadString('\n')
	if failed != nil || err != nil {
		return "", new(types.GuestOperationsUnavailable) // it is booting, or on its way down
	}
	rest, _ := io.ReadAll(out)
	if status != "ok\n" {
		return "", toolsFault(strings.TrimSpace(status), string(rest))
	}
	return string(rest), nil
}

// toolsFault is the vim fault of that name.
func toolsFault(name, detail string) types.BaseMethodFault {
	file := types.FileFault{File: detail}
	pid, _ := strconv.ParseInt(detail, 10, 64)
	for known, fault := range map[string]types.BaseMethodFault{
		"InvalidGuestLogin":     new(types.InvalidGuestLogin),
		"GuestPermissionDenied": new(types.GuestPermissionDenied),
		"InvalidArgument":       &types.InvalidArgument{InvalidProperty: "guestFilePath"},
		"GuestProcessNotFound":  &types.GuestProcessNotFound{Pid: pid},
		"FileNotFound":          &types.FileNotFound{FileFault: file},
		"FileAlreadyExists":     &types.FileAlreadyExists{FileFault: file},
		"CannotAccessFile":      &types.CannotAccessFile{FileFault: file},
		"DirectoryNotEmpty":     &types.DirectoryNotEmpty{FileFault: file},
		"NotADirectory":         &types.NotADirectory{FileFault: file},
		"NotAFile":              &types.NotAFile{FileFault: file},
	} {
		if known == name {
			return fault
		}
	}
	return new(types.GuestOperationsFault)
}

var errNoTools = errors.New("the guest's tools did not answer")

// rows cuts an answer into rows of that many fields.
func rows(text string, width int) [][]string {
	if text == "" {
		return nil
	}
	var found [][]string
	for fields := strings.Split(text, "\x00"); len(fields) >= width; fields = fields[width:] {
		found = append(found, fields[:width])
	}
	return found
}

func bit(value bool) string {
	if value {
		return "1"
	}
	return ""
}

func number(text string) int64 {
	value, _ := strconv.ParseInt(text, 10, 64)
	return value
}

func moment(text string) time.Time {
	return time.Unix(number(text), 0).UTC()
}
