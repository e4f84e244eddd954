"""The wait until a guest accepts a login, over whichever transport.

Takes a way to make clients for one address; gives a client that is logged in. Polls, as only the guest can say when
it is ready; what vCenter knows of it meanwhile, the caller may check.

A new guest goes through all of: no route, refused connections, a server that hangs up, and logins refused because
cloud-init has not made the user yet. Each has a pace of its own.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

from ..errors import AuthenticationError, ConnectionFailedError, InvalidRequestError

if TYPE_CHECKING:
    from libcloud.compute.ssh import BaseSSHClient

__all__ = ["Backoff", "LoginClient", "RetryPace", "connect_when_ready", "reconnect"]


class LoginClient(Protocol):
    """What a client has to offer so that its login can be tried again and again."""

    @property
    def place(self) -> str:
        """Where it logs in to, for messages."""

    @property
    def username(self) -> str: ...

    @property
    def password_refused(self) -> bool:
        """Whether the last ``connect`` sent the password and the guest refused it."""

    @property
    def needs_password(self) -> bool:
        """Whether the password is all there is to log in with."""

    @property
    def hints(self) -> tuple[str, str]:
        """What to check when the guest refuses the login, and when it can't be reached."""

    def connect(self, *, tcp_timeout_s: float | None = None, send_password: bool = True) -> bool:
        """Log in; True once that is done; raises AuthenticationError or ConnectionFailedError."""

    def is_final(self, error: ConnectionFailedError) -> bool:
        """Whether trying again can't help."""


CHECK_S = 10.0
"""Seconds without any answer after which the caller checks whether there still is a guest, and where."""

Client = TypeVar("Client", bound=LoginClient)


@dataclass(frozen=True)
class Backoff:
    """Growing delays: ``first_s``, then ``factor`` times the one before, up to ``ceiling_s``."""

    first_s: float
    factor: float
    ceiling_s: float

    def delay_s(self, count: int) -> float:
        """The delay after the ``count``-th failure in a row, from 1."""
        return min(self.ceiling_s, self.first_s * self.factor ** min(count - 1, 100))


@dataclass(frozen=True)
class RetryPace:
    """How fast to try again, by what went wrong; these are SSH's own figures.

    fail2ban's sshd jail bans an address for 10 minutes after 5 failures in 10 minutes (``maxretry``, ``findtime`` in
    its jail.conf). Its filter counts a refused password once, and a refused key not at all, so at most 4 passwords
    are sent in any 10 minutes. For a user that does not exist it counts keys as well, and passwords twice: there,
    a ban can only be avoided by an image in which cloud-init makes the users before sshd starts, as most do.
    """

    unreachable: Backoff = Backoff(0.05, 1.15, 1.0)
    tcp_timeout: Backoff = Backoff(1.0, 1.5, 60.0)
    """The first ones short: a packet to an address that no guest has yet is lost, and TCP repeats it late."""
    key_refused: Backoff = Backoff(0.5, 1.5, 5.0)
    password_refused: Backoff = Backoff(4.0, 4.0, 64.0)
    passwords_per_window: int = 4
    window_s: float = 600.0


