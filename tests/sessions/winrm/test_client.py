"""Sessions over WinRM against the lab's server, which speaks the real protocol over TLS.

Behind it is a stand-in for Windows (windows_stand_in.py), so what is shown is the transport: not PowerShell's own ways.
"""

from __future__ import annotations

import base64
import io
import logging
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.deployment import FileDeployment, MultiStepDeployment, ScriptDeployment
from libcloud.compute.ssh import SSHCommandTimeoutError

from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError, InvalidRequestError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.lab.winrm import LabWinRM
from libcloud_vsphere_clone.sessions.login_retry import connect_when_ready
from libcloud_vsphere_clone.sessions.winrm.client import WINRM_PACE, GuestWinRMClient
from tests.sessions.conftest import free_port
from tests.sessions.winrm.winrm_servers import encrypted_front, windows

PASSWORD = "Right-0ne!"
HOME = "C:\\Users\\Administrator"
NewClient = Callable[..., GuestWinRMClient]


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """What stands for C: in the guest."""
    folder = tmp_path / "c"
    folder.mkdir()
    return folder


@pytest.fixture
def server(bare_lab: Lab, drive: Path) -> Iterator[LabWinRM]:
    with bare_lab.start_winrm(windows(drive), password=PASSWORD) as running:
        yield running


@pytest.fixture
def new_client(bare_lab: Lab, server: LabWinRM) -> NewClient:
    def new(**changes: Any) -> GuestWinRMClient:
        usual = {"password": PASSWORD, "ca_cert": bare_lab.ca_cert, "auth": "basic"}
        address = {"hostname": server.host, "port": server.port}
        return GuestWinRMClient(**{**address, **usual, **changes})

    return new


@pytest.fixture
def client(new_client: NewClient) -> Iterator[GuestWinRMClient]:
    session = new_client()
    session.connect()
    yield session
    session.close()


