"""Waits by subscription, on a lab whose tasks are pushed along by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pyVmomi import vmodl

from libcloud_vsphere_clone.errors import AuthenticationError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.properties import fetch_rows
from libcloud_vsphere_clone.vcenter.rows import Ref, Row, Updates
from libcloud_vsphere_clone.vcenter.session import Session
from libcloud_vsphere_clone.vcenter.updates import SUBSCRIPTIONS, apply_updates, watch_rows

from .conftest import Connect

NAME = ("name", "runtime.powerState")
NO_VM = Ref("VirtualMachine", "vm-99999")


@pytest.fixture
def vm(session: Session) -> Ref:
    """A foreign VM that is powered on."""
    rows = fetch_rows(session, {"VirtualMachine": ("name",)})
    return next(ref for ref, row in rows.items() if row["name"] == "legacy-db")


@pytest.fixture
def set_vm(calm_lab: Lab, vm: Ref) -> Iterator[Callable[..., None]]:
    """Changes properties of the VM; undone after the test."""

    def change(**values: object) -> None:
        calm_lab.control.change_vm(vm.moid, {name.replace("__", "."): value for name, value in values.items()})

    yield change
    change(runtime__connectionState="connected", guest__toolsRunningStatus="guestToolsNotRunning")


def later(work: Callable[[], object]) -> threading.Timer:
    """Does it while the test waits for the server."""
    timer = threading.Timer(0.15, work)
    timer.start()
    return timer


def test_the_first_is_the_present_state(session: Session, vm: Ref) -> None:
    first = next(watch_rows(session, {vm: NAME}, timeout_s=5))
    assert first == {vm: {"name": "legacy-db", "runtime.powerState": "poweredOn"}}


def test_changes_come_as_they_happen(session: Session, vm: Ref, set_vm: Callable[..., None]) -> None:
    set_vm(runtime__connectionState="connected")
    timer = later(lambda: set_vm(runtime__connectionState="disconnected"))
    seen = []
    for rows in watch_rows(session, {vm: ("runtime.connectionState", "name")}, timeout_s=5):
        row = rows[vm]
        assert row is not None
        seen.append(dict(row))
        if row["runtime.connectionState"] == "disconnected":
            break
    timer.join()
    assert seen[0]["runtime.connectionState"] == "connected"
    assert seen[-1] == {"runtime.connectionState": "disconnected", "name": "legacy-db"}


def test_what_may_not_be_told_is_not_taken_for_absent(vm: Ref) -> None:
    """The simulator refuses nobody: the updates are made by hand."""
    rows: dict[Ref, Row | None] = {vm: Row(vm)}
    refused = Row(vm, {"name": "legacy-db"})
    refused.unreadable = frozenset({"config.uuid", "config.annotation"})
    for change in (refused, Row(vm, {"config.uuid": "4201", "guest.net": []}), Row(vm, {"guest.net": None})):
        apply_updates(Updates("1", [change], [], truncated=False), rows)
    row = rows[vm]
    assert row == {"name": "legacy-db", "config.uuid": "4201"}
    assert row.unreadable == {"config.annotation"}


def test_it_ends_at_the_deadline(session: Session, vm: Ref) -> None:
    began = time.monotonic()
    assert len(list(watch_rows(session, {vm: NAME}, timeout_s=1))) == 1
    assert 0.9 < time.monotonic() - began < 8  # one call may take the session's ten seconds
    assert list(watch_rows(session, {vm: NAME}, timeout_s=0)) == []


@pytest.mark.parametrize("end", ["close", "error", "deadline", "all"])
def test_no_collector_is_left_however_the_wait_ends(calm_lab: Lab, session: Session, vm: Ref, end: str) -> None:
    watching = watch_rows(session, {vm: NAME}, timeout_s=0.1 if end == "deadline" else 5)
    next(watching)
    if end == "close":
        watching.close()
    elif end == "error":
        with pytest.raises(KeyboardInterrupt):
            watching.throw(KeyboardInterrupt)
    elif end == "deadline":
        list(watching)
    else:
        del watching
    left = calm_lab.control.leftovers()
    assert (left.collectors, left.filters) == (0, 0)


def test_a_target_that_is_gone_is_none(session: Session, vm: Ref) -> None:
    seen = list(watch_rows(session, {vm: NAME, NO_VM: NAME}, timeout_s=0.5))
    assert seen
    assert seen[-1][NO_VM] is None
    assert seen[-1][vm] is not None
    assert [rows[NO_VM] for rows in watch_rows(session, {NO_VM: NAME}, timeout_s=5)] == [None]


def test_a_wait_survives_the_end_of_its_session(
    calm_lab: Lab, session: Session, vm: Ref, set_vm: Callable[..., None]
) -> None:
    set_vm(runtime__connectionState="connected")
    logins = calm_lab.control.logins().count

    def expire_and_change() -> None:
        calm_lab.expire_sessions()
        set_vm(runtime__connectionState="disconnected")

    timer = later(expire_and_change)
    for rows in watch_rows(session, {vm: ("runtime.connectionState",)}, timeout_s=10):
        row = rows[vm]
        assert row is not None
        if row.get("runtime.connectionState") == "disconnected":
            break
    timer.join()
    assert calm_lab.control.logins().count == logins + 1
    assert calm_lab.control.leftovers().collectors == 0


def test_twenty_waits_survive_it_with_one_login(
    calm_lab: Lab, session: Session, vm: Ref, set_vm: Callable[..., None], together: Callable[..., Any]
) -> None:
    set_vm(runtime__connectionState="connected")
    logins = calm_lab.control.logins().count
    started = threading.Barrier(21)

    def wait() -> str:
        for number, rows in enumerate(watch_rows(session, {vm: ("runtime.connectionState",)}, timeout_s=20)):
            if number == 0:
                started.wait(10)
            row = rows[vm] or Row(vm)
            if row.get("runtime.connectionState") == "disconnected":
                return "seen"
        return "missed"

    def expire_and_change() -> None:
        started.wait(10)
        calm_lab.expire_sessions()
        set_vm(runtime__connectionState="disconnected")

    thread = threading.Thread(target=expire_and_change)
    thread.start()
    assert [future.result() for future in together(wait)] == ["seen"] * 20
    thread.join()
    assert calm_lab.control.logins().count == logins + 1
    assert calm_lab.control.leftovers().collectors == 0


@pytest.mark.parametrize("fault", ["ManagedObjectNotFound", "InvalidCollectorVersion"])
def test_a_collector_that_the_server_lost_is_made_again(calm_lab: Lab, session: Session, vm: Ref, fault: str) -> None:
    calm_lab.faults.add("WaitForUpdatesEx", fault=fault, times=2)
    assert next(watch_rows(session, {vm: NAME}, timeout_s=5))[vm] is not None
    assert calm_lab.calls().by_method["CreatePropertyCollector"] == 3
    assert calm_lab.control.leftovers().collectors == 0


def test_a_server_that_loses_collectors_for_ever_is_an_error(calm_lab: Lab, session: Session, vm: Ref) -> None:
    calm_lab.faults.add("WaitForUpdatesEx", fault="InvalidCollectorVersion", times=0)
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        list(watch_rows(session, {vm: NAME}, timeout_s=30))
    assert calm_lab.calls().by_method["WaitForUpdatesEx"] == SUBSCRIPTIONS


@pytest.mark.parametrize("when", ["reset-before", "reset-after", "drop-body"])
def test_a_lost_reply_loses_no_update(calm_lab: Lab, session: Session, vm: Ref, when: str) -> None:
    calm_lab.faults.add("WaitForUpdatesEx", when=when)
    rows = next(watch_rows(session, {vm: NAME}, timeout_s=5))
    assert rows == {vm: {"name": "legacy-db", "runtime.powerState": "poweredOn"}}


def test_what_was_unset_while_nobody_listened_is_unset(session: Session, vm: Ref) -> None:
    """A question that was answered while the session was down must not come back."""
    known: dict[Ref, Row | None] = {vm: Row(vm, {"runtime.question": {"text": "copied or moved?"}})}
    watching = watch_rows(session, {vm: (*NAME, "runtime.question")}, timeout_s=5)
    known = next(watching)
    (known[vm] or Row(vm))["runtime.question"] = {"text": "copied or moved?"}
    rows = watching.throw(vmodl.query.InvalidCollectorVersion())
    row = rows[vm]
    assert row is not None
    assert row["name"] == "legacy-db"
    assert not row.get("runtime.question")


@pytest.fixture
def sent(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The requests as they leave, without the version in their tags."""
    bodies: list[str] = []
    exchange = session.stub._exchange

    def note(method: str, body: bytes, *how: Any) -> Any:
        bodies.append(body.decode().replace(' versionId="8.0.3.0"', ""))
        return exchange(method, body, *how)

    monkeypatch.setattr(session.stub, "_exchange", note)
    return bodies


