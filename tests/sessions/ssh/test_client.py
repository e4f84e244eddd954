"""The SSH client against a real sshd."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import paramiko
import pytest
from libcloud.compute.base import Node
from libcloud.compute.deployment import (
    FileDeployment,
    MultiStepDeployment,
    ScriptDeployment,
    ScriptFileDeployment,
    SSHKeyDeployment,
)
from libcloud.compute.drivers.dummy import DummyNodeDriver
from libcloud.compute.ssh import SSHCommandTimeoutError
from libcloud.compute.types import NodeState

from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError, InvalidRequestError
from libcloud_vsphere_clone.sessions import output
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient
from libcloud_vsphere_clone.sessions.ssh.keys import load_private_key
from tests.sessions.conftest import Sshd, SshdFactory, free_port, password_user

pytestmark = pytest.mark.usefixtures("no_thread_left")

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="makes a user of this machine: needs root")


@pytest.fixture
def node() -> Node:
    return Node("1", "n", NodeState.RUNNING, ["127.0.0.1"], [], DummyNodeDriver(""))


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


def test_put_makes_folders_and_gives_the_absolute_path(client: GuestSSHClient, tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "c.sh"
    assert client.put(str(target), "ä\n", chmod=0o750) == str(target)
    assert target.read_text() == "ä\n"
    assert target.stat().st_mode & 0o777 == 0o750
    assert client.put(str(target), b"second\n", mode="a") == str(target)
    assert target.read_text() == "ä\nsecond\n"
    client.put(str(target), "short")
    assert target.read_text() == "short"


def test_put_of_a_relative_path_starts_at_home_each_time(client: GuestSSHClient) -> None:
    home = client.run("pwd")[0].strip()
    folder = f"libcloud-test-{os.getpid()}"
    try:
        for name in ("one", "two"):
            assert client.put(f"{folder}/{name}", name) == f"{home}/{folder}/{name}"
        assert client.run(f"ls {folder}")[0] == "one\ntwo\n"
    finally:
        client.run(f"rm -r {folder}")


def test_put_of_something_big(client: GuestSSHClient, tmp_path: Path) -> None:
    contents = os.urandom(5_000_000)
    client.put(str(tmp_path / "big"), contents)
    assert (tmp_path / "big").read_bytes() == contents


def test_put_where_nothing_can_be_written(client: GuestSSHClient) -> None:
    with pytest.raises(OSError):
        client.put("/proc/none/x", "text")
    with pytest.raises(ValueError, match="mode 'r'"):
        client.put("x", "text", mode="r")


def test_putfo_and_delete(client: GuestSSHClient, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "new" / "target"
    source.write_bytes(b"\0\1" * 100_000)
    with source.open("rb") as file:
        assert client.putfo(str(target), file, chmod=0o600) == str(target)
    assert target.read_bytes() == source.read_bytes()
    assert client.delete(str(target)) is True
    with pytest.raises(FileNotFoundError):
        client.delete(str(target))


def test_libclouds_deployments(client: GuestSSHClient, node: Node, tmp_path: Path) -> None:
    source = tmp_path / "local.sh"
    source.write_text("#!/bin/sh\necho from a file $1\n")
    source.chmod(0o640)
    script = ScriptDeployment("#!/bin/sh\necho hello $1\nexit 9\n", args=["you"], delete=True)
    from_file = ScriptFileDeployment(str(source), args=["it"], name=str(tmp_path / "run.sh"))
    steps = [script, from_file, FileDeployment(str(source), str(tmp_path / "x" / "copy"))]
    MultiStepDeployment(steps).run(node, client)
    assert (script.stdout, script.stderr, script.exit_status) == ("hello you\n", "", 9)
    assert client.run(f"ls {script.name}")[2] != 0
    assert from_file.stdout == "from a file it\n"
    assert (tmp_path / "x" / "copy").stat().st_mode & 0o777 == 0o640


def test_libclouds_key_deployment(client: GuestSSHClient, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, bytes | str | None, str]] = []

    def put(path: str, contents: bytes | str | None = None, chmod: int | None = None, mode: str = "w") -> str:
        calls.append((path, contents, mode))  # not into the real user's authorized_keys
        return path

    monkeypatch.setattr(client, "put", put)
    SSHKeyDeployment("ssh-ed25519 AAAA").run(node, client)
    assert calls == [(".ssh/authorized_keys", "ssh-ed25519 AAAA", "a")]


def test_connecting_again_after_close(client: GuestSSHClient) -> None:
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


def test_a_shell_that_talks_where_sftp_should(new_sshd: SshdFactory, client_key: Path, username: str) -> None:
    """As a user whose shell is nologin gets it, or one whose .bashrc prints a greeting."""
    server = new_sshd(Subsystem="sftp /bin/echo This account is currently not available.")
    server.start()
    server.wait()
    with closing(GuestSSHClient("127.0.0.1", server.port, username, key_files=str(client_key))) as session:
        session.connect()
        with pytest.raises(
            ConnectionFailedError, match=r"no files can be sent: the shell of .* talks where SFTP should"
        ):
            session.put("x", "y")


def test_without_sftp(new_sshd: SshdFactory, client_key: Path, username: str) -> None:
    server = new_sshd(Subsystem="none /bin/false")
    server.start()
    server.wait()
    with closing(GuestSSHClient("127.0.0.1", server.port, username, key_files=str(client_key))) as session:
        session.connect()
        with pytest.raises(ConnectionFailedError, match="offers no SFTP"):
            session.put("x", "y")
        assert session.run("echo ok")[0] == "ok\n"


@pytest.mark.parametrize(
    "arguments", [("-t", "rsa", "-b", "2048", "-m", "PEM"), ("-t", "ecdsa", "-m", "PKCS8"), ("-t", "ed25519")]
)
def test_login_with_each_kind_of_key(
    new_sshd: SshdFactory, make_key: Callable[..., Path], username: str, arguments: tuple[str, ...]
) -> None:
    path = make_key(*arguments, passphrase="a passphrase")
    server = new_sshd()
    server.authorize(path.with_name(f"{path.name}.pub").read_text().strip())
    server.start()
    server.wait()
    session = GuestSSHClient("127.0.0.1", server.port, username, "a passphrase", key_files=[path])
    with closing(session):
        assert session.connect()
    assert session.login_password is None  # a passphrase is not for the guest
    assert "a passphrase" not in repr(session)


def test_the_second_key_is_tried(sshd: Sshd, make_key: Callable[..., Path], client_key: Path, username: str) -> None:
    keys = [make_key("-t", "rsa", "-b", "2048"), client_key]
    with closing(GuestSSHClient("127.0.0.1", sshd.port, username, key_files=keys)) as session:
        assert session.connect()


def test_a_refused_key(sshd: Sshd, make_key: Callable[..., Path], username: str) -> None:
    session = GuestSSHClient("127.0.0.1", sshd.port, username, key_files=make_key("-t", "rsa", "-b", "2048"))
    with pytest.raises(AuthenticationError) as caught:
        session.connect()
    assert str(caught.value) == (f"127.0.0.1 port {sshd.port} refused the login as {username!r}: 1 key(s) refused")
    assert session.password_refused is False


def test_nothing_but_what_is_given_is_tried(
    sshd: Sshd, client_key: Path, username: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").write_bytes(client_key.read_bytes())
    monkeypatch.setenv("HOME", str(tmp_path))
    session = GuestSSHClient("127.0.0.1", sshd.port, username)
    with pytest.raises(AuthenticationError, match="neither a key nor a password was given"):
        session.connect()


@AS_ROOT
def test_login_with_a_password(new_sshd: SshdFactory) -> None:
    server = new_sshd()
    server.start()
    server.wait()
    with password_user("pass wörd") as user:
        session = GuestSSHClient("127.0.0.1", server.port, user, "pass wörd", timeout=60)
        with closing(session):
            assert session.connect()
            assert session.run("id -un")[0] == f"{user}\n"
        wrong = GuestSSHClient("127.0.0.1", server.port, user, "secret-guess")
        with pytest.raises(AuthenticationError, match="the password is refused") as caught:
            wrong.connect()
        assert wrong.password_refused is True
        assert "secret-guess" not in str(caught.value)
        assert server.count("Failed password", 1) == 1


@AS_ROOT
def test_a_password_is_not_sent_where_passwords_are_off(new_sshd: SshdFactory) -> None:
    server = new_sshd(PasswordAuthentication="no", KbdInteractiveAuthentication="no")
    server.start()
    server.wait()
    session = GuestSSHClient("127.0.0.1", server.port, "root", "pw")
    with pytest.raises(AuthenticationError, match="it takes no passwords, only publickey"):
        session.connect()
    assert session.password_refused is False
    assert "Failed password" not in server.log  # what fail2ban counts


def test_nobody_there(client_key: Path, capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with pytest.raises(ConnectionFailedError) as caught:
        GuestSSHClient("127.0.0.1", port, key_files=client_key).connect()
    assert str(caught.value) == f"SSH to 127.0.0.1 port {port} failed: Connection refused"
    assert isinstance(caught.value.fault, ConnectionRefusedError)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_something_else_answers(greeting: bytes, client_key: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with closing(connection):
                connection.sendall(greeting)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ConnectionFailedError):
            GuestSSHClient("127.0.0.1", listener.getsockname()[1], key_files=client_key, timeout=3).connect()
        thread.join()
    assert capfd.readouterr() == ("", "")  # paramiko's log stays quiet


def test_a_server_that_never_speaks(client_key: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        started = time.monotonic()
        with pytest.raises(
            ConnectionFailedError, match=r"did not answer in time; if it is slow, pass ssh_timeout=|banner"
        ):
            GuestSSHClient("127.0.0.1", listener.getsockname()[1], key_files=client_key, timeout=0.5).connect()
        assert time.monotonic() - started < 12  # paramiko's own limit is 15 s


def test_nothing_warns(sshd: Sshd, client_key: Path, username: str) -> None:
    """In a fresh interpreter, as what is imported matters."""
    program = (
        "from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient as C\n"
        f"c = C('127.0.0.1', {sshd.port}, {username!r}, key_files={str(client_key)!r})\n"
        "c.connect(); print(c.run('echo fine')[0]); c.close()\n"
        "from libcloud_vsphere_clone.plan.guest.cloud_init import build_guestinfo\n"
        "from libcloud_vsphere_clone.plan.guest.customization import Customization\n"
        "from libcloud_vsphere_clone.model.login import Login\n"
        "wanted = Customization(login=Login(password='x'))\n"
        "build_guestinfo(instance_id='i', host_name='h', wanted=wanted)\n"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.stderr) == ("fine", "")


def test_key_loading_is_shared(client_key: Path) -> None:
    key = load_private_key(client_key)
    assert GuestSSHClient("h", key_files=[client_key], pkeys=[key]).pkeys == (key, key)


def test_output_is_passed_on_as_it_comes(client: GuestSSHClient) -> None:
    heard: list[tuple[bytes, bool]] = []
    status = client.stream("echo out; echo err >&2; exit 3", lambda piece, is_error: heard.append((piece, is_error)))
    assert status == 3
    assert sorted(heard) == [(b"err\n", True), (b"out\n", False)]


def test_get_reads_what_was_put(client: GuestSSHClient, tmp_path: Path) -> None:
    contents = os.urandom(300_000)
    client.put(str(tmp_path / "there"), contents)
    copy = io.BytesIO()
    client.get(str(tmp_path / "there"), copy)
    assert copy.getvalue() == contents
    with pytest.raises(FileNotFoundError):
        client.get(str(tmp_path / "nowhere"), copy)


def test_the_known_hosts_line_is_what_ssh_takes(client: GuestSSHClient, sshd: Sshd) -> None:
    place, kind, key = client.known_hosts_line().split()
    assert place == f"[127.0.0.1]:{sshd.port}"
    command = ["ssh-keygen", "-y", "-f", str(sshd.folder / "host_key")]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert shown.split()[:2] == [kind, key]


@pytest.mark.parametrize("size", [1, 1_000_000, 10_000_000])
def test_a_write_to_a_full_disk_fails(client: GuestSSHClient, size: int) -> None:
    with pytest.raises(OSError, match=r"could not write '/dev/full': .*'Failure'; is its disk full"):
        client.put("/dev/full", b"x" * size)
    with pytest.raises(OSError, match="/dev/full"):
        client.put("/dev/full", b"x" * size, mode="a")
    client.put("/dev/null", b"x" * size)


def test_a_folder_is_no_file(client: GuestSSHClient, tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        client.put(str(tmp_path), "x")
    with pytest.raises(IsADirectoryError):
        client.get(str(tmp_path), io.BytesIO())


def test_a_path_with_a_nul(client: GuestSSHClient) -> None:
    with pytest.raises(ValueError, match="NUL"):
        client.put("a\0b", "x")
    assert client.run("true")[2] == 0


def test_a_command_of_another_code_page(client: GuestSSHClient) -> None:
    assert client.run("printf '%s' '\udcff\r\x1b' | od -An -tx1")[0].split() == ["ff", "0d", "1b"]


def test_a_command_longer_than_a_packet_is_refused(client: GuestSSHClient) -> None:
    with pytest.raises(InvalidRequestError, match="put it into the guest as a file"):
        client.run("x" * 300_000)
    stdout, stderr, status = client.run("true " + "x" * 200_000)
    assert (stdout, "too long" in stderr, status != 0) == ("", True, True)
    assert client.run("true " + "x" * 100_000) == ("", "", 0)
