"""Commands over WinRM against the lab's server."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from libcloud.compute.ssh import SSHCommandTimeoutError

from libcloud_vsphere_clone.errors import ConnectionFailedError, InvalidRequestError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.lab.winrm import LabWinRM
from libcloud_vsphere_clone.sessions.winrm.client import GuestWinRMClient
from tests.sessions.winrm.conftest import PASSWORD, NewClient
from tests.sessions.winrm.winrm_servers import windows


def test_run_gives_both_outputs_and_the_status(client: GuestWinRMClient) -> None:
    assert client.run("echo out; echo ä >&2; exit 7") == ("out\n", "ä\n", 7)
    assert client.run("cat; echo end") == ("end\n", "", 0)  # its input is empty


def test_large_output_comes_whole(client: GuestWinRMClient) -> None:
    assert client.run("head -c 300000 /dev/zero | tr '\\000' x") == ("x" * 300_000, "", 0)


def test_output_comes_while_the_command_runs(client: GuestWinRMClient, drive: Path) -> None:
    heard: list[tuple[bytes, bool]] = []

    def listen(piece: bytes, is_error: bool) -> None:
        heard.append((piece, is_error))
        if len(heard) == 2:
            (drive / "go").touch()  # the command ends only because its output has come

    wait = f"until [ -e '{drive / 'go'}' ]; do sleep 0.05; done"
    assert client.stream(f"printf 'one \\303'; echo oops >&2; {wait}; printf '\\244 two'; exit 6", listen) == 6
    assert b"".join(piece for piece, is_error in heard if not is_error) == "one ä two".encode()
    assert b"".join(piece for piece, is_error in heard if is_error) == b"oops\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BrokenPipeError("the pipe is closed")])
def test_a_command_whose_output_is_not_taken_any_more_is_ended(
    client: GuestWinRMClient, server: LabWinRM, error: BaseException
) -> None:
    def leave(piece: bytes, is_error: bool) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        client.stream("echo up; sleep 60", leave)
    assert caught.value is error
    assert server.counts().running == 0
    assert client.run("echo on")[0] == "on\n"


def test_an_interrupt_ends_the_command(client: GuestWinRMClient, server: LabWinRM) -> None:
    def interrupt() -> None:
        while not server.counts().running:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        client.run("sleep 60")
    thread.join()
    assert server.counts().running == 0
    assert client.run("echo on")[0] == "on\n"


def test_a_command_of_several_lines_is_refused(client: GuestWinRMClient) -> None:
    with pytest.raises(InvalidRequestError, match=r"cmd\.exe would run the first only"):
        client.run("echo one\necho two")
    assert client.run("echo one\r\n")[0] == "one\n"


def test_a_time_out_ends_the_command(client: GuestWinRMClient, server: LabWinRM) -> None:
    started = time.monotonic()
    with pytest.raises(SSHCommandTimeoutError) as caught:
        client.run("echo so far; echo bad >&2; sleep 60", timeout=3)
    assert time.monotonic() - started < 50  # the command would take a minute
    assert (caught.value.stdout, caught.value.stderr, caught.value.timeout) == ("so far\n", "bad\n", 3)
    assert server.counts().running == 0
    assert client.run("echo on", timeout=120) == ("on\n", "", 0)


def test_run_powershell_gives_output_and_status(client: GuestWinRMClient) -> None:
    assert client.run_powershell("echo from a script; exit 3") == ("from a script\n", "", 3)


def test_a_long_powershell_script_goes_through_a_file(client: GuestWinRMClient, drive: Path) -> None:
    assert client.run_powershell(f"# {'x' * 9000}\nexit 4") == ("", "", 4)
    assert not [path for path in drive.rglob("*") if path.is_file()]


def test_closing_leaves_nothing_in_the_guest(new_client: NewClient, server: LabWinRM) -> None:
    session = new_client()
    assert session.connect()
    assert session.connect()  # again: a session of its own
    assert server.counts().shells == 1
    assert session.close()
    assert session.close()
    assert server.counts().shells == 0
    with pytest.raises(ConnectionFailedError, match=r"not open: call connect\(\) first"):
        session.run("echo")


def test_a_guest_that_forgot_the_session(bare_lab: Lab, drive: Path, server: LabWinRM, new_client: NewClient) -> None:
    session = new_client()
    session.connect()
    server.stop()
    try:
        with bare_lab.start_winrm(windows(drive), password=PASSWORD, port=server.port):
            with pytest.raises(ConnectionFailedError, match="the shell was not found"):
                session.run("echo")
            session.connect()
            assert session.run("echo again")[0] == "again\n"
            session.close()
    finally:
        bare_lab.start_winrm(windows(drive), password=PASSWORD, port=server.port)  # for the fixture to stop


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypsrp.client", None)
    monkeypatch.delitem(sys.modules, "libcloud_vsphere_clone.sessions.winrm.shell", raising=False)
    with pytest.raises(InvalidRequestError, match=r"pip install libcloud-vsphere-clone\[winrm\]"):
        GuestWinRMClient("127.0.0.1", password=PASSWORD)
