"""How often VMware Tools are sent a password. The clients are fakes: no guest refuses by plan."""

from __future__ import annotations

from typing import Any

import pytest

from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError
from libcloud_vsphere_clone.sessions.login_retry import connect_when_ready
from libcloud_vsphere_clone.sessions.tools.transport import pace_for


class Scripted:
    """Raises one outcome after the other, and the last of them ever after; None lets it in."""

    place, needs_password, hints = "'web' through VMware Tools", True, ("the user", "the console")

    def __init__(self, username: str, outcomes: list[Exception | None], tried: list[str]) -> None:
        self.username, self.password_refused = username, False
        self._outcomes, self._tried = outcomes, tried

    def connect(self, *, tcp_timeout_s: float | None = None, send_password: bool = True) -> bool:
        self._tried.append(self.username)
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        self.password_refused = isinstance(outcome, AuthenticationError)
        if outcome is not None:
            raise outcome
        return True

    def is_final(self, error: ConnectionFailedError) -> bool:
        return False


def log_in(outcomes: list[Exception | None], users: list[str]) -> tuple[list[str], list[float], Any]:
    """The users that were tried, how long was slept in between, and what came of it."""
    tried: list[str] = []
    slept: list[float] = []
    try:
        outcome: Any = connect_when_ready(
            lambda username: Scripted(username, outcomes, tried),
            users,
            deadline_s=300,
            pace=pace_for(users),
            clock=lambda: sum(slept),
            sleep=slept.append,
        )
    except (AuthenticationError, ConnectionFailedError) as error:
        outcome = error
    return tried, slept, outcome


@pytest.mark.parametrize("users", [["ann"], ["root", "ann"]])
def test_refused_passwords_are_few_and_far_between(users: list[str]) -> None:
    tried, slept, error = log_in([AuthenticationError("no")], users)
    assert isinstance(error, AuthenticationError)
    assert {user: tried.count(user) for user in users} == dict.fromkeys(users, 10)  # pam_faillock counts by user
    assert slept[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert "no more passwords were tried" in str(error)


def test_tools_that_do_not_answer_are_asked_to_the_end() -> None:
    _, slept, error = log_in([ConnectionFailedError("away")], ["ann"])
    assert isinstance(error, ConnectionFailedError)
    assert sum(slept) == 300
    assert slept[0] == 0.25
    assert max(slept) == 5.0


def test_every_user_is_tried_in_each_round() -> None:
    no = AuthenticationError("no")
    tried, _, client = log_in([no, no, ConnectionFailedError("away"), no, None], ["root", "admin", "root"])
    assert client.username == "admin"
    assert tried == ["root", "admin", "root", "root", "admin"]
