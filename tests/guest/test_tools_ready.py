"""The wait for VMware Tools. Clients that fail on purpose are fakes: no guest refuses by plan. The rest is real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import (
    AuthenticationError,
    ConnectionFailedError,
    InvalidRequestError,
    NotFoundError,
    TaskTimeoutError,
)
from libcloud_vsphere_clone.guest import tools_ready
from libcloud_vsphere_clone.guest.tools_ready import connect_tools_when_ready, wait_tools_ready
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.rows import Ref
from tests.direct import Create

VM = Ref("VirtualMachine", "vm-1")


class Scripted:
    """Raises one outcome after the other; None lets it in."""

    outcomes: list[Exception | None]
    tried: list[str]

    def __init__(self, _session: Any, _vm: Ref, username: str, _password: str, **_: Any) -> None:
        self.username = username

    def connect(self) -> bool:
        self.tried.append(self.username)
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return True


class Clock:
    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        self.now += delay_s


def wait(
    monkeypatch: pytest.MonkeyPatch, outcomes: Sequence[Exception | None], users: Sequence[str] = ("ann",)
) -> tuple[Any, Clock]:
    monkeypatch.setattr(tools_ready, "GuestToolsClient", Scripted)
    monkeypatch.setattr(tools_ready, "wait_tools_ready", lambda *_, **__: None)
    Scripted.outcomes, Scripted.tried = list(outcomes), []
    clock = Clock()
    session: Any = None
    try:
        found = connect_tools_when_ready(session, VM, users, "secret", deadline_s=300, clock=clock, sleep=clock.sleep)
    except Exception as error:
        return error, clock
    return found, clock


def test_refused_passwords_are_few_and_far_between(monkeypatch: pytest.MonkeyPatch) -> None:
    error, clock = wait(monkeypatch, [AuthenticationError("no")] * 99)
    assert isinstance(error, AuthenticationError)
    assert "cloud-init" in str(error)
    assert len(Scripted.tried) <= 10
    assert clock.slept[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_tools_that_do_not_answer_are_asked_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    error, clock = wait(monkeypatch, [ConnectionFailedError("away")] * 999)
    assert isinstance(error, ConnectionFailedError)
    assert clock.now == 300
    assert clock.slept[0] == 0.25
    assert max(clock.slept) == 5.0


def test_every_user_is_tried_in_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    no = AuthenticationError("no")
    found, _ = wait(monkeypatch, [no, no, ConnectionFailedError("away"), no, None], ("root", "admin", "root"))
    assert found.username == "admin"
    assert Scripted.tried == ["root", "admin", "root", "root", "admin"]


def test_without_a_user_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    error, _ = wait(monkeypatch, [], ())
    assert isinstance(error, InvalidRequestError)


def test_the_wait_is_told_by_vcenter(driver: VsphereCloneNodeDriver, create: Create, bare_lab: Lab) -> None:
    node = create("waiting", ex_power_on=True)
    vm = Ref("VirtualMachine", node.extra["moid"])
    with pytest.raises(TaskTimeoutError, match=r"'waiting' took no guest operations.*open-vm-tools"):
        wait_tools_ready(driver._session, vm, timeout_s=0.3)
    bare_lab.control.change_vm(vm.moid, {"guest.guestOperationsReady": True})
    wait_tools_ready(driver._session, vm, timeout_s=5)
    with pytest.raises(NotFoundError):
        wait_tools_ready(driver._session, Ref("VirtualMachine", "vm-none"), timeout_s=1)