def connect_when_ready(
    build_client: Callable[[str], Client],
    usernames: Sequence[str],
    *,
    deadline_s: float,
    pace: RetryPace | None = None,
    check: Callable[[], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Client:
    """Try to log in until a guest accepts it; the first client that could, connected.

    :param build_client: makes the client for a user name; all for one address.
    :param usernames: tried in this order in every round, as ``ssh_username`` and ``ssh_alternate_usernames``.
    :param deadline_s: seconds for the whole wait. It ends earlier when no password may be tried any more.
    :param check: called now and then while nothing answers; what it raises ends the wait. The clients are made anew
        after it: the address may be another.
    :raises ConnectionFailedError: no server answered in time, or trying again can't help.
    :raises AuthenticationError: it answered, and refused every user.
    """
    if not usernames:
        raise InvalidRequestError("no user name to log in with: pass ssh_username")
    attempts = _LoginAttempts[Client](clock() + deadline_s, deadline_s, pace or RetryPace(), clock)
    attempts.take([build_client(username) for username in dict.fromkeys(usernames)])
    while (client := attempts.try_all()) is None:
        sleep(attempts.next_delay_s())
        if check is not None and attempts.has_been_silent():
            check()
            attempts.take([build_client(username) for username in dict.fromkeys(usernames)])
    return client


def reconnect(client: BaseSSHClient, *, deadline_s: float) -> None:
    """Log in again, with a client whose session broke half-way.

    :raises ConnectionFailedError, AuthenticationError: the guest did not accept it in time.
    """
    again = cast("LoginClient", client)  # as are the clients of all transports whose sessions can break
    connect_when_ready(lambda _: again, [again.username], deadline_s=deadline_s)


@dataclass
class _LoginAttempts(Generic[Client]):
    deadline: float
    deadline_s: float
    pace: RetryPace
    clock: Callable[[], float]
    clients: list[Client] = field(default_factory=list)
    tried: dict[str, None] = field(default_factory=dict)
    silent_since: float = math.inf
    unreachable_count: int = 0
    refused_count: int = 0
    refused_passwords: deque[float] = field(default_factory=deque)
    last_error: AuthenticationError | ConnectionFailedError | None = None

    def take(self, clients: list[Client]) -> None:
        """Try these from now on."""
        before = {client.place: None for client in self.clients}
        if {client.place for client in clients} != before.keys():
            self.unreachable_count = 0
        self.tried |= before
        self.clients = clients

    def has_been_silent(self) -> bool:
        """Whether nothing has answered for ``CHECK_S``; the count begins anew when it is so."""
        if self.clock() - self.silent_since < CHECK_S:
            return False
        self.silent_since = math.inf
        return True

    def try_all(self) -> Client | None:
        """Try each client once; the first that could log in."""
        for client in self.clients:
            send_password = self._until_password_s() <= 0
            if not send_password and client.needs_password:
                continue
            try:
                client.connect(tcp_timeout_s=self._tcp_timeout_s(), send_password=send_password)
            except AuthenticationError as error:
                self.last_error = error
                self.unreachable_count, self.silent_since = 0, math.inf
                if client.password_refused:
                    self.refused_passwords.append(self.clock())
            except ConnectionFailedError as error:
                self.last_error = error
                self.unreachable_count += 1
                self.silent_since = min(self.silent_since, self.clock())
                if client.is_final(error):
                    raise
                return None
            else:
                return client
        self.refused_count += 1
        return None

    def next_delay_s(self) -> float:
        """How long to wait before the next round.

        :raises AuthenticationError, ConnectionFailedError: there is no time for another one.
        """
        left_s = self.deadline - self.clock()
        # With a key there is something to try in the meantime.
        password_s = self._until_password_s() if all(client.needs_password for client in self.clients) else 0.0
        if left_s <= 0 or password_s >= left_s:
            raise self._given_up(banned_soon=0 < left_s <= password_s)
        # The last round is at the very end rather than not at all.
        return min(max(self._delay_s(), password_s), left_s)

    def _tcp_timeout_s(self) -> float:
        left_s = max(0.5, self.deadline - self.clock())
        return min(left_s, self.pace.tcp_timeout.delay_s(self.unreachable_count + 1))

    def _delay_s(self) -> float:
        if self.unreachable_count:
            return self.pace.unreachable.delay_s(self.unreachable_count)
        if any(client.password_refused for client in self.clients):
            return self.pace.password_refused.delay_s(self.refused_count)
        return self.pace.key_refused.delay_s(self.refused_count)

    def _until_password_s(self) -> float:
        """How long until one more refused password would stay within the limit."""
        oldest = self.clock() - self.pace.window_s
        while self.refused_passwords and self.refused_passwords[0] <= oldest:
            self.refused_passwords.popleft()
        if len(self.refused_passwords) < self.pace.passwords_per_window:
            return 0.0
        return self.refused_passwords[0] - oldest

    def _given_up(self, *, banned_soon: bool) -> AuthenticationError | ConnectionFailedError:
        first = self.clients[0]
        users = ", ".join(str(client.username) for client in self.clients)
        places = self.tried | {client.place: None for client in self.clients}
        where = f"could not log in to {' or '.join(places)} as {users}"
        reason = self.last_error.message if self.last_error else "nothing was tried"
        if isinstance(self.last_error, AuthenticationError):
            why_now = (
                "" if not banned_soon else "; no more passwords were tried, as guests often ban clients that send many"
            )
            return AuthenticationError(f"{where}: {reason}{why_now}; check {first.hints[0]}", fault=self.last_error)
        return ConnectionFailedError(
            f"{where} within {self.deadline_s:g} s: {reason}; check {first.hints[1]}",
            fault=getattr(self.last_error, "fault", None),
        )
