package guestops

import (
	"strconv"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

type fileManager struct {
	mo.GuestFileManager
	operations
}

// CreateTemporaryDirectoryInGuest makes a directory that only the user may enter.
// directoryPath: "If unset or an empty string, a guest-specific location will be used."
func (m *fileManager) CreateTemporaryDirectoryInGuest(ctx *simulator.Context, req *types.CreateTemporaryDirectoryInGuest) soap.HasFault {
	body := new(methods.CreateTemporaryDirectoryInGuestBody)
	path, fault := m.ask(ctx, req.Vm, req.Auth, "mktemp", req.Prefix, req.Suffix, req.DirectoryPath)
	body.Res, body.Fault_ = result(types.CreateTemporaryDirectoryInGuestResponse{Returnval: path}, fault)
	return body
}

// MakeDirectoryInGuest ends in FileAlreadyExists where there is one, and in
// FileNotFound where a parent is missing and is not to be made.
func (m *fileManager) MakeDirectoryInGuest(ctx *simulator.Context, req *types.MakeDirectoryInGuest) soap.HasFault {
	body := new(methods.MakeDirectoryInGuestBody)
	_, fault := m.ask(ctx, req.Vm, req.Auth, "mkdir", req.DirectoryPath, bit(req.CreateParentDirectories))
	body.Res, body.Fault_ = result(types.MakeDirectoryInGuestResponse{}, fault)
	return body
}

// DeleteDirectoryInGuest: recursive: "If true, all subdirectories are also
// deleted. If false, the directory must be empty for the operation to succeed."
func (m *fileManager) DeleteDirectoryInGuest(ctx *simulator.Context, req *types.DeleteDirectoryInGuest) soap.HasFault {
	body := new(methods.DeleteDirectoryInGuestBody)
	_, fault := m.ask(ctx, req.Vm, req.Auth, "rmdir", req.DirectoryPath, bit(req.Recursive))
	body.Res, body.Fault_ = result(types.DeleteDirectoryInGuestResponse{}, fault)
	return body
}

// DeleteFileInGuest ends in NotAFile for a directory, and in FileNotFound where there is none.
func (m *fileManager) DeleteFileInGuest(ctx *simulator.Context, req *types.DeleteFileInGuest) soap.HasFault {
	body := new(methods.DeleteFileInGuestBody)
	_, fault := m.ask(ctx, req.Vm, req.Auth, "rm", req.FilePath)
	body.Res, body.Fault_ = result(types.DeleteFileInGuestResponse{}, fault)
	return body
}

// ListFilesInGuest: of a file, the file itself; of a directory, what is in it.
func (m *fileManager) ListFilesInGuest(ctx *simulator.Context, req *types.ListFilesInGuest) soap.HasFault {
	body := new(methods.ListFilesInGuestBody)
	text, fault := m.ask(ctx, req.Vm, req.Auth, "files", req.FilePath)
	var found types.GuestListFileInfo
	for _, row := range rows(text, 8) {
		found.Files = append(found.Files, types.GuestFileInfo{
			Path: row[0], Type: row[1], Size: number(row[2]), Attributes: posixAttributes(row[3:]),
		})
	}
	body.Res, body.Fault_ = result(types.ListFilesInGuestResponse{Returnval: found}, fault)
	return body
}

// InitiateFileTransferToGuest: guestFilePath "cannot be a path to a directory or
// a symbolic link". overwrite: "If set, the destination file is clobbered."
func (m *fileManager) InitiateFileTransferToGuest(ctx *simulator.Context, req *types.InitiateFileTransferToGuest) soap.HasFault {
	body := new(methods.InitiateFileTransferToGuestBody)
	upload := ticket{path: req.GuestFilePath, upload: true, size: req.FileSize, mode: 0o644}
	// GuestPosixFileAttributes.permissions: if it is not specified, "the file
	// will be created with 0644 permissions".
	if attributes, ok := req.FileAttributes.(*types.GuestPosixFileAttributes); ok && attributes.Permissions != 0 {
		upload.mode = attributes.Permissions
	}
	_, url, fault := m.initiate(ctx, req.Vm, req.Auth, upload, "check-put", bit(req.Overwrite))
	body.Res, body.Fault_ = result(types.InitiateFileTransferToGuestResponse{Returnval: url}, fault)
	return body
}

// InitiateFileTransferFromGuest returns the file's attributes, its "total size
// ... in bytes" and the URL to which "the user has to send HTTP GET request".
func (m *fileManager) InitiateFileTransferFromGuest(ctx *simulator.Context, req *types.InitiateFileTransferFromGuest) soap.HasFault {
	body := new(methods.InitiateFileTransferFromGuestBody)
	text, url, fault := m.initiate(ctx, req.Vm, req.Auth, ticket{path: req.GuestFilePath}, "check-get")
	row := append(rows(text, 6), make([]string, 6))[0]
	body.Res, body.Fault_ = result(types.InitiateFileTransferFromGuestResponse{Returnval: types.FileTransferInformation{
		Attributes: posixAttributes(row[1:]), Size: number(row[0]), Url: url,
	}}, fault)
	return body
}

// initiate opens a transfer that the guest's tools have checked, and returns their
// answer and its URL.
func (m *fileManager) initiate(ctx *simulator.Context, vm types.ManagedObjectReference, auth types.BaseGuestAuthentication, transfer ticket, check string, arguments ...string) (text, url string, fault types.BaseMethodFault) {
	if transfer.user, fault = m.login(ctx, vm, auth); fault != nil {
		return "", "", fault
	}
	if text, fault = transfer.user.ask(check, append([]string{transfer.path}, arguments...)...); fault != nil {
		return "", "", fault
	}
	return text, m.transfers.open(transfer), nil
}

// posixAttributes are mode, owner, group and the times of change and of use.
func posixAttributes(row []string) *types.GuestPosixFileAttributes {
	id := func(text string) *int32 {
		value, _ := strconv.ParseInt(text, 10, 32)
		short := int32(value)
		return &short
	}
	attributes := &types.GuestPosixFileAttributes{OwnerId: id(row[1]), GroupId: id(row[2]), Permissions: number(row[0])}
	attributes.ModificationTime = types.NewTime(moment(row[3]))
	attributes.AccessTime = types.NewTime(moment(row[4]))
	return attributes
}
