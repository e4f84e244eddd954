// Package guestops is vCenter's guest operations: managers that do in a guest, through
// its tools, what clients ask for.
package guestops

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/guestrpc"
)

const toolsTimeout = 60 * time.Second

// user is the user on whose behalf something is done in a guest. VMware Tools
// run there (guest/guest-operations), and check the password.
type user struct {
	channel  *guestrpc.Channel
	name     string
	password string
}

// operations is what the managers of guest operations have in common.
type operations struct {
	unlocked
	channels  *guestrpc.Channels
	transfers *Transfers
}

// unlocked opts out of the simulator's lock per object: what takes long in one
// guest does not hold up the others.
type unlocked struct{}

func (unlocked) Lock()   {}
func (unlocked) Unlock() {}

// login is the user of a request's authentication, in a VM whose guest can be asked.
//
// GuestOperationsUnavailable "is thrown when an operation fails to contact the
// guest operations agent running inside the virtual machine", InvalidPowerState
// if it "could not be performed given the current power state".
func (o operations) login(ctx *simulator.Context, ref types.ManagedObjectReference, auth types.BaseGuestAuthentication) (user, types.BaseMethodFault) {
	vm, ok := ctx.Map.Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return user{}, &types.ManagedObjectNotFound{Obj: ref}
	}
	var user user
	state := types.VirtualMachinePowerStatePoweredOff
	ctx.WithLock(vm, func() {
		state = vm.Runtime.PowerState
		user.channel = o.channels.Of(vm)
	})
	if state != types.VirtualMachinePowerStatePoweredOn {
		return user, &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: state}
	}
	if user.channel == nil {
		return user, new(types.GuestOperationsUnavailable)
	}
	credentials, ok := auth.(*types.NamePasswordAuthentication)
	if !ok {
		return user, new(types.OperationNotSupportedByGuest)
	}
	user.name, user.password = credentials.Username, credentials.Password
	return user, nil
}

// ask makes the guest's tools do something for a user, and returns their answer.
func (o operations) ask(ctx *simulator.Context, vm types.ManagedObjectReference, auth types.BaseGuestAuthentication, what string, arguments ...string) (string, types.BaseMethodFault) {
	user, fault := o.login(ctx, vm, auth)
	if fault != nil {
		return "", fault
	}
	return user.ask(what, arguments...)
}

// result is the content of a method's body: the response, or the fault instead.
func result[T any](response T, fault types.BaseMethodFault) (*T, *soap.Fault) {
	if fault != nil {
		return nil, simulator.Fault("", fault)
	}
	return &response, nil
}

// toolsReply is the answer of the guest's tools: a status, and then so many bytes.
type toolsReply struct {
	net.Conn
	status string
	size   int64
	rest   io.Reader
}

// send sends one request to the guest's tools, with what goes into a file, and
// returns when they begin to answer. The context's end closes the connection.
func (u user) send(ctx context.Context, contents io.Reader, what string, arguments ...string) (*toolsReply, error) {
	connection, err := u.channel.DialTools(ctx)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = connection.Close() })
	var words bytes.Buffer
	for _, word := range append([]string{u.name, u.password, what, strconv.Itoa(len(arguments))}, arguments...) {
		fmt.Fprintf(&words, "%d\n%s", len(word), word)
	}
	// Their answer says whether they read all of that: they may refuse before.
	_, _ = words.WriteTo(connection)
	if contents != nil {
		_, _ = io.Copy(connection, contents)
	}
	_ = connection.CloseWrite()
	buffered := bufio.NewReaderSize(connection, 64<<10)
	line, err := buffered.ReadString('\n')
	if err != nil {
		return nil, errors.Join(guestrpc.ErrNoTools, connection.Close())
	}
	status, length, _ := strings.Cut(strings.TrimSpace(line), " ")
	size := number(length)
	return &toolsReply{Conn: connection, status: status, size: size, rest: io.LimitReader(buffered, size)}, nil
}

// ask makes the guest's tools do something, and returns their answer.
func (u user) ask(what string, arguments ...string) (string, types.BaseMethodFault) {
	ctx, cancel := context.WithTimeout(context.Background(), toolsTimeout)
	defer cancel()
	return u.call(ctx, nil, what, arguments...)
}

// call is the rest of the answer to a request, or the fault that it names.
func (u user) call(ctx context.Context, contents io.Reader, what string, arguments ...string) (string, types.BaseMethodFault) {
	unavailable := new(types.GuestOperationsUnavailable) // it is booting, or on its way down
	reply, err := u.send(ctx, contents, what, arguments...)
	if err != nil {
		return "", unavailable
	}
	defer reply.Close()
	rest, _ := io.ReadAll(reply.rest)
	switch {
	case int64(len(rest)) != reply.size:
		return "", unavailable
	case reply.status != "ok":
		return "", toolsFault(reply.status, string(rest))
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
