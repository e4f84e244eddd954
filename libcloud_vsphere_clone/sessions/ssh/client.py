"""An SSH session into a guest, as Libcloud's deployments use one.

Takes an address and what opens it; gives commands run and files written. Never waits for a guest that is not
there yet: that is ``ready.py``.

Beside Libcloud's own client: keys of every usual format, output read as it comes, errors that name the address,
nothing tried that was not given (no agent, no keys from ``~/.ssh``), no warnings under ``-W error``.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Sequence
from typing import IO, Any

import paramiko
from libcloud.compute.ssh import BaseSSHClient, SSHCommandTimeoutError

from ...errors import AuthenticationError, ConnectionFailedError, InvalidRequestError
from ..output import Listener, Output, collect_output
from .files import RemoteFiles
from .host_keys import HostKeyCheck, HostKeyError, fingerprint_of
from .keys import KeySource, load_private_keys

__all__ = ["GuestSSHClient"]

DEFAULT_TIMEOUT_S = 15.0
SSH_PORT = 22
LONGEST_COMMAND = 255 * 1024
"""Bytes. OpenSSH ends the connection at a longer packet than 256 KiB (PACKET_MAX_SIZE); a Linux takes half of it, and
says so."""

KEEPALIVE_S = 30
"""So that firewalls keep the connection of a silent script, and a dead guest is noticed."""

LOG_CHANNEL = "libcloud_vsphere_clone.sessions.ssh.paramiko"
"""paramiko's log of these sessions. It reports a guest that is still booting as errors with tracebacks; they are
expected and what matters is in our own errors. Lower this logger's level to see them."""

