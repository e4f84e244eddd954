"""An SSH session into a guest, as Libcloud's deployments use one.

Takes an address and what opens it; gives commands run and files written. Never waits for a guest that is not
there yet: that is ``login_retry.py``.

Beside Libcloud's own client: keys of every usual format, output read as it comes, errors that name the address,
nothing tried that was not given (no agent, no keys from ``~/.ssh``), no warnings under ``-W error``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

import paramiko
from libcloud.compute.ssh import BaseSSHClient, SSHCommandTimeoutError

from ...errors import ConnectionFailedError, InvalidRequestError
from ..output import Listener, Output, collect_output
from .connection import Place, open_transport, shut_transport
from .files import RemoteFiles
from .host_keys import HostKeyCheck, HostKeyError, fingerprint_of
from .keys import KeySource, load_private_keys
from .login import SSHLogin

__all__ = ["GuestSSHClient"]

DEFAULT_TIMEOUT_S = 15.0
SSH_PORT = 22
LONGEST_COMMAND = 255 * 1024
"""Bytes. OpenSSH ends the connection at a longer packet than 256 KiB (PACKET_MAX_SIZE); a Linux takes half of it, and
says so."""

KEEPALIVE_S = 30
"""So that firewalls keep the connection of a silent script, and a dead guest is noticed."""


class GuestSSHClient(BaseSSHClient):
    """A session over SSH into one guest; made closed, opened by ``connect``, which may be called again.

    The guest's host key is compared with ``host_key`` before anything is sent. Without that it is accepted, as a
    clone makes its own at first boot. ``known_hosts`` is neither read nor written: a key there would only be in the
    way of the next node that gets this address.

    :param password: the password of the user. With ``key_files`` it is their passphrase, as everywhere in Libcloud,
        and not sent to the guest.
    :param key_files: paths or texts of private keys.
    :param timeout: seconds for the connection, and for each step of the login.
    :param pkeys: private keys that are loaded already.
    :param host_key: which keys the guest's sshd may have; None accepts any.
    """

    hints = (
        "the user name, that the image runs cloud-init, and what /var/log/cloud-init.log in the guest says",
        "that this machine can reach the guest's network, the guest's firewall, and that sshd starts in it",
    )
    """What to check when the guest refuses the login, and when it can't be reached."""

    def __init__(
        self,
        hostname: str,
        port: int = 22,
        username: str = "root",
        password: str | None = None,
        key: str | None = None,
        key_files: KeySource | Sequence[KeySource] | None = None,
        timeout: float | None = None,
        *,
        pkeys: Sequence[paramiko.PKey] = (),
        host_key: HostKeyCheck | None = None,
    ) -> None:
        super().__init__(hostname, port, username, password, key, None, timeout)
        self.key_files = key_files or key  # type: ignore[assignment]
        self.pkeys = (*load_private_keys(key_files or key, password), *pkeys)
        self.host_key = host_key
        self.host_key_fingerprint: str | None = None
        """Of the key that the server showed last, to be remembered: ``ssh-ed25519 SHA256:…``."""
        self.password_refused = False
        """Whether the last ``connect`` sent the password and the guest refused it."""
        self._transport: paramiko.Transport | None = None
        self._files: RemoteFiles | None = None

    def __repr__(self) -> str:
        return f"GuestSSHClient({self.username}@{self.hostname}:{self.port})"

    @property
    def login_password(self) -> str | None:
        """The password that the guest may be sent."""
        return None if self.key_files else self.password

    @property
    def needs_password(self) -> bool:
        """Whether the password is all there is to log in with."""
        return not self.pkeys

    @property
    def place(self) -> str:
        """Where it logs in to, for messages."""
        return str(self._at)

    def is_final(self, error: ConnectionFailedError) -> bool:
        """Whether connecting again can't help: no algorithm in common, or not the host key that it should have."""
        return isinstance(error.fault, paramiko.ssh_exception.IncompatiblePeer | HostKeyError)

    def connect(self, *, tcp_timeout_s: float | None = None, send_password: bool = True) -> bool:
        """Log in; True once that is done.

        :param tcp_timeout_s: seconds for the TCP connection alone, where that is less than ``timeout``.
        :param send_password: False to try the keys only.
        :raises ConnectionFailedError: no SSH server answers there (yet), or one with another host key; then its
            ``fault`` is a HostKeyError.
        :raises AuthenticationError: it answers, and refuses the keys and the password.
        """
        self.close()
        self.password_refused = False
        transport = open_transport(self._at, self.host_key, tcp_timeout_s=tcp_timeout_s)
        login = SSHLogin(self._at, self.username, self.pkeys, self.login_password if send_password else None)
        try:
            self._check_host_key(transport)
            login.log_in(transport)
        except BaseException:
            self.password_refused = login.password_refused
            shut_transport(transport)
            raise
        transport.set_keepalive(KEEPALIVE_S)
        self._transport = transport
        return True

    def _check_host_key(self, transport: paramiko.Transport) -> None:
        self.host_key_fingerprint = fingerprint_of(transport.get_remote_server_key())
        try:
            if self.host_key is not None:
                self.host_key.check(self.host_key_fingerprint)
        except HostKeyError as error:
            raise self._at.failed(error, str(error)) from error

    def run(self, cmd: str, timeout: float | None = None) -> tuple[str, str, int]:
        """Run a command; its stdout, stderr and exit status, which is -1 when it ended without one.

        Input is empty. What a command leaves running in the background does not hold it up.

        :param timeout: seconds for the command; None or 0 for no limit.
        :raises SSHCommandTimeoutError: with what it wrote so far. The command itself is not ended.
        Source: RFC 4254 §6.5 (exec), §6.10 (exit status).
        """
        output, status = self._collect(cmd, timeout, None)
        return output.stdout, output.stderr, status

    def stream(self, cmd: str, listener: Listener, timeout: float | None = None) -> int:
        """Run a command whose output goes to the listener as it comes; its exit status.

        :raises SSHCommandTimeoutError: without the output, which the listener has.
        """
        return self._collect(cmd, timeout, listener)[1]

    def _collect(self, cmd: str, timeout: float | None, listener: Listener | None) -> tuple[Output, int]:
        command = cmd.encode(errors="surrogateescape")  # a file's name of another code page stays as it is
        if len(command) > LONGEST_COMMAND:
            raise InvalidRequestError(
                f"the command has {len(command)} bytes, and SSH servers take {LONGEST_COMMAND}: put it into the guest "
                "as a file, and run that"
            )
        channel = self._active_transport().open_session(timeout=self._at.step_timeout_s)
        try:
            channel.exec_command(command)
            channel.shutdown_write()
            output = collect_output(channel, timeout or None, listener)
            if not output.finished:
                raise SSHCommandTimeoutError(cmd, timeout, output.stdout, output.stderr)  # type: ignore[arg-type]
            return output, channel.recv_exit_status()
        finally:
            channel.close()

    def put(self, path: str, contents: str | bytes | None = None, chmod: int | None = None, mode: str = "w") -> str:
        """Write the contents into a file, or (mode ``a``) to its end; its absolute path.

        :param path: relative ones start in the user's home; missing folders are made.
        """
        return self._remote_files().write(path, contents or b"", chmod, mode)

    def putfo(self, path: str, fo: IO[Any] | None = None, chmod: int | None = None) -> str:
        """Write a file from an open one, as ``put`` does."""
        return self._remote_files().write(path, fo or b"", chmod, "w")

    def get(self, path: str, fo: IO[bytes]) -> None:
        """Write the file's contents to an open one.

        :raises FileNotFoundError: there is none.
        """
        self._remote_files().read(path, fo)

    def delete(self, path: str) -> bool:
        """Remove the file; True once it is gone.

        :raises FileNotFoundError: there was none.
        """
        self._remote_files().remove(path)
        return True

    def known_hosts_line(self) -> str:
        """The host key that the guest has shown, as a line for OpenSSH's ``known_hosts``."""
        key = self._active_transport().get_remote_server_key()
        place = self.hostname if self.port == SSH_PORT else f"[{self.hostname}]:{self.port}"
        return f"{place} {key.get_name()} {key.get_base64()}"

    def close(self) -> bool:
        """Close the session; True, also when it was closed before."""
        transport, self._transport, self._files = self._transport, None, None
        if transport is not None:
            shut_transport(transport)
        return True

    @property
    def _at(self) -> Place:
        return Place(self.hostname, self.port, float(self.timeout or DEFAULT_TIMEOUT_S))

    def _active_transport(self) -> paramiko.Transport:
        if self._transport is None or not self._transport.is_active():
            # By these words Libcloud's deploy_node knows that connecting again may help.
            raise paramiko.SSHException("SSH session not active")
        return self._transport

    def _remote_files(self) -> RemoteFiles:
        transport = self._active_transport()
        if self._files is None or self._files.closed:
            try:
                self._files = RemoteFiles(transport)
            except paramiko.SFTPError as error:
                reason = f"the shell of {self.username!r} talks where SFTP should, or takes no logins ({error})"
                raise self._at.failed(error, f"no files can be sent: {reason}") from error
            except (paramiko.SSHException, EOFError) as error:
                reason = f"its sshd offers no SFTP ({error})"
                raise self._at.failed(error, f"no files can be sent: {reason}") from error
        return self._files
