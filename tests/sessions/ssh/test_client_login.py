"""The SSH client's logins to a real sshd, and to what is none."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient
from libcloud_vsphere_clone.sessions.ssh.keys import load_private_key
from tests.sessions.conftest import Sshd, SshdFactory, free_port, password_user

pytestmark = pytest.mark.usefixtures("no_thread_left")

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="makes a user of this machine: needs root")


@pytest.mark.parametrize(
    "arguments", [("-t", "rsa", "-b", "2048", "-m", "PEM"), ("-t", "ecdsa", "-m", "PKCS8"), ("-t", "ed25519")]
)
def test_a_key_of_each_kind_logs_in(
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


def test_a_refused_key_is_an_authentication_error(sshd: Sshd, make_key: Callable[..., Path], username: str) -> None:
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
def test_a_password_logs_in_and_a_wrong_one_is_tried_once(new_sshd: SshdFactory) -> None:
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


def test_a_port_without_a_server_is_a_connection_error(client_key: Path, capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with pytest.raises(ConnectionFailedError) as caught:
        GuestSSHClient("127.0.0.1", port, key_files=client_key).connect()
    assert str(caught.value) == f"SSH to 127.0.0.1 port {port} failed: Connection refused"
    assert isinstance(caught.value.fault, ConnectionRefusedError)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_another_protocols_server_is_a_connection_error(
    greeting: bytes, client_key: Path, capfd: pytest.CaptureFixture[str]
) -> None:
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


def test_a_client_takes_key_files_and_loaded_keys(client_key: Path) -> None:
    key = load_private_key(client_key)
    assert GuestSSHClient("h", key_files=[client_key], pkeys=[key]).pkeys == (key, key)
