"""A session into a guest by VMware Tools: no network into the guest is needed, and no key.

Takes a VM and a user's password; gives commands run and files moved, through vCenter and the host that has the VM.
Never waits for a guest that is not there yet: that is ``ready.py``.

Source: GuestAuthManager, GuestProcessManager, GuestFileManager (vSphere Web Services API).
"""

from __future__ import annotations

from typing import IO, Any

from libcloud.compute.ssh import BaseSSHClient
from pyVmomi import vim

from ...errors import AuthenticationError, ConnectionFailedError, InvalidRequestError
from ...option_names import expression
from ...vcenter.rows import Ref
from ...vcenter.session import Session
from ..output import Listener
from ..steps import is_appended
from .calls import GuestCalls, open_calls
from .commands import Result, build_powershell, check_path, is_absolute, join
from .files import GuestFiles
from .process import GuestProcesses

__all__ = ["GuestToolsClient"]

QUICK_S = 60.0
"""Seconds for a command that does nothing but tell the user's home."""


class GuestToolsClient(BaseSSHClient):
    """A session by guest operations into one VM; made closed, opened by ``connect``, which may be called again.

    Nothing stays open in between: each call logs in for itself. What a command started in the background goes on.

    :param username: a user of the guest, with a password that is not locked.
    :param timeout: kept for callers that ask; a command has its own. How long an answer may take is the session's.
    :param windows: the guest is a Windows: commands are cmd.exe's. Written after the documentation, never run on one.
    """

    hints = (
        "the user name, and what /var/log/cloud-init.log in the guest says, if cloud-init makes the user",
        "on the node's console that the guest is up, and that vmtoolsd runs in it",
    )
    """What to check when the guest refuses the login, and when its tools can't be reached."""

    needs_password = True
    """Guest operations take nothing else."""

    ends_commands = True
    """Whether a command ends when its caller is interrupted."""

    def __init__(
        self,
        session: Session,
        vm: Ref,
        username: str,
        password: str,
        *,
        timeout: float | None = None,
        windows: bool = False,
    ) -> None:
        if not username or not password:
            raise InvalidRequestError(
                "guest operations need a user name and a password: keys are not known to them; pass "
                f"{expression('auth=NodeAuthPassword(...)')}"
            )
        super().__init__(vm.moid, 443, username, password, None, None, timeout)
        self.session, self.vm, self.windows = session, vm, windows
        self.password_refused = False
        """Whether the guest refused the user or the password in the last ``connect``."""
        self._known: GuestCalls | None = None  # of which connects in a row need only one
        self._calls: GuestCalls | None = None
        self._home = ""

    def __repr__(self) -> str:
        return f"GuestToolsClient({self.username}@{self.hostname})"

    @property
    def place(self) -> str:
        """Where it logs in to, for messages."""
        return f"{self.hostname!r} through VMware Tools"

    def is_final(self, error: ConnectionFailedError) -> bool:
        """Whether connecting again can't help: the guest's tools are told to take no guest operations."""
        return isinstance(error.fault, vim.fault.OperationDisabledByGuest)

    def connect(self, *, tcp_timeout_s: float | None = None, send_password: bool = True) -> bool:
        """Log in; True once the guest has accepted the user and the password.

        ``hostname`` is the VM's name from then on.

        :param tcp_timeout_s: of no use here: nothing is connected to but vCenter.
        :param send_password: False tries nothing, as there is no key.
        :raises ConnectionFailedError: the VM is off, or VMware Tools do not answer in it (yet).
        :raises AuthenticationError: the guest refuses the user or the password.
        :raises NotFoundError: the VM is gone.
        """
        self.close()
        self.password_refused = False
        if not send_password:
            raise AuthenticationError(f"{self.hostname!r} was not sent the password, and there is no key")
        if self._known is None:
            self._known = open_calls(self.session, self.vm, self.username, str(self.password))
            self.hostname = self._known.name
        try:
            self._known.validate()
        except AuthenticationError as refused:
            self.password_refused = isinstance(refused.fault, vim.fault.GuestOperationsFault)
            raise
        self._calls = self._known
        return True

    def run(self, cmd: str, timeout: float | None = None) -> tuple[str, str, int]:
        """Run a command; its stdout, stderr and exit status, which is 128 and the signal's number when a signal
        ended it.

        The user's own shell runs it, in the user's home, without input. What it leaves running in the background does
        not hold it up.

        :param timeout: seconds for the command; None or 0 for no limit.
        :raises SSHCommandTimeoutError: with what it wrote so far. The command was ended, and all that it started.
        :raises ConnectionFailedError: VMware Tools do not answer any more.
        """
        result = self._run(cmd, timeout)
        return result.stdout, result.stderr, result.status

    def stream(self, cmd: str, listener: Listener, timeout: float | None = None) -> int:
        """Run a command whose output goes to the listener as it comes, in a Windows at the end; its exit status.

        :raises SSHCommandTimeoutError: without the output, which the listener has.
        """
        return self._run(cmd, timeout, listener).status

    def run_powershell(self, script: str, timeout: float | None = None) -> tuple[str, str, int]:
        """Run a PowerShell script of any characters, as ``run`` does; in a Windows only."""
        if not self.windows:
            raise InvalidRequestError(
                f"{self.hostname!r} was not said to be a Windows: make the client with windows=True"
            )
        return self.run(build_powershell(script), timeout)

    def put(self, path: str, contents: str | bytes | None = None, chmod: int | None = None, mode: str = "w") -> str:
        """Write the contents into a file, or (mode ``a``) to its end; its absolute path.

        :param path: relative ones start in the user's home; missing folders are made.
        """
        return self._write(path, contents or b"", chmod, mode)

    def putfo(self, path: str, fo: IO[Any] | None = None, chmod: int | None = None) -> str:
        """Write a file from an open one, which is read piece by piece, as ``put`` does."""
        return self._write(path, fo or b"", chmod, "w")

    def get(self, path: str, fo: IO[bytes]) -> int:
        """Write the file into ``fo`` piece by piece; how many bytes it has.

        :raises FileNotFoundError: there is none.
        """
        return self._files().read(self._absolute(path), fo)

    def delete(self, path: str) -> bool:
        """Remove the file; True once it is gone.

        :raises FileNotFoundError: there was none.
        """
        self._files().remove(self._absolute(path))
        return True

    def close(self) -> bool:
        """Close the session; True, also when it was closed before."""
        self._calls, self._home = None, ""
        return True

    def _run(self, cmd: str, timeout: float | None, listener: Listener | None = None) -> Result:
        result = self._processes().run(cmd, timeout, listener=listener)
        self._home = result.home or self._home
        return result

    def _write(self, path: str, contents: str | bytes | IO[Any], chmod: int | None, mode: str) -> str:
        appended, absolute = is_appended(mode), self._absolute(path)
        files = self._files()
        if appended:
            files.append(absolute, contents, chmod)
        else:
            files.write(absolute, contents, chmod)
        return absolute

    def _absolute(self, path: str) -> str:
        check_path(path)
        if is_absolute(path, windows=self.windows):
            return path
        if not self._home:
            self._home = self._processes().run("cd ." if self.windows else ":", QUICK_S).home
        return join(self._home, path, windows=self.windows)

    def _open_calls(self) -> GuestCalls:
        if self._calls is None:
            # By these words Libcloud's deploy_node knows that connecting again may help.
            raise ConnectionFailedError(f"SSH session not active: call connect() for {self.hostname!r} first")
        return self._calls

    def _processes(self) -> GuestProcesses:
        return GuestProcesses(self._open_calls(), self.windows)

    def _files(self) -> GuestFiles:
        return GuestFiles(self._open_calls(), self._processes())
