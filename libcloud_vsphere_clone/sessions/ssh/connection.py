"""A connection to an SSH server: an address in, a negotiated paramiko transport out. Before any login."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from dataclasses import dataclass

import paramiko

from ...errors import ConnectionFailedError
from .host_keys import HostKeyCheck

__all__ = ["LOG_CHANNEL", "Place", "open_transport", "shut_transport"]

LOG_CHANNEL = "libcloud_vsphere_clone.sessions.ssh.paramiko"
"""paramiko's log of these sessions. It reports a guest that is still booting as errors with tracebacks; they are
expected and what matters is in our own errors. Lower this logger's level to see them."""

if logging.getLogger(LOG_CHANNEL).level == logging.NOTSET:
    logging.getLogger(LOG_CHANNEL).setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True)
class Place:
    """Where an SSH server is.

    :param step_timeout_s: seconds for the connection, and for each step of the login.
    """

    hostname: str
    port: int
    step_timeout_s: float

    def __str__(self) -> str:
        return f"{self.hostname} port {self.port}"

    def failed(self, cause: BaseException, reason: str = "") -> ConnectionFailedError:
        """The error of a connection that failed by this cause.

        :param reason: default what the cause says.
        """
        return ConnectionFailedError(f"SSH to {self} failed: {reason or _reason(cause)}", fault=cause)


def open_transport(
    place: Place, host_key: HostKeyCheck | None, *, tcp_timeout_s: float | None = None
) -> paramiko.Transport:
    """Connect and negotiate; the transport, whose host key is not checked yet.

    :param host_key: which keys the server may have, so that it shows one of these kinds; None accepts any.
    :param tcp_timeout_s: seconds for the TCP connection alone, where that is less than a step may take.
    :raises ConnectionFailedError: no SSH server answers there (yet).
    """
    transport = _dial(place, tcp_timeout_s)
    try:
        if host_key is not None:
            options = transport.get_security_options()
            options.key_types = host_key.preferred(options.key_types)
        _negotiate(transport, place)
    except BaseException:
        shut_transport(transport)
        raise
    return transport


def shut_transport(transport: paramiko.Transport) -> None:
    """Close the connection and wait for paramiko's thread, so that none is left behind."""
    with contextlib.suppress(OSError):
        # Wakes the thread at once; by itself it looks for the end every 0.1 s.
        transport.sock.shutdown(socket.SHUT_RDWR)
    transport.close()
    transport.sock.close()
    if transport.is_alive():
        transport.join(timeout=2.0)


def _dial(place: Place, tcp_timeout_s: float | None) -> paramiko.Transport:
    timeout_s = min(tcp_timeout_s or place.step_timeout_s, place.step_timeout_s)
    try:
        connection = socket.create_connection((place.hostname, place.port), timeout_s)
    except OSError as error:
        raise place.failed(error) from error
    try:
        transport = paramiko.Transport(connection)
    except BaseException:
        connection.close()
        raise
    transport.set_log_channel(LOG_CHANNEL)
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = place.step_timeout_s
    return transport


def _negotiate(transport: paramiko.Transport, place: Place) -> None:
    # With an event of ours: start_client(timeout=…) comes back as if all were well when the time is over.
    done = threading.Event()
    transport.start_client(event=done)
    in_time = done.wait(place.step_timeout_s)
    if transport.is_active() and in_time:
        return
    late = f"the SSH server did not answer in time; if it is slow, pass ssh_timeout={2 * place.step_timeout_s:g}"
    error = transport.get_exception() or TimeoutError(late)
    raise place.failed(error) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return str(error) if error.args and not error.errno else "no answer in time"
    if isinstance(error, EOFError):
        return "the server closed the connection"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
