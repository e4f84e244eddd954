"""What a command in a guest writes.

Takes the channel of a running command; gives its output, read as it comes. Never waits in sleeps, and never lets
one stream fill up while the other is read.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import paramiko

__all__ = ["Listener", "Output", "collect_output"]

Listener = Callable[[bytes, bool], None]
"""Called with each piece of output as it comes, and whether it is of stderr."""

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
    listener: Listener | None = None

    def add(self, piece: bytes, *, is_error: bool) -> None:
        """Keep a piece, or pass it on where there is a listener: output that is passed on may be endless."""
        if self.listener is not None:
            self.listener(piece, is_error)
        elif is_error:
            self.stderr_bytes += piece
        else:
            self.stdout_bytes += piece

    @property
    def stdout(self) -> str:
        # Decoded as a whole: a character may be split over two reads.
        return self.stdout_bytes.decode("utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        return self.stderr_bytes.decode("utf-8", errors="replace")


def collect_output(channel: paramiko.Channel, timeout_s: float | None, listener: Listener | None = None) -> Output:
    """Read what the command writes until it ends, or until the time is over; all of it.

    :param listener: is given the output instead.
    Source: RFC 4254 §5.2 (data), §5.3 (end), §6.10 (exit status comes before or after the end of the data).
    """
    output = Output(listener=listener)
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
    """Read one chunk of each stream: output without end must not keep the clock from being read."""
    if channel.recv_ready():
        output.add(channel.recv(CHUNK_BYTES), is_error=False)
    if channel.recv_stderr_ready():
        output.add(channel.recv_stderr(CHUNK_BYTES), is_error=True)
