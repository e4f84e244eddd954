"""Files, and Libcloud's deployments, over the SSH client against a real sshd."""

from __future__ import annotations

import io
import os
from contextlib import closing
from pathlib import Path

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
from libcloud.compute.types import NodeState

from libcloud_vsphere_clone.errors import ConnectionFailedError
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient
from tests.sessions.conftest import SshdFactory

pytestmark = pytest.mark.usefixtures("no_thread_left")


@pytest.fixture
def node() -> Node:
    return Node("1", "n", NodeState.RUNNING, ["127.0.0.1"], [], DummyNodeDriver(""))


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


def test_put_sends_a_big_file_whole(client: GuestSSHClient, tmp_path: Path) -> None:
    contents = os.urandom(5_000_000)
    client.put(str(tmp_path / "big"), contents)
    assert (tmp_path / "big").read_bytes() == contents


def test_put_where_nothing_can_be_written(client: GuestSSHClient) -> None:
    with pytest.raises(OSError):
        client.put("/proc/none/x", "text")
    with pytest.raises(ValueError, match="mode 'r'"):
        client.put("x", "text", mode="r")


def test_putfo_sends_a_file_and_delete_removes_it(client: GuestSSHClient, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "new" / "target"
    source.write_bytes(b"\0\1" * 100_000)
    with source.open("rb") as file:
        assert client.putfo(str(target), file, chmod=0o600) == str(target)
    assert target.read_bytes() == source.read_bytes()
    assert client.delete(str(target)) is True
    with pytest.raises(FileNotFoundError):
        client.delete(str(target))


def test_libclouds_deployments_run_unchanged(client: GuestSSHClient, node: Node, tmp_path: Path) -> None:
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


def test_libclouds_key_deployment_runs_unchanged(
    client: GuestSSHClient, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, bytes | str | None, str]] = []

    def put(path: str, contents: bytes | str | None = None, chmod: int | None = None, mode: str = "w") -> str:
        calls.append((path, contents, mode))  # not into the real user's authorized_keys
        return path

    monkeypatch.setattr(client, "put", put)
    SSHKeyDeployment("ssh-ed25519 AAAA").run(node, client)
    assert calls == [(".ssh/authorized_keys", "ssh-ed25519 AAAA", "a")]


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


def test_a_server_without_sftp_runs_commands_but_takes_no_files(
    new_sshd: SshdFactory, client_key: Path, username: str
) -> None:
    server = new_sshd(Subsystem="none /bin/false")
    server.start()
    server.wait()
    with closing(GuestSSHClient("127.0.0.1", server.port, username, key_files=str(client_key))) as session:
        session.connect()
        with pytest.raises(ConnectionFailedError, match="offers no SFTP"):
            session.put("x", "y")
        assert session.run("echo ok")[0] == "ok\n"


def test_get_reads_what_was_put(client: GuestSSHClient, tmp_path: Path) -> None:
    contents = os.urandom(300_000)
    client.put(str(tmp_path / "there"), contents)
    copy = io.BytesIO()
    client.get(str(tmp_path / "there"), copy)
    assert copy.getvalue() == contents
    with pytest.raises(FileNotFoundError):
        client.get(str(tmp_path / "nowhere"), copy)


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
