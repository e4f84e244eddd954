"""A WinRM session into a Windows guest, as Libcloud's deployments use one.

Takes an address and a login; gives commands run and files written. Never sends a password over a connection whose
certificate was not checked, unless told so in so many words.

The library for it is an extra: ``pip install libcloud-vsphere-clone[winrm]``.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import io
import secrets
import ssl as tls
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from libcloud.compute.ssh import BaseSSHClient, SSHCommandTimeoutError

from ...errors import AuthenticationError, ConnectionFailedError, InvalidRequestError
from ..login_retry import Backoff, RetryPace
from ..output import Listener
from ..powershell import (
    LONGEST_INLINE,
    command_line,
    delete_script,
    encoded_command,
    upload_script,
    windows_contents,
    windows_name,
)
from ..steps import is_appended
from .login import WinRMLogin, check_login, find_trust

if TYPE_CHECKING:
    from .shell import RemoteShell, ShellResult

__all__ = ["WINRM_PACE", "GuestWinRMClient"]

DEFAULT_TIMEOUT_S = 30.0

WINRM_PACE = RetryPace(password_refused=Backoff(20.0, 3.0, 300.0), window_s=900.0)
"""At most 4 refused passwords in 15 minutes, spread: Windows refuses all until its setup has set the password, and
its usual policies lock an account out after 5 to 10 in 10 to 15 minutes (Account lockout threshold)."""


class GuestWinRMClient(BaseSSHClient):
    """A session over WinRM into one guest; made closed, opened by ``connect``, which may be called again.

    Commands are run by cmd.exe, in the user's home; a ``.ps1`` at the start of one by PowerShell. A script step
    without a name is PowerShell. Permissions (``chmod``) mean nothing to Windows and are ignored.

    :param ca_cert: a PEM file with the CA, or the guest's own certificate; None is the system's store.
    :param verify: False trusts whatever server answers; it must be typed.
    :param server_name: the name in the certificate, when that is not the address.
    :param ssl: False is plain http (port 5985), where ``auth`` must be one that encrypts messages.
    :param auth: ``negotiate`` (Kerberos or NTLM), ``ntlm``, ``kerberos``, ``basic``, ``certificate``.
    :param certificate: the paths of the user's certificate and its key (PEM), for ``certificate``.
    :param timeout: seconds for the connection.
    :raises InvalidRequestError: a login that would show the password, or the library is not installed.
    """

    hints = (
        "the user name and its password, and that the guest's WinRM service allows this kind of login "
        "(winrm get winrm/config/service)",
        "that this machine can reach the guest's network, the guest's firewall, and that WinRM listens there "
        "(winrm enumerate winrm/config/listener)",
    )
    """What to check when the guest refuses the login, and when it can't be reached."""

    ends_commands = True
    """Whether a command ends when its caller is interrupted."""

    def __init__(
        self,
        hostname: str,
        port: int | None = None,
        username: str = "Administrator",
        password: str | None = None,
        *,
        ca_cert: str | None = None,
        verify: bool = True,
        server_name: str | None = None,
        ssl: bool = True,
        auth: str = "negotiate",
        certificate: tuple[str, str] | None = None,
        timeout: float | None = None,
    ) -> None:
        _load_shell()
        check_login(ssl, auth, password, certificate)
        super().__init__(hostname, port or (5986 if ssl else 5985), username, password, timeout=timeout)
        self.auth = auth
        self.password_refused = False
        """Whether the last ``connect`` sent the password and the guest refused it."""
        self._login = WinRMLogin(
            hostname,
            self.port,
            username,
            password if auth != "certificate" else None,
            ssl,
            auth,
            trust=find_trust(ca_cert, verify),
            server_name=server_name,
            options={"certificate_pem": certificate[0], "certificate_key_pem": certificate[1]} if certificate else {},
        )
        self._shell: RemoteShell | None = None
        self._uploaded: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"GuestWinRMClient({self.username}@{self.hostname}:{self.port})"

    @property
    def needs_password(self) -> bool:
        """Whether the password is all there is to log in with."""
        return self.auth != "certificate"

    @property
    def place(self) -> str:
        """Where it logs in to, for messages."""
        return f"{self.hostname} port {self.port}"

    def is_final(self, error: ConnectionFailedError) -> bool:
        """Whether connecting again can't help: its certificate is not to be trusted."""
        return _is_in_chain(error.fault, tls.SSLCertVerificationError)

    def connect(self, *, tcp_timeout_s: float | None = None, send_password: bool = True) -> bool:
        """Log in; True once a shell of the guest is open.

        :param tcp_timeout_s: seconds for the TCP connection alone, where that is less than ``timeout``.
        :param send_password: False to try nothing that needs the password.
        :raises ConnectionFailedError: no WinRM answers there (yet), or with a certificate that is not trusted.
        :raises AuthenticationError: it answers, and refuses the login.
        """
        self.close()
        self.password_refused = False
        if self.needs_password and not send_password:
            raise AuthenticationError(f"{self.place} was not sent the password, and there is no key")
        timeout_s = float(self.timeout or DEFAULT_TIMEOUT_S)
        try:
            self._shell = _load_shell().RemoteShell(
                self._login,
                connect_timeout_s=min(tcp_timeout_s or timeout_s, timeout_s),
                answer_timeout_s=timeout_s,
            )
        except AuthenticationError:
            self.password_refused = self.needs_password
            raise
        return True

    def run(self, cmd: str, timeout: float | None = None) -> tuple[str, str, int]:
        """Run a command; its stdout, stderr and exit status. Its input is empty.

        :param timeout: seconds for the command; None or 0 for no limit.
        :raises SSHCommandTimeoutError: with what it wrote so far; the command has been ended.
        """
        return self._finished(cmd, command_line(cmd, self._uploaded), timeout)

    def stream(self, cmd: str, listener: Listener, timeout: float | None = None) -> int:
        """Run a command whose output goes to the listener as it comes; its exit status.

        :raises SSHCommandTimeoutError: without the output, which the listener has.
        """
        return self._finished(cmd, command_line(cmd, self._uploaded), timeout, listener)[2]

    def run_powershell(self, script: str, timeout: float | None = None) -> tuple[str, str, int]:
        """Run the text of a PowerShell script, as ``run`` does: ``exit`` is its exit status, 1 an uncaught error."""
        line = encoded_command(f"$ProgressPreference = 'SilentlyContinue'\n{script}")
        if len(line) <= LONGEST_INLINE:
            return self._finished("a PowerShell script", line, timeout)
        path = self.put(f"libcloud_{secrets.token_hex(8)}.ps1", script)
        try:
            return self._finished("a PowerShell script", command_line(path, frozenset({path})), timeout)
        finally:
            self.delete(path)

    def put(self, path: str, contents: str | bytes | None = None, chmod: int | None = None, mode: str = "w") -> str:
        """Write the contents into a file, or (mode ``a``) to its end; its absolute path.

        :param path: relative ones start in the user's home; missing folders are made. ``/`` and ``\\`` are the same.
        """
        name, appended = windows_name(path), is_appended(mode)
        if isinstance(contents, str):
            contents = contents.encode() if appended else windows_contents(name, contents)
        return self._upload(name, io.BytesIO(contents or b""), append=appended)

    def putfo(self, path: str, fo: IO[Any] | None = None, chmod: int | None = None) -> str:
        """Write a file from an open one, which is read a piece at a time, as ``put`` does."""
        return self._upload(windows_name(path), fo or io.BytesIO(), append=False)

    def delete(self, path: str) -> bool:
        """Remove the file; True once it is gone.

        :raises FileNotFoundError: there was none.
        """
        outcome = self._open_shell().run(encoded_command(delete_script(windows_name(path))), None)
        if outcome.exit_status == 2:
            raise FileNotFoundError(f"no file {path!r} in {self.hostname}")
        self._check(outcome, f"delete {path!r}")
        return True

    def close(self) -> bool:
        """Close the session; True, also when it was closed before."""
        shell, self._shell = self._shell, None
        if shell is not None:
            shell.close()
        return True

    def _finished(
        self, name: str, line: str, timeout: float | None, listener: Listener | None = None
    ) -> tuple[str, str, int]:
        outcome = self._open_shell().run(line, timeout or None, listener=listener)
        if outcome.exit_status is None:
            raise SSHCommandTimeoutError(name, timeout or 0.0, outcome.stdout, outcome.stderr)
        return outcome.stdout, outcome.stderr, outcome.exit_status

    def _upload(self, path: str, file: IO[Any], *, append: bool) -> str:
        shell = self._open_shell()
        outcome = shell.run(encoded_command(upload_script(path, append=append)), None, _lines(file, shell.chunk_bytes))
        self._check(outcome, f"write {path!r}")
        absolute = outcome.stdout.strip().splitlines()[-1]
        self._uploaded |= {absolute}
        return absolute

    def _check(self, outcome: ShellResult, action: str) -> None:
        if outcome.exit_status != 0:
            reason = outcome.stderr.strip() or f"exit status {outcome.exit_status}"
            raise OSError(f"could not {action} in {self.hostname}: {reason}")

    def _open_shell(self) -> RemoteShell:
        if self._shell is None:
            raise ConnectionFailedError(f"the WinRM session to {self.hostname} is not open: call connect() first")
        return self._shell


def _load_shell() -> Any:
    try:
        return importlib.import_module(".shell", __package__)
    except ImportError as cause:
        raise InvalidRequestError(
            f"sessions over WinRM need a library that is not installed ({cause.name}): "
            "pip install libcloud-vsphere-clone[winrm]"
        ) from cause


def _lines(file: IO[Any], chunk_bytes: int) -> Iterator[bytes]:
    """A file as lines of base64, and the line with its hash."""
    sha256 = hashlib.sha256()
    while chunk := file.read(chunk_bytes):
        data = chunk.encode() if isinstance(chunk, str) else chunk
        sha256.update(data)
        yield base64.b64encode(data)
    yield b"=" + sha256.hexdigest().encode()


def _is_in_chain(error: object, kind: type[BaseException]) -> bool:
    """Whether an error is, wraps or was raised while handling one of a kind."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        one = todo.pop()
        if isinstance(one, kind):
            return True
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            todo += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return False
