"""The wait for sshd: its pace with a clock of the test's own, its outcome with a real server."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError, InvalidRequestError, NotFoundError
from libcloud_vsphere_clone.sessions.login_retry import Backoff, connect_when_ready
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient
from tests.sessions.conftest import Sshd, SshdFactory, free_port, password_user

pytestmark = pytest.mark.usefixtures("no_thread_left")

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="makes a user of this machine: needs root")


@dataclass
class FakeTime:
    """A clock that only sleeping moves."""

    now: float = 1000.0
    sleeps: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.sleeps.append(seconds)
        self.now += seconds
        assert len(self.sleeps) < 2000


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


def test_backoff_grows_to_its_ceiling() -> None:
    backoff = Backoff(0.5, 2.0, 3.0)
    assert [backoff.delay_s(count) for count in (1, 2, 3, 4, 10_000)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_server_that_starts_late(new_sshd: SshdFactory, client_key: Path, username: str) -> None:
    server = new_sshd()
    threading.Timer(0.7, server.start).start()
    started = time.monotonic()
    client = connect_when_ready(
        lambda name: GuestSSHClient("127.0.0.1", server.port, name, key_files=client_key),
        [username],
        deadline_s=120,
    )
    assert client.run("echo in")[0] == "in\n"
    assert time.monotonic() - started < 60  # in good time before the deadline
    client.close()


def test_a_key_that_comes_late(new_sshd: SshdFactory, client_key: Path, username: str) -> None:
    server = new_sshd()
    keys = server.folder / "authorized_keys"
    hidden = keys.rename(server.folder / "hidden")
    server.start()
    server.wait()
    threading.Timer(1.0, lambda: hidden.rename(keys)).start()
    client = connect_when_ready(
        lambda name: GuestSSHClient("127.0.0.1", server.port, name, key_files=client_key),
        [username],
        deadline_s=120,
    )
    client.close()


def test_the_user_that_can_log_in_is_found(sshd: Sshd, client_key: Path, username: str) -> None:
    client = connect_when_ready(
        lambda name: GuestSSHClient("127.0.0.1", sshd.port, name, key_files=client_key),
        ["nobody-of-this-name", username],
        deadline_s=120,
    )
    assert client.username == username
    client.close()


def test_giving_up_on_a_silent_address(fake_time: FakeTime, client_key: Path) -> None:
    port = free_port()
    with pytest.raises(ConnectionFailedError) as caught:
        connect_when_ready(
            lambda name: GuestSSHClient("127.0.0.1", port, name, key_files=client_key),
            ["root", "admin"],
            deadline_s=30,
            clock=fake_time.clock,
            sleep=fake_time.sleep,
        )
    assert str(caught.value).startswith(
        f"could not log in to 127.0.0.1 port {port} as root, admin within 30 s: "
        f"SSH to 127.0.0.1 port {port} failed: Connection refused; check that this machine can reach"
    )
    assert fake_time.sleeps[0] == 0.05
    assert max(fake_time.sleeps) == 1.0
    assert fake_time.now == pytest.approx(1030)  # the last attempt at the very end


def test_refused_keys_are_tried_until_the_end(
    sshd: Sshd, make_key: Callable[..., Path], username: str, fake_time: FakeTime
) -> None:
    with pytest.raises(AuthenticationError, match=r"1 key\(s\) refused; check the user name"):
        connect_when_ready(
            lambda name: GuestSSHClient("127.0.0.1", sshd.port, name, key_files=make_key("-t", "rsa", "-b", "2048")),
            [username],
            deadline_s=60,
            clock=fake_time.clock,
            sleep=fake_time.sleep,
        )
    assert fake_time.sleeps[:3] == [0.5, 0.75, 1.125]
    assert max(fake_time.sleeps) == 5.0
    assert fake_time.now == pytest.approx(1060)


@AS_ROOT
@pytest.mark.parametrize(("deadline_s", "sent"), [(300, 4), (650, 6)])
def test_refused_passwords_stay_below_what_fail2ban_counts(
    new_sshd: SshdFactory, fake_time: FakeTime, deadline_s: float, sent: int
) -> None:
    server = new_sshd()
    server.start()
    server.wait()
    with password_user("right") as user, pytest.raises(AuthenticationError) as caught:
        connect_when_ready(
            lambda name: GuestSSHClient("127.0.0.1", server.port, name, "wrong"),
            [user],
            deadline_s=deadline_s,
            clock=fake_time.clock,
            sleep=fake_time.sleep,
        )
    message = str(caught.value)
    assert "the password is refused" in message
    assert ("no more passwords were tried" in message) is (deadline_s == 300)
    assert "wrong" not in message
    assert server.count("Failed password", sent) == sent
    assert fake_time.sleeps[:3] == [4.0, 16.0, 64.0]


@AS_ROOT
def test_with_a_key_the_wait_goes_on_without_the_password(
    new_sshd: SshdFactory, make_key: Callable[..., Path], fake_time: FakeTime
) -> None:
    server = new_sshd()
    server.start()
    server.wait()
    keys = GuestSSHClient("127.0.0.1", key_files=make_key("-t", "rsa", "-b", "2048")).pkeys
    with password_user("right") as user, pytest.raises(AuthenticationError):
        connect_when_ready(
            lambda name: GuestSSHClient("127.0.0.1", server.port, name, "wrong", pkeys=keys),
            [user],
            deadline_s=120,
            clock=fake_time.clock,
            sleep=fake_time.sleep,
        )
    assert server.count("Failed password", 4) == 4
    assert fake_time.now == pytest.approx(1120)


def test_ctrl_c_ends_the_wait_at_once(client_key: Path) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    port = free_port()
    with pytest.raises(KeyboardInterrupt):
        connect_when_ready(
            lambda name: GuestSSHClient("127.0.0.1", port, name, key_files=client_key),
            ["root"],
            deadline_s=60,
            sleep=interrupted,
        )


def test_a_server_without_a_common_algorithm(new_sshd: SshdFactory, client_key: Path) -> None:
    server = new_sshd(Ciphers="chacha20-poly1305@openssh.com")
    server.start()
    server.wait()
    with pytest.raises(ConnectionFailedError, match=r"cipher|acceptable"):
        connect_when_ready(
            lambda name: GuestSSHClient("127.0.0.1", server.port, name, key_files=client_key),
            ["root"],
            deadline_s=60,
        )


def test_a_login_without_a_user_is_refused(client_key: Path) -> None:
    with pytest.raises(InvalidRequestError, match="ssh_username"):
        connect_when_ready(lambda name: GuestSSHClient("127.0.0.1"), [], deadline_s=1)


# Looking whether there still is a guest


def test_a_silent_guest_is_looked_for_now_and_then(fake_time: FakeTime, client_key: Path) -> None:
    port, looks = free_port(), list[float]()
    with pytest.raises(ConnectionFailedError):
        connect_when_ready(
            lambda name: GuestSSHClient("127.0.0.1", port, name, key_files=client_key),
            ["root"],
            deadline_s=60,
            check=lambda: looks.append(fake_time.now - 1000),
            clock=fake_time.clock,
            sleep=fake_time.sleep,
        )
    assert len(looks) == 5
    assert looks[0] == pytest.approx(10, abs=1)


def test_what_is_seen_may_end_the_wait(fake_time: FakeTime, client_key: Path) -> None:
    def look() -> None:
        raise NotFoundError("node", "vm-1", "it was removed")

    port = free_port()
    with pytest.raises(NotFoundError):
        connect_when_ready(
            lambda name: GuestSSHClient("127.0.0.1", port, name, key_files=client_key),
            ["root"],
            deadline_s=600,
            check=look,
            clock=fake_time.clock,
            sleep=fake_time.sleep,
        )
    assert fake_time.now < 1012


def test_the_next_address_is_tried_after_a_look(
    sshd: Sshd, client_key: Path, username: str, fake_time: FakeTime
) -> None:
    ports = [free_port()]
    client = connect_when_ready(
        lambda name: GuestSSHClient("127.0.0.1", ports[-1], name, key_files=client_key),
        [username],
        deadline_s=600,
        check=lambda: ports.append(sshd.port),
        clock=fake_time.clock,
        sleep=fake_time.sleep,
    )
    client.close()
    assert fake_time.now < 1012


def test_all_places_that_were_tried_are_told(client_key: Path, fake_time: FakeTime) -> None:
    ports = first, second = [free_port(), free_port()]
    with pytest.raises(ConnectionFailedError) as caught:
        connect_when_ready(
            lambda name: GuestSSHClient("127.0.0.1", ports[0], name, key_files=client_key),
            ["root"],
            deadline_s=30,
            check=ports.reverse,
            clock=fake_time.clock,
            sleep=fake_time.sleep,
        )
    assert str(caught.value).startswith(
        f"could not log in to 127.0.0.1 port {first} or 127.0.0.1 port {second} as root"
    )


def test_a_guest_that_answers_is_not_looked_for(
    sshd: Sshd, make_key: Callable[..., Path], username: str, fake_time: FakeTime
) -> None:
    with pytest.raises(AuthenticationError):
        connect_when_ready(
            lambda name: GuestSSHClient("127.0.0.1", sshd.port, name, key_files=make_key("-t", "rsa", "-b", "2048")),
            [username],
            deadline_s=60,
            check=pytest.fail,
            clock=fake_time.clock,
            sleep=fake_time.sleep,
        )
