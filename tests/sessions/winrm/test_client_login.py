"""Certificates, passwords and late servers: logins over WinRM to the lab's server."""

from __future__ import annotations

import base64
import logging
import pickle
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.lab.winrm import LabWinRM
from libcloud_vsphere_clone.sessions.login_retry import connect_when_ready
from libcloud_vsphere_clone.sessions.winrm.client import WINRM_PACE, GuestWinRMClient
from tests.sessions.conftest import free_port
from tests.sessions.winrm.conftest import PASSWORD, NewClient
from tests.sessions.winrm.winrm_servers import encrypted_front, windows


def test_a_certificate_of_an_unknown_ca_is_refused(new_client: NewClient, tmp_path: Path, server: LabWinRM) -> None:
    with pytest.raises(ConnectionFailedError, match="CERTIFICATE_VERIFY_FAILED") as caught:
        new_client(ca_cert=None).connect()
    assert new_client().is_final(caught.value)
    assert not server.counts().actions
    assert server.counts().refused == 0  # no password went out


def test_a_certificate_of_another_host_is_refused(new_client: NewClient) -> None:
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
def test_verify_false_trusts_every_certificate(new_client: NewClient) -> None:
    session = new_client(hostname="127.1", ca_cert=None, verify=False)
    assert session.connect()
    session.close()


def test_a_refused_password_is_an_authentication_error(new_client: NewClient, server: LabWinRM) -> None:
    session = new_client(password="wrong")
    with pytest.raises(AuthenticationError, match="refused the login as 'Administrator' by basic"):
        session.connect()
    assert session.password_refused
    assert server.counts().refused == 1


def test_without_the_password_nothing_is_sent(new_client: NewClient, server: LabWinRM) -> None:
    with pytest.raises(AuthenticationError, match="not sent the password"):
        new_client().connect(send_password=False)
    assert not server.counts().actions


def test_a_port_without_a_server_is_a_connection_error() -> None:
    port = free_port()
    session = GuestWinRMClient("127.0.0.1", port, password=PASSWORD)
    with pytest.raises(ConnectionFailedError) as caught:
        session.connect()
    assert str(caught.value) == f"WinRM to 127.0.0.1 port {port} failed: Connection refused"
    assert not session.is_final(caught.value)


def test_a_server_of_another_kind_is_a_connection_error(bare_lab: Lab) -> None:
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
