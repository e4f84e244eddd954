"""Guest operations on real guests: the same results as over SSH."""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword
from libcloud.compute.deployment import FileDeployment, MultiStepDeployment, ScriptDeployment, SSHKeyDeployment
from libcloud.compute.ssh import BaseSSHClient, SSHCommandTimeoutError

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError, InvalidRequestError, TaskError
from libcloud_vsphere_clone.guest.readiness import wait_running
from libcloud_vsphere_clone.guest.wait import Wait
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.login_retry import connect_when_ready
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient
from libcloud_vsphere_clone.sessions.tools import output as tools_output
from libcloud_vsphere_clone.sessions.tools.client import GuestToolsClient
from libcloud_vsphere_clone.sessions.tools.transport import TOOLS_PACE
from libcloud_vsphere_clone.vcenter.rows import Ref
from libcloud_vsphere_clone.vcenter.session import Session
from libcloud_vsphere_clone.vcenter.transfer import download

pytestmark = pytest.mark.guests

PASSWORD = "pl€nty of 'secret' $HOME"


def connect_tools_when_ready(
    session: Session, vm: Ref, usernames: list[str], password: str, *, deadline_s: float
) -> GuestToolsClient:
    """As the driver does it: vCenter says when the tools run, and the guest when it knows the user."""
    wait_running(session, {vm: Wait("tools")}, timeout_s=deadline_s)
    return connect_when_ready(
        lambda username: GuestToolsClient(session, vm, username, password),
        usernames,
        deadline_s=deadline_s,
        pace=TOOLS_PACE,
    )


@pytest.fixture(scope="module")
def guest_driver(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    with lab.driver() as driver:
        yield driver


@pytest.fixture(scope="module")
def node(guest_driver: VsphereCloneNodeDriver) -> Iterator[Node]:
    image = guest_driver.ex_get_image_by_name("debian-12")
    made = guest_driver.create_node("tools", None, image, auth=NodeAuthPassword(PASSWORD))
    yield made
    guest_driver.destroy_node(made)


@pytest.fixture(scope="module")
def vm(node: Node) -> Ref:
    return Ref("VirtualMachine", node.extra["moid"])


@pytest.fixture(scope="module")
def client(guest_driver: VsphereCloneNodeDriver, vm: Ref) -> GuestToolsClient:
    """Logged in as soon as cloud-init has set root's password."""
    return connect_tools_when_ready(guest_driver._session, vm, ["root"], PASSWORD, deadline_s=240)


@pytest.fixture(scope="module")
def ssh(guest_driver: VsphereCloneNodeDriver, node: Node, client: GuestToolsClient) -> Iterator[GuestSSHClient]:
    [(_, [address])] = guest_driver.wait_until_running([node], timeout=240, ssh_interface="private_ips")
    session = connect_when_ready(
        lambda username: GuestSSHClient(address, 22, username, password=PASSWORD), ["root"], deadline_s=240
    )
    yield session
    session.close()


@pytest.fixture
def tidy(client: GuestToolsClient) -> Iterator[None]:
    """After the test nothing of ours is in the guest's temporary folder but the folder of the look itself."""
    yield
    assert client.run("ls -d /tmp/libcloud-* | wc -l")[0].strip() == "1"


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


class Heard:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.pieces: list[tuple[bytes, bool]] = []

    def __call__(self, piece: bytes, is_error: bool) -> None:
        self.pieces.append((piece, is_error))

    def whole(self, *, is_error: bool = False) -> bytes:
        return b"".join(piece for piece, error in self.pieces if error is is_error)


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


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BrokenPipeError(errno.EPIPE, "nobody reads")])
def test_a_command_that_nobody_listens_to_any_more_is_ended(
    client: GuestToolsClient, tidy: None, error: BaseException
) -> None:
    def leave(piece: bytes, is_error: bool) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        client.stream("echo up; sleep 4715 & sleep 4716", leave)
    assert caught.value is error
    assert "sleep 471" not in client.run("ps axo args")[0]


def test_round_trips(client: GuestToolsClient, lab: Lab) -> None:
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


def test_a_link_is_followed(client: GuestToolsClient) -> None:
    client.run("mkdir -p real && touch real/file && chmod 640 real/file && ln -sf real/file link")
    client.put("link", "behind")
    assert client.run("cat real/file; stat -c %a real/file; readlink link")[0] == "behind640\nreal/file\n"
    into = io.BytesIO()
    client.get("link", into)
    assert into.getvalue() == b"behind"


