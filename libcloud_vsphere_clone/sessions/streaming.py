"""The output of commands in a guest as a stream: a guest session, a command and a listener in, the exit status out.

Over any transport: where the output only comes at the end, the listener gets it then.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from libcloud.compute.ssh import BaseSSHClient, SSHCommandTimeoutError

from .output import Listener, Output

__all__ = ["StreamingClient", "StreamingSession", "run_streaming"]


@runtime_checkable
class StreamingClient(Protocol):
    """A client of a guest session that gives output as it comes."""

    def stream(self, cmd: str, listener: Listener, timeout: float | None = None) -> int:
        """Run a command whose output goes to the listener; its exit status."""


def run_streaming(session: BaseSSHClient, command: str, listener: Listener, timeout: float | None = None) -> int:
    """Run a command whose output goes to a listener; its exit status.

    :param session: a session into a guest, of whatever kind.
    :raises SSHCommandTimeoutError: the listener has what it wrote so far.
    """
    if isinstance(session, StreamingClient):
        return session.stream(command, listener, timeout)
    try:
        stdout, stderr, status = session.run(command, timeout)
    except SSHCommandTimeoutError as late:
        _tell(listener, late.stdout, late.stderr)
        raise
    _tell(listener, stdout, stderr)
    return int(status)


class StreamingSession:
    """A session whose commands' output goes to a listener as it comes, and is given at their end as by any other."""

    def __init__(self, session: BaseSSHClient, listener: Listener) -> None:
        self._session, self._listener = session, listener

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, cmd: str, timeout: float | None = None) -> tuple[str, str, int]:
        """Run a command, as the session's own ``run`` does."""
        output = Output()

        def pass_on(piece: bytes, is_error: bool) -> None:
            output.add(piece, is_error=is_error)
            self._listener(piece, is_error)

        try:
            status = run_streaming(self._session, cmd, pass_on, timeout)
        except SSHCommandTimeoutError as late:
            raise SSHCommandTimeoutError(cmd, late.timeout, output.stdout, output.stderr) from late
        return output.stdout, output.stderr, status


def _tell(listener: Listener, *outputs: str | None) -> None:
    for number, output in enumerate(outputs):
        if output:
            listener(output.encode(), bool(number))
