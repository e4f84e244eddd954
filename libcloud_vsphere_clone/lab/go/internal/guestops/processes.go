package guestops

import (
	"strconv"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"vsphere-lab/internal/guestrpc"
)

// Register replaces the managers of the simulator's guest operations by ones of
// this package: the simulator's check no password, do everything as root, run programs
// through a shell of this machine, and drop the connection where a VM has no container.
func Register(registry *simulator.Registry, content types.ServiceContent, channels *guestrpc.Channels, transfers *Transfers) {
	if content.GuestOperationsManager == nil {
		return
	}
	manager, ok := registry.Get(*content.GuestOperationsManager).(*simulator.GuestOperationsManager)
	if !ok {
		return
	}
	common := operations{channels: channels, transfers: transfers}
	auth := &authManager{mo.GuestAuthManager{
		Self: types.ManagedObjectReference{Type: "GuestAuthManager", Value: "guestOperationsAuthManager"},
	}, common}
	manager.AuthManager = &auth.Self
	registry.Put(auth)
	registry.Put(&processManager{mo.GuestProcessManager{Self: *manager.ProcessManager}, common})
	registry.Put(&fileManager{mo.GuestFileManager{Self: *manager.FileManager}, common})
}

type authManager struct {
	mo.GuestAuthManager
	operations
}

// ValidateCredentialsInGuest only checks the login. InvalidGuestLogin "is thrown
// when an operation fails because authentication information used to
// authenticate with the guest was not accepted".
func (m *authManager) ValidateCredentialsInGuest(ctx *simulator.Context, req *types.ValidateCredentialsInGuest) soap.HasFault {
	body := new(methods.ValidateCredentialsInGuestBody)
	_, fault := m.ask(ctx, req.Vm, req.Auth, "validate")
	body.Res, body.Fault_ = result(types.ValidateCredentialsInGuestResponse{}, fault)
	return body
}

type processManager struct {
	mo.GuestProcessManager
	operations
}

// StartProgramInGuest: "For Linux guest operating systems, /bin/bash is used to
// start the program." "For Linux guest operating
// systems, if [workingDirectory] is unset or is an empty string, the working
// directory will be the home directory of the user associated with the guest
// authentication." envVariables "are not additions to the default environment
// variables; they define the complete set available to the program".
func (m *processManager) StartProgramInGuest(ctx *simulator.Context, req *types.StartProgramInGuest) soap.HasFault {
	body := new(methods.StartProgramInGuestBody)
	spec := req.Spec.GetGuestProgramSpec()
	words := append([]string{spec.ProgramPath, spec.Arguments, spec.WorkingDirectory}, spec.EnvVariables...)
	pid, fault := m.ask(ctx, req.Vm, req.Auth, "start", words...)
	body.Res, body.Fault_ = result(types.StartProgramInGuestResponse{Returnval: number(pid)}, fault)
	return body
}

// ListProcessesInGuest: "If the process was started using StartProgramInGuest
// then the process exit code will be available if queried within 5 minutes
// after it completes." "If a specified processes does not exist, nothing will be
// returned for that process."
func (m *processManager) ListProcessesInGuest(ctx *simulator.Context, req *types.ListProcessesInGuest) soap.HasFault {
	body := new(methods.ListProcessesInGuestBody)
	var pids []string
	for _, pid := range req.Pids {
		pids = append(pids, strconv.FormatInt(pid, 10))
	}
	text, fault := m.ask(ctx, req.Vm, req.Auth, "list", pids...)
	var found types.ListProcessesInGuestResponse
	for _, row := range rows(text, 7) {
		info := types.GuestProcessInfo{Name: row[0], Pid: number(row[1]), Owner: row[2], CmdLine: row[3], StartTime: moment(row[4])}
		if row[5] != "" {
			info.EndTime, info.ExitCode = types.NewTime(moment(row[5])), int32(number(row[6]))
		}
		found.Returnval = append(found.Returnval, info)
	}
	body.Res, body.Fault_ = result(found, fault)
	return body
}

// TerminateProcessInGuest ends one process: GuestProcessNotFound "is thrown when
// an operation fails because the guest process specified does not exist".
func (m *processManager) TerminateProcessInGuest(ctx *simulator.Context, req *types.TerminateProcessInGuest) soap.HasFault {
	body := new(methods.TerminateProcessInGuestBody)
	_, fault := m.ask(ctx, req.Vm, req.Auth, "terminate", strconv.FormatInt(req.Pid, 10))
	body.Res, body.Fault_ = result(types.TerminateProcessInGuestResponse{}, fault)
	return body
}
