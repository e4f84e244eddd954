"""The guest operations of one VM, as one user: each method is one call to vCenter.

Takes a session, a VM and a login; gives what the API says, with its faults as errors that say what to do. Never waits,
and never repeats what may have been done.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pyVmomi import vim, vmodl

from ...errors import ConnectionFailedError, NotFoundError, translated
from ...vcenter.properties import fetch_rows
from ...vcenter.rows import Ref
from ...vcenter.session import Session

__all__ = ["GuestCalls", "open_calls"]

OPERATIONS = "GuestOperationsManager"
MANAGERS = ("authManager", "fileManager", "processManager")

NOT_UP = (vim.fault.ToolsUnavailable, vim.fault.InvalidPowerState)


@dataclass(frozen=True)
class GuestCalls:
    """One user in one guest.

    :param name: the VM's name, for messages.
    """

    session: Session
    vm: Ref
    name: str
    username: str
    auth: Any = field(repr=False)
    auth_manager: Any = field(repr=False)
    file_manager: Any = field(repr=False)
    process_manager: Any = field(repr=False)

    @property
    def target(self) -> Any:
        return self.session.managed(*self.vm)

    def validate(self) -> None:
        with self.explained("open a session"):
            self.auth_manager.ValidateCredentialsInGuest(self.target, self.auth)

    def start(self, program: str, arguments: str, folder: str | None = None) -> int:
        """Start the program; its process id."""
        spec = vim.vm.guest.ProcessManager.ProgramSpec(
            programPath=program, arguments=arguments, workingDirectory=folder
        )
        with self.explained("start a program", program):
            return int(self.process_manager.StartProgramInGuest(self.target, self.auth, spec))

    def processes(self, *pids: int) -> list[Any]:
        """GuestProcessInfo of these, or of all; of ours that ended, for five minutes more."""
        with self.explained("list the processes"):
            return list(self.process_manager.ListProcessesInGuest(self.target, self.auth, list(pids)))

    def terminate(self, pid: int) -> None:
        """End the program, which may have ended by itself meanwhile."""
        with self.explained("end a program"):
            try:
                self.process_manager.TerminateProcessInGuest(self.target, self.auth, pid)
            except vim.fault.GuestProcessNotFound:
                return

    def make_temporary_folder(self, prefix: str) -> str:
        with self.explained("make a temporary folder"):
            return str(self.file_manager.CreateTemporaryDirectoryInGuest(self.target, self.auth, prefix, ""))

    def make_folders(self, path: str) -> None:
        with self.explained("make the folder", path):
            try:
                self.file_manager.MakeDirectoryInGuest(self.target, self.auth, path, True)
            except vim.fault.FileAlreadyExists:
                return

    def remove_folder(self, path: str) -> None:
        with self.explained("remove the folder", path):
            self.file_manager.DeleteDirectoryInGuest(self.target, self.auth, path, True)

    def remove_file(self, path: str) -> None:
        with self.explained("remove the file", path):
            self.file_manager.DeleteFileInGuest(self.target, self.auth, path)

    def permissions(self, path: str) -> int | None:
        """The permission bits of the file; None when there is none."""
        with self.explained("look at the file", path):
            try:
                found = self.file_manager.ListFilesInGuest(self.target, self.auth, path, 0, 1, None)
            except vim.fault.FileNotFound:
                return None
        bits = next((getattr(file.attributes, "permissions", None) for file in found.files or ()), None)
        return None if bits is None else bits & 0o7777

    def upload_url(self, path: str, attributes: Any, size_bytes: int) -> str:
        with self.explained("write the file", path):
            return str(
                self.file_manager.InitiateFileTransferToGuest(
                    self.target, self.auth, path, attributes, size_bytes, True
                )
            )

    def download_url(self, path: str) -> str:
        with self.explained("read the file", path):
            return str(self.file_manager.InitiateFileTransferFromGuest(self.target, self.auth, path).url)

    @contextmanager
    def explained(self, action: str, path: str = "") -> Iterator[None]:
        """What vCenter raises in the block, as errors.

        :raises AuthenticationError: the guest refuses the user or the password.
        :raises ConnectionFailedError: the guest's tools do not answer (yet), or vCenter does not.
        :raises OSError: as from any file operation; with ELOOP, the path may be a symbolic link, which "cannot be" the
            path of a transfer (GuestFileManager.InitiateFileTransferToGuest).
        """
        where = f"{action} {path!r}" if path else action
        attempt = f"{where} in {self.name!r} as {self.username!r} by guest operations"
        try:
            with translated(attempt):
                yield
        except Exception as error:
            better = _better_error(error, attempt, path)
            if better is None:
                raise
            raise better from error


def open_calls(session: Session, vm: Ref, username: str, password: str) -> GuestCalls:
    """The guest operations of this VM for this user; nothing is checked in the guest yet. One read.

    :raises NotFoundError: the VM is gone.
    """
    manager = session.content.guestOperationsManager
    operations = Ref(OPERATIONS, manager._GetMoId())
    rows = fetch_rows(session, {OPERATIONS: MANAGERS, vm.kind: ("name",)}, objects=[operations, vm], everywhere=())
    if vm not in rows:
        raise NotFoundError("VM", vm.moid, "it was removed, or this user cannot see it")
    auth = vim.vm.guest.NamePasswordAuthentication(interactiveSession=False, username=username, password=password)
    found: Mapping[str, Any] = rows.get(operations) or {}
    managers = {path: session.managed(*found[path]) for path in MANAGERS if found.get(path)}
    return GuestCalls(
        session,
        vm,
        str(rows[vm].get("name") or vm.moid),
        username,
        auth,
        managers.get("authManager"),
        managers.get("fileManager"),
        managers.get("processManager"),
    )


def _better_error(error: Exception, attempt: str, path: str) -> Exception | None:
    """What is more telling for a file or a VM that may yet come up than the general mapping of ``errors``."""
    cause, text = getattr(error, "fault", None), f"could not {attempt}"
    if isinstance(cause, NOT_UP):
        return ConnectionFailedError(f"{error}; check that the VM is on and has booted", fault=cause)
    if isinstance(cause, vim.fault.FileNotFound):
        return FileNotFoundError(errno.ENOENT, text, cause.file or path)
    if isinstance(cause, vim.fault.GuestPermissionDenied):
        return PermissionError(errno.EACCES, text, path)
    if isinstance(cause, vim.fault.NotAFile):
        return IsADirectoryError(errno.EISDIR, text, path)
    if isinstance(cause, vim.fault.NotADirectory):
        return NotADirectoryError(errno.ENOTDIR, text, path)
    if isinstance(cause, vmodl.fault.InvalidArgument) and path:
        return OSError(errno.ELOOP, f"{text}: {error}", path)
    return None
