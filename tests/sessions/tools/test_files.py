"""Files, and Libcloud's deployments, by VMware Tools in a real guest: the same results as over SSH."""

from __future__ import annotations

import hashlib
import io
import os
import tracemalloc
from pathlib import Path
from typing import IO, Any

import pytest
from libcloud.compute.base import Node
from libcloud.compute.deployment import FileDeployment, MultiStepDeployment, ScriptDeployment, SSHKeyDeployment
from libcloud.compute.ssh import BaseSSHClient

from libcloud_vsphere_clone.errors import ConnectionFailedError, TaskError
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient
from libcloud_vsphere_clone.sessions.tools.client import GuestToolsClient

pytestmark = pytest.mark.guests


def test_put_is_as_over_ssh(client: GuestToolsClient, ssh: GuestSSHClient) -> None:
    for session in (client, ssh):
        name = type(session).__name__
        session.run("umask 077; mkdir -p /root/kept; echo old > /root/kept/file; chmod 640 /root/kept/file")
        seen = [
            session.put(f"{name}/a b/c.sh", "ä\n", chmod=0o750),
            session.put(f"/root/{name}/a b/c.sh", b"second\n", mode="a"),
            session.put(f"/root/{name}/log", "appended to nothing\n", chmod=0o600, mode="a"),
            session.put(f"/root/{name}/empty"),
            session.put("/root/kept/file", "new\n"),
        ]
        expected = ["a b/c.sh", "a b/c.sh", "log", "empty"]
        assert seen == [*(f"/root/{name}/{path}" for path in expected), "/root/kept/file"]
    look = "cat 'a b/c.sh' log empty ../kept/file; stat -c '%a %U %n' 'a b' 'a b/c.sh' log empty /root/kept/*"
    ours, theirs = (client.run(f"cd /root/{kind.__name__}; {look}")[0] for kind in (GuestToolsClient, GuestSSHClient))
    assert ours == theirs
    with pytest.raises(ValueError, match="mode 'r'"):
        client.put("x", "text", mode="r")


def test_put_where_nothing_can_be_written(client: GuestToolsClient) -> None:
    with pytest.raises(OSError, match="/proc/none"):
        client.put("/proc/none/x", "text")
    with pytest.raises(IsADirectoryError):
        client.put("/etc", "text")


def test_put_where_there_is_no_room(client: GuestToolsClient) -> None:
    for size in (1, 70_000_000):  # of 64 MB
        with pytest.raises(ConnectionFailedError) as caught:
            client.put("/dev/full" if size == 1 else "/dev/shm/big", b"x" * size)  # noqa: S108
        assert f"is there room for {size:,} bytes" in caught.value.__notes__[0]
    with pytest.raises(TaskError, match="No space left"):
        client.put("/dev/full", "x", mode="a")
    client.run("rm /dev/shm/big")


def test_a_link_is_followed(client: GuestToolsClient) -> None:
    client.run("mkdir -p real && touch real/file && chmod 640 real/file && ln -sf real/file link")
    client.put("link", "behind")
    assert client.run("cat real/file; stat -c %a real/file; readlink link")[0] == "behind640\nreal/file\n"
    into = io.BytesIO()
    client.get("link", into)
    assert into.getvalue() == b"behind"


def test_delete_removes_a_file_or_says_it_is_not_there(client: GuestToolsClient) -> None:
    client.put("/root/gone", "x")
    assert client.delete("gone") is True
    with pytest.raises(FileNotFoundError):
        client.delete("/root/gone")
    with pytest.raises(FileNotFoundError):
        client.get("/root/gone", io.BytesIO())


class Stream(io.RawIOBase):
    """Bytes without end until ``size``, of which is not known in advance how many come."""

    def __init__(self, size: int) -> None:
        self.left, self.digest = size, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = os.urandom(min(len(buffer), self.left))
        self.left -= len(chunk)
        buffer[: len(chunk)] = chunk
        self.digest.update(chunk)
        return len(chunk)


def test_a_big_file_both_ways_in_little_memory(client: GuestToolsClient, tmp_path: Path) -> None:
    source = Stream(24_000_000)
    tracemalloc.start()
    try:
        path = client.putfo("/root/big", source, chmod=0o600)  # type: ignore[arg-type]
        with (tmp_path / "back").open("wb") as back:
            assert client.get(path, back) == 24_000_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
    with (tmp_path / "back").open("rb") as back:
        assert hashlib.file_digest(back, "sha256").digest() == source.digest.digest()
    assert client.run("sha256sum < /root/big; stat -c %a /root/big")[0].split()[::2] == [
        source.digest.hexdigest(),
        "600",
    ]
    client.delete(path)


@pytest.mark.parametrize("source", [io.StringIO("tëxt"), io.BytesIO("tëxt".encode())])
def test_putfo_takes_text_and_bytes(client: GuestToolsClient, source: IO[Any]) -> None:
    client.putfo("fo", source)
    assert client.run("cat fo")[0] == "tëxt"


def test_libclouds_deployments_end_as_over_ssh(
    client: GuestToolsClient, ssh: GuestSSHClient, node: Node, tmp_path: Path
) -> None:
    source = tmp_path / "motd"
    source.write_text("hello\n")
    source.chmod(0o640)

    def deploy(session: BaseSSHClient) -> tuple[Any, ...]:
        script = ScriptDeployment(
            "#!/bin/sh\ncat x/motd; tail -n 1 ~/.ssh/authorized_keys; exit 9\n", ["1"], delete=True
        )
        MultiStepDeployment(
            [FileDeployment(str(source), "x/motd"), SSHKeyDeployment("ssh-ed25519 AAAA\n"), script]
        ).run(node, session)
        left = session.run(f"ls {script.name}")[2]
        return script.stdout, script.stderr, script.exit_status, left != 0, session.run("stat -c %a .ssh x/motd")

    assert deploy(client) == deploy(ssh)