if logging.getLogger(LOG_CHANNEL).level == logging.NOTSET:
    logging.getLogger(LOG_CHANNEL).setLevel(logging.CRITICAL + 1)


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
        return f"{self.hostname} port {self.port}"

    def is_final(self, error: ConnectionFailedError) -> bool:
        """Whether connecting again can't help: no algorithm in common, or not the host key that it should have."""
        return isinstance(error.fault, paramiko.ssh_exception.IncompatiblePeer | HostKeyError)

    def connect(self, *, tcp_timeout_s: float | None = None, send_password: bool = True) -> bool:
        """True once logged in.

        :param tcp_timeout_s: seconds for the TCP connection alone, where that is less than ``timeout``.
        :param send_password: False to try the keys only.
        :raises ConnectionFailedError: no SSH server answers there (yet), or one with another host key; then its
            ``fault`` is a HostKeyError.
        :raises AuthenticationError: it answers, and refuses the keys and the password.
        """
        self.close()
        self.password_refused = False
        transport = self._open_transport(tcp_timeout_s)
        try:
            self._negotiate(transport)
            self._check_host_key(transport)
            self._log_in(transport, self.login_password if send_password else None)
        except BaseException:
            _shut(transport)
            raise
        transport.set_keepalive(KEEPALIVE_S)
        self._transport = transport
        return True

    def run(self, cmd: str, timeout: float | None = None) -> tuple[str, str, int]:
        """What the command wrote to stdout and stderr, and its exit status; -1 when it ended without one.

        Input is empty. What a command leaves running in the background does not hold it up.

        :param timeout: seconds for the command; None or 0 for no limit.
        :raises SSHCommandTimeoutError: with what it wrote so far. The command itself is not ended.
        Source: RFC 4254 §6.5 (exec), §6.10 (exit status).
        """
        output, status = self._collect(cmd, timeout, None)
        return output.stdout, output.stderr, status

    def stream(self, cmd: str, listener: Listener, timeout: float | None = None) -> int:
        """As ``run``, but the output goes to the listener as it comes; the exit status.

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
        channel = self._active_transport().open_session(timeout=self._step_timeout_s)
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
        """The absolute path of the file now holding, or (mode ``a``) ending in, the contents.

        :param path: relative ones start in the user's home; missing folders are made.
        """
        return self._remote_files().write(path, contents or b"", chmod, mode)

    def putfo(self, path: str, fo: IO[Any] | None = None, chmod: int | None = None) -> str:
        """As ``put``, from an open file."""
        return self._remote_files().write(path, fo or b"", chmod, "w")

    def get(self, path: str, fo: IO[bytes]) -> None:
        """Writes the file's contents to an open one.

        :raises FileNotFoundError: there is none.
        """
        self._remote_files().read(path, fo)

    def delete(self, path: str) -> bool:
        """True once the file is gone.

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
        """True; the session is closed, also when it was before."""
        transport, self._transport, self._files = self._transport, None, None
        if transport is not None:
            _shut(transport)
        return True

    @property
    def _step_timeout_s(self) -> float:
        return float(self.timeout or DEFAULT_TIMEOUT_S)

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
                raise self._failed(f"no files can be sent: {reason}", error) from error
            except (paramiko.SSHException, EOFError) as error:
                raise self._failed(f"no files can be sent: its sshd offers no SFTP ({error})", error) from error
        return self._files

    def _open_transport(self, tcp_timeout_s: float | None) -> paramiko.Transport:
        timeout_s = min(tcp_timeout_s or self._step_timeout_s, self._step_timeout_s)
        try:
            connection = socket.create_connection((self.hostname, self.port), timeout_s)
        except OSError as error:
            raise self._failed(_reason(error), error) from error
        try:
            transport = paramiko.Transport(connection)
        except BaseException:
            connection.close()
            raise
        transport.set_log_channel(LOG_CHANNEL)
        if self.host_key is not None:
            options = transport.get_security_options()
            options.key_types = self.host_key.preferred(options.key_types)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = self._step_timeout_s
        return transport

    def _negotiate(self, transport: paramiko.Transport) -> None:
        # With an event of ours: start_client(timeout=…) comes back as if all were well when the time is over.
        done = threading.Event()
        transport.start_client(event=done)
        in_time = done.wait(self._step_timeout_s)
        if transport.is_active() and in_time:
            return
        late = f"the SSH server did not answer in time; if it is slow, pass ssh_timeout={2 * self._step_timeout_s:g}"
        error = transport.get_exception() or TimeoutError(late)
        raise self._failed(_reason(error), error) from error

    def _check_host_key(self, transport: paramiko.Transport) -> None:
        self.host_key_fingerprint = fingerprint_of(transport.get_remote_server_key())
        try:
            if self.host_key is not None:
                self.host_key.check(self.host_key_fingerprint)
        except HostKeyError as error:
            raise self._failed(str(error), error) from error

    def _log_in(self, transport: paramiko.Transport, password: str | None) -> None:
        try:
            transport.auth_none(self.username)
        except paramiko.BadAuthenticationType as offer:
            methods = set(offer.allowed_types)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._failed(_reason(error), error) from error
        else:
            return
        refusals = [*self._try_keys(transport, methods), *self._try_password(transport, methods, password)]
        if not transport.is_authenticated():
            raise AuthenticationError(
                f"{self.place} refused the login as {self.username!r}: "
                f"{'; '.join(refusals) or 'neither a key nor a password was given'}"
            )

    def _try_keys(self, transport: paramiko.Transport, methods: set[str]) -> list[str]:
        """Why the keys did not log us in; empty when one did, or there is none."""
        if self.pkeys and "publickey" not in methods:
            return [f"it takes no keys, only {_listed(methods)}"]
        for key in self.pkeys:
            if self._try(transport, lambda key=key: transport.auth_publickey(self.username, key)):
                return []
        return [f"{len(self.pkeys)} key(s) refused"] if self.pkeys else []

    def _try_password(self, transport: paramiko.Transport, methods: set[str], password: str | None) -> list[str]:
        if password is None or transport.is_authenticated():
            return []
        # Asked for first: sshd logs a password that it does not want as a failed one, and fail2ban counts it.
        if "password" in methods:
            if self._try(transport, lambda: transport.auth_password(self.username, password, fallback=False)):
                return []
        elif "keyboard-interactive" in methods:
            if self._try(transport, lambda: transport.auth_interactive(self.username, _answer_with(password))):
                return []
        else:
            return [f"it takes no passwords, only {_listed(methods)}"]
        self.password_refused = True
        return ["the password is refused"]

    def _try(self, transport: paramiko.Transport, attempt: Any) -> bool:
        try:
            attempt()
        except paramiko.AuthenticationException as error:
            # paramiko calls a connection lost on the way a refusal as well.
            if not transport.is_active() or "timeout" in str(error):
                raise self._failed(_reason(error), error) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._failed(_reason(error), error) from error
        return transport.is_authenticated()

    def _failed(self, reason: str, cause: BaseException) -> ConnectionFailedError:
        return ConnectionFailedError(f"SSH to {self.place} failed: {reason}", fault=cause)


def _answer_with(password: str) -> Any:
    return lambda _title, _instructions, prompts: [password for _ in prompts]


def _listed(methods: set[str]) -> str:
    return ", ".join(sorted(methods)) or "nothing"


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return str(error) if error.args and not error.errno else "no answer in time"
    if isinstance(error, EOFError):
        return "the server closed the connection"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _shut(transport: paramiko.Transport) -> None:
    """Closes the connection and waits for paramiko's thread, so that none is left behind."""
    with contextlib.suppress(OSError):
        # Wakes the thread at once; by itself it looks for the end every 0.1 s.
        transport.sock.shutdown(socket.SHUT_RDWR)
    transport.close()
    transport.sock.close()
    if transport.is_alive():
        transport.join(timeout=2.0)