def test_changes_are_asked_for_whole(session: Session, vm: Ref, sent: list[str]) -> None:
    """Partial updates would name ``guest.net[0].ipAddress`` on a real vCenter. The simulator ignores them."""
    next(watch_rows(session, {vm: ("guest.net",)}, timeout_s=5))
    (request,) = [body for body in sent if "<CreateFilter" in body]
    assert "<partialUpdates>false</partialUpdates>" in request


@pytest.mark.parametrize(("left_s", "expected"), [(99.0, 20), (2.5, 3), (0.2, 1)])
def test_the_server_may_hold_its_answer_for_a_while(
    session: Session, vm: Ref, sent: list[str], left_s: float, expected: int
) -> None:
    next(watch_rows(session, {vm: NAME}, timeout_s=left_s))
    (request,) = [body for body in sent if "<WaitForUpdatesEx" in body]
    assert f"<maxWaitSeconds>{expected}</maxWaitSeconds>" in request


def test_an_answer_that_is_held_is_no_time_out(calm_lab: Lab, connect: Connect, vm: Ref) -> None:
    session = connect(timeout_s=0.5)
    assert len(list(watch_rows(session, {vm: NAME}, timeout_s=1))) == 1
    calm_lab.faults.add("WaitForUpdatesEx", when="stall")
    with pytest.raises(TimeoutError):
        list(watch_rows(session, {vm: NAME}, timeout_s=0.2))


