"""Commands by VMware Tools in a real guest: the same results as over SSH."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from libcloud.compute.ssh import SSHCommandTimeoutError

from libcloud_vsphere_clone.errors import ConnectionFailedError, InvalidRequestError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient
from libcloud_vsphere_clone.sessions.tools.client import GuestToolsClient
from tests.sessions.tools.conftest import Heard

pytestmark = pytest.mark.guests


@pytest.mark.parametrize(
    "command",
    [
        "echo out; echo err >&2; exit 7",
        "cat; echo done",
        "pwd; whoami; umask; echo $HOME $USER $SHELL",
        r"printf 'a\377b'; echo 'ünï' \"'quoted'\" '$HOME' `echo tick`",
        "sleep 30 >/dev/null 2>&1 & exit 4",
        "exec >&- 2>&-; exit 3",
        "no-such-command-here 2>/dev/null",
        "if true; then echo multi\necho line; fi # comment",
        "head -c 300000 /dev/zero | tr '\\0' o; head -c 200000 /dev/zero | tr '\\0' e >&2",
        "exit 255",
        "trap 'echo caught' INT; kill -INT $$; exit 9",
    ],
)
def test_a_command_gives_the_same_as_over_ssh(client: GuestToolsClient, ssh: GuestSSHClient, command: str) -> None:
    assert client.run(command) == ssh.run(command)


def test_a_command_that_a_signal_ends_has_the_shells_status(client: GuestToolsClient) -> None:
    assert client.run("kill -9 $$")[2] == 128 + 9  # over SSH -1: the signal comes in a message of its own


def test_a_command_over_time_is_ended_with_all_it_started(client: GuestToolsClient, tidy: None) -> None:
    with pytest.raises(SSHCommandTimeoutError) as caught:
        client.run("echo first; echo bad >&2; (sleep 4711; echo x) & trap '' TERM; sleep 4712; echo never", timeout=3)
    assert (caught.value.stdout, caught.value.stderr, caught.value.timeout) == ("first\n", "bad\n", 3)
    assert "sleep 471" not in client.run("ps axo args")[0]


def test_a_command_and_a_file_take_few_round_trips(client: GuestToolsClient, lab: Lab) -> None:
    for run, looks in ((client.run, 0), (lambda command: client.stream(command, Heard()), 1)):
        lab.reset_calls()
        run("true")
        calls = dict(lab.calls().by_method)
        polls = calls.pop("ListProcessesInGuest")  # as many as it takes
        assert calls == {
            "CreateTemporaryDirectoryInGuest": 1,
            "StartProgramInGuest": 1,
            "InitiateFileTransferFromGuest": 1 + looks * polls,
            "DeleteDirectoryInGuest": 1,
        }
    assert _calls(lab, lambda: client.put("/root/new", "x", chmod=0o600)) == 1
    assert _calls(lab, lambda: client.put("/root/new", "x")) == 2  # it keeps its mode, which is read
    assert _calls(lab, lambda: client.get("/root/new", io.BytesIO())) == 1
    assert _calls(lab, lambda: client.delete("/root/new")) == 1
    assert _calls(lab, lambda: client.connect()) == 1  # the first time 2


def test_a_command_of_any_characters(client: GuestToolsClient) -> None:
    assert client.run("printf '%s' 'a\rb\x1b[0m' \"it's\" '\\n' | od -c | head -1")[0].split()[1:] == [
        *("a", "\\r", "b", "033", "[", "0", "m", "i", "t", "'", "s", "\\", "n"),
    ]
    for name in ("new\nline", "-rf", "$(id) 'x' \"y\" *", "日本 &lt;<>", " blanks "):
        path = client.put(f"names/{name}", "1", chmod=0o600)
        assert (path, client.put(path, "2", mode="a")) == (f"/root/names/{name}", path)
        into = io.BytesIO()
        assert (client.get(path, into), into.getvalue(), client.delete(path)) == (2, b"12", True)
    assert client.run("ls -A names")[0] == ""
    with pytest.raises(InvalidRequestError, match="cannot carry"):
        client.put("a\rb", "x")


@pytest.mark.parametrize("moment", ["reset-before", "reset-after", "drop-body"])
def test_a_lost_reply_never_starts_a_command_twice(client: GuestToolsClient, lab: Lab, moment: str, tidy: None) -> None:
    client.run("rm -f /root/count")
    lab.faults.add("StartProgramInGuest", when=moment)
    try:
        assert client.run("echo once >> /root/count; sleep 1; cat /root/count", timeout=120) == ("once\n", "", 0)
        lab.faults.add("ListProcessesInGuest", when=moment)
        assert client.run("cat /root/count; exit 5") == ("once\n", "", 5)
    finally:
        lab.faults.clear()


def test_the_temporary_folder_goes_when_all_else_fails(client: GuestToolsClient, lab: Lab, tidy: None) -> None:
    lab.faults.add("StartProgramInGuest", fault="GuestOperationsUnavailable", times=3)
    lab.faults.add("InitiateFileTransferFromGuest", fault="GuestPermissionDenied", times=2)
    lab.faults.add("DeleteDirectoryInGuest", when="reset-after", times=1)
    try:
        with pytest.raises(ConnectionFailedError, match="GuestOperationsUnavailable"):
            client.run("true")
        with pytest.raises(PermissionError):
            client.run("true")
    finally:
        lab.faults.clear()


def test_a_closed_session_can_be_connected_again(client: GuestToolsClient) -> None:
    assert client.close() is True
    with pytest.raises(ConnectionFailedError, match="SSH session not active"):
        client.run("true")
    assert client.connect() is True
    assert client.run("echo back")[0] == "back\n"


def _calls(lab: Lab, work: Callable[[], Any]) -> int:
    """The calls that it takes, but looks at processes: how many of these depends on how long things take."""
    lab.reset_calls()
    work()
    calls = lab.calls()
    return calls.total - calls.by_method.get("ListProcessesInGuest", 0)
