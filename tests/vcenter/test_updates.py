"""Waits by subscription, on a lab whose tasks are pushed along by hand."""

from __future__ import annotations

import math
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
from libcloud_vsphere_clone.vcenter.rows import Ref, Row
from libcloud_vsphere_clone.vcenter.session import Session
from libcloud_vsphere_clone.vcenter.subscription import SUBSCRIPTIONS
from libcloud_vsphere_clone.vcenter.updates import watch_rows
from tests.direct import Later, acting_in_waits

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


@pytest.fixture
def later(calm_lab: Lab) -> Iterator[Later]:
    with acting_in_waits(calm_lab) as start:
        yield start


def test_the_first_is_the_present_state(session: Session, vm: Ref) -> None:
    first = next(watch_rows(session, {vm: NAME}, timeout_s=60))
    assert first == {vm: {"name": "legacy-db", "runtime.powerState": "poweredOn"}}


def test_changes_come_as_they_happen(session: Session, vm: Ref, set_vm: Callable[..., None], later: Later) -> None:
    set_vm(runtime__connectionState="connected")
    later(set_vm, runtime__connectionState="disconnected")
    seen = []
    for rows in watch_rows(session, {vm: ("runtime.connectionState", "name")}, timeout_s=60):
        row = rows[vm]
        assert row is not None
        seen.append(dict(row))
        if row["runtime.connectionState"] == "disconnected":
            break
    assert seen[0]["runtime.connectionState"] == "connected"
    assert seen[-1] == {"runtime.connectionState": "disconnected", "name": "legacy-db"}


def test_it_ends_at_the_deadline(session: Session, vm: Ref) -> None:
    began = time.monotonic()
    assert len(list(watch_rows(session, {vm: NAME}, timeout_s=1))) == 1
    assert 0.9 < time.monotonic() - began < 8  # one call may take the session's ten seconds
    assert list(watch_rows(session, {vm: NAME}, timeout_s=0)) == []


@pytest.mark.parametrize("end", ["close", "error", "deadline", "all"])
def test_no_collector_is_left_however_the_wait_ends(calm_lab: Lab, session: Session, vm: Ref, end: str) -> None:
    watching = watch_rows(session, {vm: NAME}, timeout_s=1 if end == "deadline" else 60)
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
    watching = watch_rows(session, {vm: NAME, NO_VM: NAME}, timeout_s=60)
    rows = next(rows for rows in watching if rows[vm] is not None)
    watching.close()
    assert rows[NO_VM] is None
    assert [rows[NO_VM] for rows in watch_rows(session, {NO_VM: NAME}, timeout_s=60)] == [None]


def test_a_wait_survives_the_end_of_its_session(
    calm_lab: Lab, session: Session, vm: Ref, set_vm: Callable[..., None], later: Later
) -> None:
    set_vm(runtime__connectionState="connected")
    logins = calm_lab.control.logins().count

    def expire_and_change() -> None:
        calm_lab.expire_sessions()
        set_vm(runtime__connectionState="disconnected")

    later(expire_and_change)
    for rows in watch_rows(session, {vm: ("runtime.connectionState",)}, timeout_s=60):
        row = rows[vm]
        assert row is not None
        if row.get("runtime.connectionState") == "disconnected":
            break
    assert calm_lab.control.logins().count == logins + 1
    assert calm_lab.control.leftovers().collectors == 0


def test_twenty_waits_survive_it_with_one_login(
    calm_lab: Lab, session: Session, vm: Ref, set_vm: Callable[..., None], together: Callable[..., Any]
) -> None:
    set_vm(runtime__connectionState="connected")
    logins = calm_lab.control.logins().count
    started = threading.Barrier(21)

    def wait() -> str:
        for number, rows in enumerate(watch_rows(session, {vm: ("runtime.connectionState",)}, timeout_s=60)):
            if number == 0:
                started.wait(60)
            row = rows[vm] or Row(vm)
            if row.get("runtime.connectionState") == "disconnected":
                return "seen"
        return "missed"

    def expire_and_change() -> None:
        started.wait(60)
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
    assert next(watch_rows(session, {vm: NAME}, timeout_s=60))[vm] is not None
    assert calm_lab.calls().by_method["CreatePropertyCollector"] == 3
    assert calm_lab.control.leftovers().collectors == 0


def test_a_server_that_loses_collectors_for_ever_is_an_error(calm_lab: Lab, session: Session, vm: Ref) -> None:
    calm_lab.faults.add("WaitForUpdatesEx", fault="InvalidCollectorVersion", times=0)
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        list(watch_rows(session, {vm: NAME}, timeout_s=60))
    assert calm_lab.calls().by_method["WaitForUpdatesEx"] == SUBSCRIPTIONS