def test_targets_of_one_type_may_have_paths_of_their_own(session: Session, vm: Ref) -> None:
    vms = fetch_rows(session, {"VirtualMachine": ("name",)})
    other = next(ref for ref in vms if ref != vm)
    rows = next(watch_rows(session, {vm: ("name",), other: ("config.template",)}, timeout_s=5))
    assert "name" in (rows[vm] or ())
    assert "config.template" in (rows[other] or ())


def test_a_refused_password_ends_the_wait(calm_lab: Lab, session: Session, vm: Ref) -> None:
    watching = watch_rows(session, {vm: NAME}, timeout_s=10)
    next(watching)
    calm_lab.faults.add("Login", fault="InvalidLogin", times=0)
    calm_lab.expire_sessions()
    with pytest.raises(AuthenticationError):
        next(watching)


def test_a_session_has_one_collector_to_share_and_waits_have_their_own(
    calm_lab: Lab, session: Session, vm: Ref
) -> None:
    one, two = (watch_rows(session, {vm: NAME}, timeout_s=5) for _ in range(2))
    assert next(one) == next(two)
    assert calm_lab.control.leftovers().collectors == 2
    assert isinstance(session.content.propertyCollector, vmodl.query.PropertyCollector)
    del one, two
    assert calm_lab.control.leftovers().collectors == 0


def test_a_wait_is_woken_when_the_caller_wants_to_look(session: Session, vm: Ref) -> None:
    wake_at = time.monotonic() + 0.2
    looks = []
    for rows in watch_rows(session, {vm: NAME}, timeout_s=30, wake_at=lambda: wake_at):
        looks.append(dict(rows[vm] or {}))
        if time.monotonic() >= wake_at:
            break
    assert looks == [{"name": "legacy-db", "runtime.powerState": "poweredOn"}] * 2


def test_what_ends_with_the_session_is_made_with_each_subscription(calm_lab: Lab, session: Session, vm: Ref) -> None:
    events: list[str] = []

    @contextmanager
    def beside() -> Iterator[dict[Ref, tuple[str, ...]]]:
        events.append("made")
        yield {Ref("Datacenter", "datacenter-2"): ("name",)}
        events.append("removed")

    watching = watch_rows(session, {vm: NAME}, timeout_s=30, beside=beside)
    assert len(next(watching)) == 2
    calm_lab.expire_sessions()
    next(watching)
    assert events == ["made", "made"]
