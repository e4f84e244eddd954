"""Output heard as it comes. The sessions are stand-ins: what guests write is tested with each transport."""

from __future__ import annotations

from typing import Any

import pytest
from libcloud.compute.ssh import SSHCommandTimeoutError

from libcloud_vsphere_clone.sessions.output import Listener
from libcloud_vsphere_clone.sessions.streaming import StreamingSession, run_streaming

PIECES = [(b"h\xc3", False), (b"oops\n", True), (b"\xa9llo\n", False)]


class Late:
    """Tells its output at the end of a command."""

    hostname = "web-1"

    def __init__(self, *, in_time: bool = True) -> None:
        self.in_time = in_time

    def run(self, cmd: str, timeout: float | None = None) -> tuple[str, str, int]:
        if not self.in_time:
            raise SSHCommandTimeoutError(cmd, timeout or 0.0, "begun\n", "")
        return "done\n", "", 3


class Live(Late):
    """Tells its output as it comes."""

    def stream(self, cmd: str, listener: Listener, timeout: float | None = None) -> int:
        for piece, is_error in PIECES:
            listener(piece, is_error)
        if not self.in_time:
            raise SSHCommandTimeoutError(cmd, timeout or 0.0, "", "")
        return 3


class Heard(list[tuple[bytes, bool]]):
    """What a listener was told."""

    def __call__(self, piece: bytes, is_error: bool) -> None:
        self.append((piece, is_error))


@pytest.mark.parametrize(("session", "pieces"), [(Live(), PIECES), (Late(), [(b"done\n", False)])])
def test_output_is_heard_as_it_comes_or_at_the_end(session: Any, pieces: list[tuple[bytes, bool]]) -> None:
    heard = Heard()
    assert run_streaming(session, "true", heard) == 3
    assert heard == pieces


@pytest.mark.parametrize(
    ("session", "result"),
    [(Live(), ("héllo\n", "oops\n", 3)), (Late(), ("done\n", "", 3))],
)
def test_a_heard_session_gives_what_was_heard_as_well(session: Any, result: tuple[str, str, int]) -> None:
    heard = Heard()
    told = StreamingSession(session, heard)
    assert told.run("true") == result
    assert b"".join(piece for piece, is_error in heard if not is_error).decode() == result[0]
    assert told.hostname == "web-1"


@pytest.mark.parametrize(
    ("session", "stdout"),
    [(Live(in_time=False), "héllo\n"), (Late(in_time=False), "begun\n")],
)
def test_a_command_over_its_time_keeps_what_it_wrote(session: Any, stdout: str) -> None:
    heard = Heard()
    with pytest.raises(SSHCommandTimeoutError) as caught:
        StreamingSession(session, heard).run("sleep 9", timeout=2)
    assert (caught.value.cmd, caught.value.timeout, caught.value.stdout) == ("sleep 9", 2, stdout)
    assert b"".join(piece for piece, is_error in heard if not is_error).decode() == stdout
