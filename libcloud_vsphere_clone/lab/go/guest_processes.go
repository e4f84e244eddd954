package main

import (
	"strconv"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// unlocked opts out of the simulator's lock per object: what takes long in one
// guest does not hold up the others.
type unlocked struct{}

func (unlocked) Lock()   {}
func (unlocked) Unlock() {}

// equipGuests puts managers of our own in the place of the simulator's guest
// operations: those check no password, do everything as root, run programs
// through a shell of this machine, and drop the connection where a VM has no container.
func (l *Lab) equipGuests() {
	registry := l.model.Map()
	content := l.sessions.content()
	if content.GuestOperationsManager == nil {
		return
	}
	operations, ok := registry.Get(*content.GuestOperationsManager).(*simulator.GuestOperationsManager)
	if !ok {
		return
	}
	auth := &guestAuth{GuestAuthManager: mo.GuestAuthManager{
		Self: types.ManagedObjectReference{Type: "GuestAuthManager", Value: "guestOperationsAuthManager"},
	}}
	operations.AuthManager = &auth.Self
	registry.Put(auth)
	registry.Put(&guestProcesses{GuestProcessManager: mo.GuestProcessManager{Self: *operations.ProcessManager}})
	registry.Put(&guestFiles{GuestFileManager: mo.GuestFileManager{Self: *operations.FileManager}, lab: l})
}

type guestAuth struct {
	mo.GuestAuthManager
	unlocked
}

// ValidateCredentialsInGuest only checks the login. InvalidGuestLogin "is thrown
// when an operation fails because authentication information used to
// authenticate with the guest was not accepted".
func (m *guestAuth) ValidateCredentialsInGuest(ctx *simulator.Context, req *types.ValidateCredentialsInGuest) soap.HasFault {
	body := new(methods.ValidateCredentialsInGuestBody)
	user, fault := guestUserOf(ctx, req.Vm, req.Auth)
	if fault == nil {
		_, fault = user.ask("validate")
	}
	if fault != nil {
		body.Fault_ = simulator.Fault("", fault)
		return body
	}
	body.Res = new(types.ValidateCredentialsInGuestResponse)
	return body
}

type guestProcesses struct {
	mo.GuestProcessManager
	unlocked
}

// StartProgramInGuest: "For Linux guest operating systems, /bin/bash is used to
// start the program." "For Linux guest operating
// systems, if [workingDirectory] is unset or is an empty string, the working
// directory will be the home directory of the user associated with the guest
// authentication." envVariables "are not additions to the default environment
// variables; they define the complete set available to the program".
func (m *guestProcesses) StartProgramInGuest(ctx *simulator.Context, req *types.StartProgramInGuest) soap.HasFault {
	body := new(methods.StartProgramInGuestBody)
	user, fault := guestUserOf(ctx, req.Vm, req.Auth)
	var pid string
	if fault == nil {
		spec := req.Spec.GetGuestProgramSpec()
		words := append([]string{spec.ProgramPath, spec.Arguments, spec.WorkingDirectory}, spec.EnvVariables...)
		pid, fault = user.ask("start", words...)
	}
	if fault != nil {
		body.Fault_ = simulator.Fault("", fault)
		return body
	}
	body.Res = &types.StartProgramInGuestResponse{Returnval: number(pid)}
	return body
}

// ListProcessesInGuest: "If the process was started using StartProgramInGuest
// then the process exit code will be available if queried within 5 minutes
// after it completes." "If a specified processes does not exist, nothing will be
// returned for that process."
func (m *guestProcesses) ListProcessesInGuest(ctx *simulator.Context, req *types.ListProcessesInGuest) soap.HasFault {
	body := new(methods.ListProcessesInGuestBody)
	user, fault := guestUserOf(ctx, req.Vm, req.Auth)
	var text string
	if fault == nil {
		var pids []string
		for _, pid := range req.Pids {
			pids = append(pids, strconv.FormatInt(pid, 10))
		}
		text, fault = user.ask("list", pids...)
	}
	if fault != nil {
		body.Fault_ = simulator.Fault("", fault)
		return body
	}
	body.Res = new(types.ListProcessesInGuestResponse)
	for _, row := range rows(text, 7) {
		info := types.GuestProcessInfo{Name: row[0], Pid: number(row[1]), Owner: row[2], CmdLine: row[3], StartTime: moment(row[4])}
		if row[5] != "" {
			info.EndTime, info.ExitCode = types.NewTime(moment(row[5])), int32(number(row[6]))
		}
		body.Res.Returnval = append(body.Res.Returnval, info)
	}
	return body
}

// TerminateProcessInGuest ends one process: GuestProcessNotFound "is thrown when
// an operation fails because the guest process specified does not exist".
func (m *guestProcesses) TerminateProcessInGuest(ctx *simulator.Context, req *types.TerminateProcessInGuest) soap.HasFault {
	body := new(methods.TerminateProcessInGuestBody)
	user, fault := guestUserOf(ctx, req.Vm, req.Auth)
	if fault == nil {
		_, fault = user.ask("terminate", strconv.FormatInt(req.Pid, 10))
	}
	if fault != nil {
		body.Fault_ = simulator.Fault("", fault)
		return body
	}
	body.Res = new(types.TerminateProcessInGuestResponse)
	return body
}
