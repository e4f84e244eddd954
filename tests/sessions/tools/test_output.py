"""Output of commands by VMware Tools, passed on while they run in a real guest."""

from __future__ import annotations

import errno
import tracemalloc

import pytest
from libcloud.compute.ssh import SSHCommandTimeoutError

from libcloud_vsphere_clone.sessions.tools import output as tools_output
from libcloud_vsphere_clone.sessions.tools.client import GuestToolsClient
from libcloud_vsphere_clone.vcenter.transfer import download
from tests.sessions.tools.conftest import Heard

pytestmark = pytest.mark.guests


def test_output_comes_while_the_command_runs(client: GuestToolsClient, tidy: None) -> None:
    heard = Heard()
    command = "printf 'one \\303'; echo oops >&2; until [ -e /root/go ]; do sleep 0.1; done; printf '\\244 two'; exit 6"

    def listen(piece: bytes, is_error: bool) -> None:
        heard(piece, is_error)
        if len(heard.pieces) == 2:
            client.put("/root/go", "")  # the command ends only because its output has come

    assert client.stream(command, listen, timeout=60) == 6
    assert heard.pieces == [(b"one \303", False), (b"oops\n", True), (b"\244 two", False)]
    client.delete("/root/go")


def test_each_byte_is_fetched_once(client: GuestToolsClient, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[int] = []
    monkeypatch.setattr(tools_output, "download", lambda *words: fetched.append(download(*words)))
    heard = Heard()
    client.stream("for i in 1 2 3 4 5 6 7 8; do head -c 3000000 /dev/zero; sleep 0.7; done; echo end >&2", heard)
    assert (heard.whole(), heard.whole(is_error=True)) == (bytes(24_000_000), b"end\n")
    assert len(fetched) >= 3
    assert sum(fetched) < 24_000_000 + 100 * len(fetched)


def test_much_output_in_little_memory(client: GuestToolsClient) -> None:
    size = 0

    def count(piece: bytes, is_error: bool) -> None:
        nonlocal size
        size += len(piece)

    tracemalloc.start()
    try:
        client.stream("head -c 100000000 /dev/zero", count)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size == 100_000_000
    assert peak < 8_000_000


def test_a_streamed_command_over_time(client: GuestToolsClient, tidy: None) -> None:
    heard = Heard()
    with pytest.raises(SSHCommandTimeoutError) as caught:
        client.stream("echo first; echo bad >&2; sleep 4714", heard, timeout=3)
    assert (heard.whole(), heard.whole(is_error=True)) == (b"first\n", b"bad\n")
    assert (caught.value.stdout, caught.value.stderr) == ("", "")
    assert "sleep 4714" not in client.run("ps axo args")[0]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BrokenPipeError(errno.EPIPE, "the pipe is closed")])
def test_a_command_whose_output_is_not_taken_any_more_is_ended(
    client: GuestToolsClient, tidy: None, error: BaseException
) -> None:
    def leave(piece: bytes, is_error: bool) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        client.stream("echo up; sleep 4715 & sleep 4716", leave)
    assert caught.value is error
    assert "sleep 471" not in client.run("ps axo args")[0]
