"""What a command in a guest writes.

Takes the channel of a running command; gives its output, read as it comes. Never waits in sleeps, and never lets
one stream fill up while the other is read.
"""

from __future__ import annotations

import selectors
import time
from dataclasses import dataclass, field

import paramiko

__all__ = ["Output", "collect_output"]

CHUNK_BYTES = 256 * 1024
QUIET_S = 0.5
"""How long to listen on after a command ended while its output stays open: something that it left in the
background holds it. Where nothing does, the end of the output says so at once."""


@dataclass
class Output:
    """What was written so far, and whether the command came to its end."""

    stdout_bytes: bytearray = field(default_factory=bytearray)
    stderr_bytes: bytearray = field(default_factory=bytearray)
    finished: bool = False

    @property
    def stdout(self) -> str:
        # Decoded as a whole: a character may be split over two reads.
        return self.stdout_bytes.decode("utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        return self.stderr_bytes.decode("utf-8", errors="replace")


def collect_output(channel: paramiko.Channel, timeout_s: float | None) -> Output:
    """All that the command writes until it ends, or until the time is over.

    Source: RFC 4254 §5.2 (data), §5.3 (end), §6.10 (exit status comes before or after the end of the data).
    """
    output = Output()
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        while not output.finished:
            left_s = _left_s(deadline)
            if left_s <= 0:
                return output
            quiet = not selector.select(min(left_s, QUIET_S))
            # Asked before reading: what came before the end is in the buffers by then.
            ended = bool(channel.eof_received or channel.closed)
            _read_arrived(channel, output)
            while ended and (channel.recv_ready() or channel.recv_stderr_ready()):
                _read_arrived(channel, output)
            output.finished = ended or (quiet and channel.exit_status_ready())
    # A command may close its output and go on.
    output.finished = channel.status_event.wait(None if deadline is None else max(0.0, _left_s(deadline)))
    return output


def _left_s(deadline: float | None) -> float:
    return float("inf") if deadline is None else deadline - time.monotonic()


def _read_arrived(channel: paramiko.Channel, output: Output) -> None:
    """One chunk of each, so that a command that writes without end can't keep us from the clock."""
    if channel.recv_ready():
        output.stdout_bytes += channel.recv(CHUNK_BYTES)
    if channel.recv_stderr_ready():
        output.stderr_bytes += channel.recv_stderr(CHUNK_BYTES)