def test_run(client: GuestWinRMClient) -> None:
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


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BrokenPipeError("nobody reads")])
def test_a_command_that_nobody_listens_to_any_more_is_ended(
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


def test_run_powershell(client: GuestWinRMClient) -> None:
    assert client.run_powershell("echo from a script; exit 3") == ("from a script\n", "", 3)


def test_a_long_powershell_script_goes_through_a_file(client: GuestWinRMClient, drive: Path) -> None:
    assert client.run_powershell(f"# {'x' * 9000}\nexit 4") == ("", "", 4)
    assert not [path for path in drive.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("path", "absolute", "kept"),
    [
        ("notes.txt", f"{HOME}\\notes.txt", "users/administrator/notes.txt"),
        ("new folder\\it's.txt", f"{HOME}\\new folder\\it's.txt", "users/administrator/new folder/it's.txt"),
        ("C:\\Windows\\Temp\\x.txt", "C:\\Windows\\Temp\\x.txt", "windows/temp/x.txt"),
        ("C:/Windows/Temp/x.txt", "C:\\Windows\\Temp\\x.txt", "windows/temp/x.txt"),
    ],
)
def test_put_and_delete(client: GuestWinRMClient, drive: Path, path: str, absolute: str, kept: str) -> None:
    assert client.put(path, "one\n", chmod=0o600) == absolute
    assert client.put(path, "twö\n", mode="a") == absolute
    assert (drive / kept).read_text() == "one\ntwö\n"
    assert client.put(path, b"\0\xff") == absolute
    assert (drive / kept).read_bytes() == b"\0\xff"
    assert client.delete(path)
    with pytest.raises(FileNotFoundError):
        client.delete(path)


def test_a_file_is_sent_in_pieces(client: GuestWinRMClient, server: LabWinRM, drive: Path) -> None:
    data = bytes(range(256)) * 2000
    before = server.counts().actions["Create"]
    assert client.putfo("big.bin", io.BytesIO(data)) == f"{HOME}\\big.bin"
    assert (drive / "users/administrator/big.bin").read_bytes() == data
    assert server.counts().actions["Send"] == 8  # 7 pieces with the hash, and the end
    assert server.counts().actions["Create"] == before


def test_putfo_of_nothing_makes_an_empty_file(client: GuestWinRMClient, drive: Path) -> None:
    client.putfo("empty", None)
    assert (drive / "users/administrator/empty").read_bytes() == b""


def test_a_file_that_cannot_be_written(client: GuestWinRMClient, drive: Path) -> None:
    (drive / "users").write_text("in the way")
    with pytest.raises(OSError, match=r"could not write 'a\.txt' in 127\.0\.0\.1: (.|\n)*Error"):
        client.put("a.txt", "x")


def test_unknown_mode(client: GuestWinRMClient) -> None:
    with pytest.raises(ValueError, match="mode 'x' is not known"):
        client.put("a.txt", "x", mode="x")


@pytest.mark.parametrize("name", ["C:\\Windows\\Temp\\x.ps1", "my scripts\\x.ps1", "x.CMD.cmd", None])
def test_script_deployment_unchanged(client: GuestWinRMClient, drive: Path, name: str | None) -> None:
    step = ScriptDeployment("echo $1-$2; echo no >&2; exit 5\n", args=["a", "b"], name=name, delete=True, timeout=120)
    step.run(None, client)  # type: ignore[arg-type]  # Libcloud only passes the node on
    assert (step.stdout, step.stderr, step.exit_status) == ("a-b\n", "no\n", 5)
    assert not [path for path in drive.rglob("*") if path.is_file()]


def test_multi_step_deployment_unchanged(client: GuestWinRMClient, drive: Path, tmp_path: Path) -> None:
    source = tmp_path / "source.txt"
    source.write_text("from here\n")
    script = ScriptDeployment("echo done", name="C:\\setup.ps1")
    MultiStepDeployment([FileDeployment(str(source), "C:\\app\\target.txt"), script]).run(None, client)  # type: ignore[arg-type]
    assert (drive / "app/target.txt").read_text() == "from here\n"
    assert (script.stdout, script.exit_status) == ("done\n", 0)


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


def test_unknown_ca(new_client: NewClient, tmp_path: Path, server: LabWinRM) -> None:
    with pytest.raises(ConnectionFailedError, match="CERTIFICATE_VERIFY_FAILED") as caught:
        new_client(ca_cert=None).connect()
    assert new_client().is_final(caught.value)
    assert not server.counts().actions
    assert server.counts().refused == 0  # no password went out


def test_wrong_host_name(new_client: NewClient) -> None:
    with pytest.raises(ConnectionFailedError, match=r"Hostname mismatch|doesn't match") as caught:
        new_client(hostname="127.1").connect()
    assert new_client().is_final(caught.value)


def test_the_name_in_the_certificate_can_be_told(new_client: NewClient) -> None:
    session = new_client(hostname="127.1", server_name="localhost")
    assert session.connect()
    session.close()
    with pytest.raises(ConnectionFailedError, match=r"mismatch|doesn't match"):
        new_client(server_name="guest.example.com").connect()


# pypsrp and urllib3 warn of it or hide it process-wide; the user has typed verify=False.
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_verify_false_trusts_anyone(new_client: NewClient) -> None:
    session = new_client(hostname="127.1", ca_cert=None, verify=False)
    assert session.connect()
    session.close()


def test_refused_password(new_client: NewClient, server: LabWinRM) -> None:
    session = new_client(password="wrong")
    with pytest.raises(AuthenticationError, match="refused the login as 'Administrator' by basic"):
        session.connect()
    assert session.password_refused
    assert server.counts().refused == 1


def test_without_the_password_nothing_is_sent(new_client: NewClient, server: LabWinRM) -> None:
    with pytest.raises(AuthenticationError, match="not sent the password"):
        new_client().connect(send_password=False)
    assert not server.counts().actions


def test_unreachable() -> None:
    port = free_port()
    session = GuestWinRMClient("127.0.0.1", port, password=PASSWORD)
    with pytest.raises(ConnectionFailedError) as caught:
        session.connect()
    assert str(caught.value) == f"WinRM to 127.0.0.1 port {port} failed: Connection refused"
    assert not session.is_final(caught.value)


def test_not_winrm(bare_lab: Lab) -> None:
    session = GuestWinRMClient("127.0.0.1", bare_lab.port, password=PASSWORD, ca_cert=bare_lab.ca_cert, auth="basic")
    with pytest.raises(ConnectionFailedError, match=r"its answer is HTTP 404; does WinRM listen there\?"):
        session.connect()


@pytest.mark.parametrize("auth", ["negotiate", "ntlm"])
def test_encrypted_messages_over_plain_http(
    bare_lab: Lab, drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, auth: str
) -> None:
    users = tmp_path / "users"
    users.write_text(":Administrator:Right-0ne!ä\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    with (
        bare_lab.start_winrm(windows(drive), password=PASSWORD, plain=True) as behind,
        encrypted_front(behind) as front,
    ):
        session = GuestWinRMClient("127.0.0.1", front.server_port, password="Right-0ne!ä", ssl=False, auth=auth)
        session.connect()
        assert session.run("echo a-secret-word; exit 3") == ("a-secret-word\n", "", 3)
        session.close()
        wrong = GuestWinRMClient("127.0.0.1", front.server_port, password="wrong", ssl=False, auth=auth)
        with pytest.raises(AuthenticationError):
            wrong.connect()
        wrong.close()
    sent = b"".join(front.seen)
    assert b"session-encrypted" in sent
    assert b"a-secret-word" not in sent
    assert b"Envelope" not in sent


def test_waiting_for_a_guest_that_starts_late(bare_lab: Lab, drive: Path) -> None:
    port = free_port()
    started: list[LabWinRM] = []

    def start() -> None:
        started.append(bare_lab.start_winrm(windows(drive), password=PASSWORD, port=port))

    threading.Timer(0.7, start).start()
    session = connect_when_ready(
        lambda name: GuestWinRMClient("127.0.0.1", port, name, PASSWORD, ca_cert=bare_lab.ca_cert, auth="basic"),
        ["Administrator"],
        deadline_s=120,
    )
    assert session.run("echo in")[0] == "in\n"
    session.close()
    started[0].stop()


def test_waiting_until_the_password_is_set(bare_lab: Lab, drive: Path) -> None:
    servers = [bare_lab.start_winrm(windows(drive), password="not yet")]
    sleeps: list[float] = []

    def set_password(seconds: float) -> None:
        sleeps.append(seconds)
        servers.pop().stop()
        servers.append(bare_lab.start_winrm(windows(drive), password=PASSWORD, port=port))

    port = servers[0].port
    session = connect_when_ready(
        lambda name: GuestWinRMClient("127.0.0.1", port, name, PASSWORD, ca_cert=bare_lab.ca_cert, auth="basic"),
        ["Administrator"],
        deadline_s=600,
        pace=WINRM_PACE,
        sleep=set_password,
    )
    assert sleeps == [20.0]
    session.close()
    servers.pop().stop()


def test_passwords_are_sent_at_a_pace(new_client: NewClient, server: LabWinRM) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(AuthenticationError, match=r"no more passwords were tried.*WinRM service allows"):
        connect_when_ready(
            lambda _: new_client(password="wrong"),
            ["Administrator"],
            deadline_s=890,
            pace=WINRM_PACE,
            clock=lambda: now[0],
            sleep=sleep,
        )
    assert server.counts().refused == 4
    assert now[0] == 20 + 60 + 180


def test_a_certificate_that_is_not_trusted_ends_the_wait(new_client: NewClient) -> None:
    with pytest.raises(ConnectionFailedError, match="CERTIFICATE_VERIFY_FAILED"):
        connect_when_ready(lambda _: new_client(ca_cert=None), ["Administrator"], deadline_s=600)


def test_the_password_is_nowhere(new_client: NewClient, server: LabWinRM, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("", "pypsrp", "pypsrp.wsman", "pypsrp.negotiate", "spnego", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    session = new_client()
    session.connect()
    session.run("echo hello")
    session.put("a.txt", "contents")
    failures = []
    for changes in ({"username": "nobody"}, {"ca_cert": None}, {"port": free_port()}, {"auth": "ntlm"}):
        with pytest.raises((AuthenticationError, ConnectionFailedError)) as caught:
            new_client(**changes).connect()
        failures.append("".join(traceback.format_exception(caught.value)) + str(pickle.dumps(caught.value)))
        failures.append(" ".join(_held(caught.value)))
    session.close()
    everything = " ".join([caplog.text, repr(session), repr(session._login), str(server), *failures])
    assert "Administrator" in everything
    for secret in (PASSWORD, base64.b64encode(f"Administrator:{PASSWORD}".encode()).decode()):
        assert secret not in everything


def _held(error: BaseException | None) -> Iterator[str]:
    """What the errors of a chain hold that a crash reporter would show."""
    while error is not None:
        yield str(vars(error))
        for value in vars(error).values():
            yield str(getattr(value, "headers", ""))
        error = error.__cause__ or error.__context__


def test_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypsrp.client", None)
    monkeypatch.delitem(sys.modules, "libcloud_vsphere_clone.sessions.winrm.shell", raising=False)
    with pytest.raises(InvalidRequestError, match=r"pip install libcloud-vsphere-clone\[winrm\]"):
        GuestWinRMClient("127.0.0.1", password=PASSWORD)