@pytest.mark.parametrize("when", ["reset-before", "reset-after", "drop-body"])
def test_a_lost_reply_loses_no_update(calm_lab: Lab, session: Session, vm: Ref, when: str) -> None:
    calm_lab.faults.add("WaitForUpdatesEx", when=when)
    rows = next(watch_rows(session, {vm: NAME}, timeout_s=60))
    assert rows == {vm: {"name": "legacy-db", "runtime.powerState": "poweredOn"}}


def test_what_was_unset_while_nobody_listened_is_unset(
    calm_lab: Lab, session: Session, vm: Ref, set_vm: Callable[..., None]
) -> None:
    """A question that was answered while the session was down must not come back."""
    set_vm(runtime__question={"id": "q1", "text": "copied or moved?", "choice": {}})
    watching = watch_rows(session, {vm: (*NAME, "runtime.question")}, timeout_s=60)
    assert (next(watching)[vm] or Row(vm))["runtime.question"]["text"] == "copied or moved?"
    calm_lab.faults.add("WaitForUpdatesEx", fault="InvalidCollectorVersion")
    set_vm(runtime__question=None)
    row = next(watching)[vm]
    assert row is not None
    assert row["name"] == "legacy-db"
    assert not row.get("runtime.question")


def test_an_answer_that_is_held_is_no_time_out(calm_lab: Lab, connect: Connect, vm: Ref) -> None:
    session = connect(timeout_s=1.5)
    assert len(list(watch_rows(session, {vm: NAME}, timeout_s=1.6))) == 1  # held for two seconds
    calm_lab.faults.add("WaitForUpdatesEx", when="stall")
    with pytest.raises(TimeoutError):
        list(watch_rows(session, {vm: NAME}, timeout_s=0.2))


def test_targets_of_one_type_may_have_paths_of_their_own(session: Session, vm: Ref) -> None:
    vms = fetch_rows(session, {"VirtualMachine": ("name",)})
    other = next(ref for ref in vms if ref != vm)
    rows = next(watch_rows(session, {vm: ("name",), other: ("config.template",)}, timeout_s=60))
    assert "name" in (rows[vm] or ())
    assert "config.template" in (rows[other] or ())


def test_a_refused_password_ends_the_wait(calm_lab: Lab, session: Session, vm: Ref) -> None:
    watching = watch_rows(session, {vm: NAME}, timeout_s=60)
    next(watching)
    calm_lab.faults.add("Login", fault="InvalidLogin", times=0)
    calm_lab.expire_sessions()
    with pytest.raises(AuthenticationError):
        next(watching)


def test_a_session_has_one_collector_to_share_and_waits_have_their_own(
    calm_lab: Lab, session: Session, vm: Ref
) -> None:
    one, two = (watch_rows(session, {vm: NAME}, timeout_s=60) for _ in range(2))
    assert next(one) == next(two)
    assert calm_lab.control.leftovers().collectors == 2
    assert isinstance(session.content.propertyCollector, vmodl.query.PropertyCollector)
    del one, two
    assert calm_lab.control.leftovers().collectors == 0


def test_a_wait_is_woken_when_the_caller_wants_to_look(session: Session, vm: Ref) -> None:
    wake_at = [math.inf]
    looks = []
    for rows in watch_rows(session, {vm: NAME}, timeout_s=60, wake_at=lambda: wake_at[0]):
        looks.append(dict(rows[vm] or {}))
        if time.monotonic() >= wake_at[0]:
            break
        wake_at[0] = time.monotonic() + 0.2
    assert looks == [{"name": "legacy-db", "runtime.powerState": "poweredOn"}] * 2


def test_what_ends_with_the_session_is_made_with_each_subscription(calm_lab: Lab, session: Session, vm: Ref) -> None:
    events: list[str] = []

    @contextmanager
    def beside() -> Iterator[dict[Ref, tuple[str, ...]]]:
        events.append("made")
        try:
            yield {Ref("Datacenter", "datacenter-2"): ("name",)}
        finally:
            events.append("removed")

    watching = watch_rows(session, {vm: NAME}, timeout_s=30, beside=beside)
    assert len(next(watching)) == 2
    calm_lab.expire_sessions()
    next(watching)
    assert events == ["made", "removed", "made"]
    watching.close()
    assert events == ["made", "removed"] * 2