def test_delete(client: GuestToolsClient) -> None:
    client.put("/root/gone", "x")
    assert client.delete("gone") is True
    with pytest.raises(FileNotFoundError):
        client.delete("/root/gone")
    with pytest.raises(FileNotFoundError):
        client.get("/root/gone", io.BytesIO())


class Stream(io.RawIOBase):
    """Bytes without end until ``size``, of which nobody knows in advance how many come."""

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


def test_libclouds_deployments(client: GuestToolsClient, ssh: GuestSSHClient, node: Node, tmp_path: Path) -> None:
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


def test_an_ordinary_user(guest_driver: VsphereCloneNodeDriver, client: GuestToolsClient, vm: Ref) -> None:
    client.run("useradd -m -s /bin/sh -G games ann && echo 'ann:ann secret' | chpasswd", timeout=120)
    ann = connect_tools_when_ready(guest_driver._session, vm, ["nobody-yet", "ann"], "ann secret", deadline_s=120)
    assert ann.username == "ann"
    assert ann.run("whoami; pwd; id -Gn; echo $SHELL")[0] == "ann\n/home/ann\nann games\n/bin/sh\n"
    ann.put("mine", "x", chmod=0o600)
    assert client.run("stat -c '%U %a' /home/ann/mine")[0] == "ann 600\n"
    with pytest.raises(PermissionError):
        ann.put("/root/hers", "x")
    with pytest.raises(PermissionError):
        ann.get("/etc/shadow", io.BytesIO())
    with pytest.raises(SSHCommandTimeoutError):
        ann.run("sleep 4713", timeout=0.5)
    assert "sleep 4713" not in client.run("ps axo args")[0]


def test_a_user_who_appears_late(guest_driver: VsphereCloneNodeDriver, client: GuestToolsClient, vm: Ref) -> None:
    client.run("nohup sh -c 'sleep 3; useradd -m late && echo late:later | chpasswd' >/dev/null 2>&1 &")
    session = connect_tools_when_ready(guest_driver._session, vm, ["late"], "later", deadline_s=120)
    assert session.run("whoami")[0] == "late\n"


def test_a_wrong_password(guest_driver: VsphereCloneNodeDriver, vm: Ref) -> None:
    with pytest.raises(AuthenticationError, match=r"'tools' as 'root'.*InvalidGuestLogin.*never a key"):
        GuestToolsClient(guest_driver._session, vm, "root", "wrong").connect()
    with pytest.raises(AuthenticationError, match="cloud-init"):
        connect_tools_when_ready(guest_driver._session, vm, ["root"], "wrong", deadline_s=2)
    with pytest.raises(InvalidRequestError, match="keys are not known"):
        GuestToolsClient(guest_driver._session, vm, "root", "")


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


def test_the_password_is_nowhere(client: GuestToolsClient, lab: Lab, vm: Ref, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen = client.run("ps axeo args; env; cat /tmp/libcloud-*/run/* 2>/dev/null")[0] + repr(client)
    lab.faults.add("ValidateCredentialsInGuest", fault="InvalidGuestLogin")
    with pytest.raises(AuthenticationError) as caught:
        client.connect()
    client.connect()
    seen += repr(caught.value) + repr(vars(caught.value)) + caplog.text + lab.log_text() + repr(client._calls)
    assert "secret" not in seen


def test_a_vm_without_tools(guest_driver: VsphereCloneNodeDriver) -> None:
    image = guest_driver.ex_get_image_by_name("debian-12")
    off = guest_driver.create_node("off", None, image, auth=NodeAuthPassword(PASSWORD), ex_power_on=False)
    ref = Ref("VirtualMachine", off.extra["moid"])
    try:
        with pytest.raises(ConnectionFailedError, match=r"InvalidPowerState.*check that the VM is on"):
            GuestToolsClient(guest_driver._session, ref, "root", PASSWORD).connect()
        with pytest.raises(TaskError, match=r"no guest can answer: 'off' is poweredOff; start it with start_node"):
            connect_tools_when_ready(guest_driver._session, ref, ["root"], PASSWORD, deadline_s=60)
    finally:
        guest_driver.destroy_node(off)


def test_a_closed_session(client: GuestToolsClient) -> None:
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
