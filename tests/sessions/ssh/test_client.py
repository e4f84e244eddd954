"""The SSH client's commands against a real sshd."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import paramiko
import pytest
from libcloud.compute.ssh import SSHCommandTimeoutError

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.sessions import output
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient
from tests.sessions.conftest import Sshd, SshdFactory

pytestmark = pytest.mark.usefixtures("no_thread_left")


def test_run_gives_both_outputs_and_the_status(client: GuestSSHClient) -> None:
    assert client.run("echo out; echo err >&2; exit 7") == ("out\n", "err\n", 7)


def test_run_gives_empty_input(client: GuestSSHClient) -> None:
    assert client.run("cat; echo done", timeout=60) == ("done\n", "", 0)


def test_run_reads_megabytes_on_both_outputs(client: GuestSSHClient) -> None:
    command = "head -c 5000000 /dev/zero | tr '\\0' e >&2 & head -c 8000000 /dev/zero | tr '\\0' o; wait; echo"
    stdout, stderr, status = client.run(command, timeout=60)
    assert (stdout == "o" * 8_000_000 + "\n", stderr == "e" * 5_000_000, status) == (True, True, 0)


def test_run_decodes_characters_split_over_reads(client: GuestSSHClient) -> None:
    assert client.run(r"printf '\303'; sleep 0.3; printf '\251'")[0] == "é"


def test_run_replaces_what_is_not_utf8(client: GuestSSHClient) -> None:
    assert client.run(r"printf 'a\377b'")[0] == "a�b"


def test_run_ends_with_the_command(client: GuestSSHClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by the end of its output: neither after a sleep, as Libcloud's client, nor when all has long been quiet."""
    monkeypatch.setattr(output, "QUIET_S", 3600.0)
    monkeypatch.setattr(time, "sleep", pytest.fail)
    assert client.run("echo done", timeout=300) == ("done\n", "", 0)


def test_run_over_time_says_what_it_read(client: GuestSSHClient) -> None:
    started = time.monotonic()
    with pytest.raises(SSHCommandTimeoutError) as caught:
        client.run("echo first; echo bad >&2; sleep 60", timeout=2)
    assert (caught.value.stdout, caught.value.stderr, caught.value.timeout) == ("first\n", "bad\n", 2)
    assert time.monotonic() - started < 50  # the command would take a minute
    assert client.run("echo again")[0] == "again\n"


def test_run_over_time_while_output_comes_without_end(client: GuestSSHClient) -> None:
    started = time.monotonic()
    with pytest.raises(SSHCommandTimeoutError) as caught:
        client.run("timeout 60 yes", timeout=2)
    assert str(caught.value.stdout).startswith("y\ny\n")
    assert time.monotonic() - started < 50  # the command would take a minute


def test_run_over_time_after_the_output_was_closed(client: GuestSSHClient) -> None:
    with pytest.raises(SSHCommandTimeoutError):
        client.run("exec >&- 2>&-; sleep 30", timeout=0.5)


def test_run_waits_for_the_status_after_the_output_was_closed(client: GuestSSHClient) -> None:
    assert client.run("echo x; exec >&- 2>&-; sleep 0.7; exit 3") == ("x\n", "", 3)


def test_run_is_not_held_up_by_what_stays_in_the_background(client: GuestSSHClient) -> None:
    started = time.monotonic()
    assert client.run("echo x; sleep 30 & exit 4") == ("x\n", "", 4)
    assert time.monotonic() - started < 25


def test_run_of_a_killed_command_has_status_minus_one(client: GuestSSHClient) -> None:
    assert client.run("kill -9 $$")[2] == -1


def test_a_closed_session_can_be_connected_again(client: GuestSSHClient) -> None:
    client.put("/dev/null", "x")
    assert client.close() is True
    assert client.close() is True
    with pytest.raises(paramiko.SSHException, match="SSH session not active"):
        client.run("true")
    assert client.connect() is True
    client.put("/dev/null", "x")
    assert client.run("echo back")[0] == "back\n"


def test_a_server_that_goes_away_while_a_command_runs(new_sshd: SshdFactory, client_key: Path, username: str) -> None:
    server = new_sshd()
    server.start()
    server.wait()
    session = GuestSSHClient("127.0.0.1", server.port, username, key_files=str(client_key))
    session.connect()
    # $PPID is the server's process of this session.
    assert session.run("echo x; sleep 0.3; kill -9 $PPID; sleep 0.2", timeout=60)[::2] == ("x\n", -1)
    with pytest.raises(paramiko.SSHException, match="SSH session not active"):
        session.run("true")
    session.close()


def test_a_session_warns_of_nothing(sshd: Sshd, client_key: Path, username: str) -> None:
    """In a fresh interpreter, as what is imported matters."""
    program = (
        "from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient as C\n"
        f"c = C('127.0.0.1', {sshd.port}, {username!r}, key_files={str(client_key)!r})\n"
        "c.connect(); print(c.run('echo fine')[0]); c.close()\n"
        "from libcloud_vsphere_clone.plan.guest.cloud_init import build_guestinfo\n"
        "from libcloud_vsphere_clone.plan.guest.setup import MechanismChoice, GuestSetup\n"
        "from libcloud_vsphere_clone.model.login import Login\n"
        "build_guestinfo(GuestSetup('i', MechanismChoice('cloud-init', ''), 'h', login=Login(password='x')))\n"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.stderr) == ("fine", "")


def test_output_is_passed_on_as_it_comes(client: GuestSSHClient) -> None:
    heard: list[tuple[bytes, bool]] = []
    status = client.stream("echo out; echo err >&2; exit 3", lambda piece, is_error: heard.append((piece, is_error)))
    assert status == 3
    assert sorted(heard) == [(b"err\n", True), (b"out\n", False)]


def test_the_known_hosts_line_is_what_ssh_takes(client: GuestSSHClient, sshd: Sshd) -> None:
    place, kind, key = client.known_hosts_line().split()
    assert place == f"[127.0.0.1]:{sshd.port}"
    command = ["ssh-keygen", "-y", "-f", str(sshd.folder / "host_key")]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert shown.split()[:2] == [kind, key]


def test_a_command_of_another_code_page(client: GuestSSHClient) -> None:
    assert client.run("printf '%s' '\udcff\r\x1b' | od -An -tx1")[0].split() == ["ff", "0d", "1b"]


def test_a_command_longer_than_a_packet_is_refused(client: GuestSSHClient) -> None:
    with pytest.raises(InvalidRequestError, match="put it into the guest as a file"):
        client.run("x" * 300_000)
    stdout, stderr, status = client.run("true " + "x" * 200_000)
    assert (stdout, "too long" in stderr, status != 0) == ("", True, True)
    assert client.run("true " + "x" * 100_000) == ("", "", 0)
