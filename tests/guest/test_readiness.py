"""Waits that end well, and those that end with the time: guests report what they wait for, or do not."""

from __future__ import annotations

import pytest

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import TaskError, TaskTimeoutError
from libcloud_vsphere_clone.guest import readiness
from libcloud_vsphere_clone.guest.readiness import RUNNING_PATHS, wait_running, watch_running
from libcloud_vsphere_clone.guest.wait import Wait, build_wait
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.properties import fetch_rows
from libcloud_vsphere_clone.vcenter.session import Session
from tests.direct import Direct, Later
from tests.guest.conftest import LONG_S, MakeGuest, told

SUBSCRIPTION = {"CreatePropertyCollector": 1, "CreateFilter": 1, "DestroyPropertyCollector": 1}
EVENT_SUBSCRIPTION = {**SUBSCRIPTION, "RetrievePropertiesEx": 1, "CreateCollectorForEvents": 1, "DestroyCollector": 1}


# Ready


def test_a_wait_ends_with_the_guests_address(session: Session, guest: MakeGuest, later: Later) -> None:
    one = guest()
    later(one.report, "10.0.0.5")
    assert wait_running(session, {one.ref: Wait()}, timeout_s=LONG_S) == {one.ref: ["10.0.0.5"]}


def test_each_vm_comes_as_soon_as_it_is_ready_over_one_subscription(
    bare_lab: Lab, session: Session, guest: MakeGuest
) -> None:
    guests = [guest(f"web-{number}") for number in range(4)]
    bare_lab.reset_calls()
    ready = watch_running(session, {one.ref: Wait() for one in guests}, timeout_s=LONG_S)
    for number in (2, 0, 3, 1):
        guests[number].report(f"10.0.0.{number}")
        assert told(next(ready)) == (guests[number].ref, [f"10.0.0.{number}"])
    assert list(ready) == []
    calls = bare_lab.calls().by_method
    assert 4 <= calls.pop("WaitForUpdatesEx") <= 6
    assert calls == SUBSCRIPTION


def test_one_collector_of_events_serves_all_vms(bare_lab: Lab, session: Session, guest: MakeGuest) -> None:
    guests = [guest(f"web-{number}") for number in range(3)]
    before = bare_lab.control.leftovers()  # programs that other tests killed have not logged out
    bare_lab.reset_calls()
    ready = watch_running(session, {one.ref: Wait("customized") for one in guests}, timeout_s=LONG_S)
    for number in (1, 2, 0):
        guests[number].report(f"10.0.0.{number}")
        guests[number].customize(event="CustomizationSucceeded")
        assert told(next(ready)) == (guests[number].ref, [f"10.0.0.{number}"])
    assert list(ready) == []
    calls = bare_lab.calls().by_method
    assert calls.pop("WaitForUpdatesEx") <= 7
    assert calls == EVENT_SUBSCRIPTION
    left = bare_lab.control.leftovers()
    assert (left.collectors, left.filters) == (before.collectors, before.filters)


def test_one_that_fails_does_not_hold_up_the_others(session: Session, guest: MakeGuest) -> None:
    good, bad = guest("good"), guest("bad")
    outcomes = watch_running(session, {good.ref: Wait(), bad.ref: Wait()}, timeout_s=LONG_S)
    bad.set(runtime__question={"id": "1", "text": "moved or copied?", "choice": {}})
    ref, error = told(next(outcomes))
    assert (ref, type(error)) == (bad.ref, TaskError)
    good.report("10.0.0.5")
    assert told(next(outcomes)) == (good.ref, ["10.0.0.5"])


def test_what_is_known_already_needs_no_subscription(bare_lab: Lab, session: Session, guest: MakeGuest) -> None:
    ready, asking, late = guest("ready"), guest("asking"), guest("late")
    ready.report("10.0.0.5")
    asking.set(runtime__question={"id": "1", "text": "moved or copied?", "choice": {}})
    paths = {"VirtualMachine": (*RUNNING_PATHS, "config.uuid")}
    known = fetch_rows(session, paths, objects=[one.ref for one in (ready, asking, late)], everywhere=())
    late.report("10.0.0.6")
    bare_lab.reset_calls()
    two = {one.ref: Wait() for one in (ready, asking)}
    outcomes = dict(map(told, watch_running(session, two, timeout_s=LONG_S, known=known.values())))
    assert outcomes[ready.ref] == ["10.0.0.5"]
    assert "moved or copied?" in str(outcomes[asking.ref])
    assert bare_lab.calls().total == 0
    waits = {late.ref: Wait(), **two}
    found = list(watch_running(session, waits, timeout_s=LONG_S, known=known.values(), extra=["config.uuid"]))
    assert told(found[-1]) == (late.ref, ["10.0.0.6"])
    assert found[-1][0]["config.uuid"] == known[late.ref]["config.uuid"]
    assert "runtime.question" not in found[-1][0]  # as a read has it
    assert bare_lab.calls().by_method == {**SUBSCRIPTION, "WaitForUpdatesEx": 1}


@pytest.mark.parametrize(
    "ready", [{"guest.guestOperationsReady": True}, {"guest.toolsRunningStatus": "guestToolsRunning"}]
)
def test_a_wait_for_tools_ends_when_they_take_operations(
    session: Session, guest: MakeGuest, ready: dict[str, object], later: Later
) -> None:
    one = guest()
    later(one.set, **{name.replace(".", "__"): value for name, value in ready.items()})
    assert wait_running(session, {one.ref: Wait("tools")}, timeout_s=LONG_S) == {one.ref: []}


def test_tools_that_run_but_take_no_operations_yet_are_waited_for(
    session: Session, guest: MakeGuest, later: Later
) -> None:
    one = guest()
    one.set(guest__guestOperationsReady=False, guest__toolsRunningStatus="guestToolsRunning")
    later(one.set, guest__guestOperationsReady=True)
    assert wait_running(session, {one.ref: Wait("tools")}, timeout_s=LONG_S) == {one.ref: []}


@pytest.mark.parametrize("wait", [Wait("customized"), Wait("ssh", customizing=True)])
@pytest.mark.parametrize("word", [{"status": "SUCCEEDED"}, {"event": "CustomizationSucceeded"}])
def test_a_wait_for_a_customization_ends_with_its_status_or_event(
    session: Session, guest: MakeGuest, wait: Wait, word: dict[str, str], later: Later
) -> None:
    one = guest()
    one.report("10.0.0.5")
    one.customize("RUNNING" if "status" in word else None, "CustomizationStartedEvent")
    ready = watch_running(session, {one.ref: wait}, timeout_s=LONG_S)
    later(one.customize, **word)
    assert list(map(told, ready)) == [(one.ref, ["10.0.0.5"])]


def test_a_wait_for_a_customization_ends_with_the_guests_own_key(
    session: Session, direct: Direct, guest: MakeGuest, later: Later
) -> None:
    one = guest()
    one.report("10.0.0.5")
    later(one.say, direct, "done")
    assert wait_running(session, {one.ref: Wait("customized")}, timeout_s=LONG_S) == {one.ref: ["10.0.0.5"]}


def test_what_a_guest_says_of_its_customization_does_not_delay_its_address(
    session: Session, direct: Direct, guest: MakeGuest, later: Later
) -> None:
    """A script that failed is no reason not to log in, nor is one that still runs."""
    one = guest()
    outcomes = watch_running(session, {one.ref: Wait("ssh")}, timeout_s=LONG_S)
    later(one.say, direct, "error: cloud-init failed in scripts-user")
    later(one.report, "10.0.0.5")
    assert list(map(told, outcomes)) == [(one.ref, ["10.0.0.5"])]


def test_a_customized_guest_without_an_address_is_ready_after_a_while(
    session: Session, guest: MakeGuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "ADDRESS_AFTER_S", 0.1)
    one = guest()
    one.customize("SUCCEEDED")
    assert wait_running(session, {one.ref: Wait("customized")}, timeout_s=LONG_S) == {one.ref: []}


def test_no_address_counts_while_a_customization_is_under_way(session: Session, guest: MakeGuest, later: Later) -> None:
    one = guest()
    one.report("10.0.0.99")
    one.customize("RUNNING")
    with pytest.raises(
        TaskTimeoutError, match=r"no address within 1 s.*addresses are 10.0.0.99; it is being customized"
    ):
        wait_running(session, {one.ref: Wait()}, timeout_s=1)

    def finish() -> None:
        one.report("10.0.0.5")
        one.customize("SUCCEEDED")

    later(finish)
    assert wait_running(session, {one.ref: Wait()}, timeout_s=LONG_S) == {one.ref: ["10.0.0.5"]}


def test_an_old_failure_is_no_failure_of_today(session: Session, guest: MakeGuest) -> None:
    one = guest()
    one.customize("FAILED", message="last year")
    one.report("10.0.0.5")
    assert wait_running(session, {one.ref: Wait()}, timeout_s=LONG_S) == {one.ref: ["10.0.0.5"]}


def test_a_better_address_may_follow(session: Session, guest: MakeGuest, later: Later) -> None:
    one = guest()
    wait = build_wait(expected="10.0.0.5/24")
    one.report("10.0.0.99")
    later(one.report, "10.0.0.99", "10.0.0.5")
    assert wait_running(session, {one.ref: wait}, timeout_s=LONG_S) == {one.ref: ["10.0.0.5", "10.0.0.99"]}


def test_what_is_there_is_the_answer_when_nothing_better_follows(session: Session, guest: MakeGuest) -> None:
    one = guest()
    one.report("fd00::5")
    wait = Wait(only_ipv4=False, settle_s=0.1)
    assert wait_running(session, {one.ref: wait}, timeout_s=LONG_S) == {one.ref: ["fd00::5"]}


def test_an_expected_address_without_tools_is_taken_on_trust(session: Session, guest: MakeGuest) -> None:
    one = guest()
    one.set(guest__toolsVersionStatus2="guestToolsNotInstalled")
    wait = Wait("ssh", expected=("10.0.0.5",), tools_grace_s=0.1)
    assert wait_running(session, {one.ref: wait}, timeout_s=LONG_S) == {one.ref: ["10.0.0.5"]}


def test_the_end_of_the_session_is_survived_with_its_events(
    bare_lab: Lab, session: Session, guest: MakeGuest, later: Later
) -> None:
    one = guest()
    one.report("10.0.0.5")

    def expire_and_finish() -> None:
        bare_lab.expire_sessions()
        one.customize(event="CustomizationSucceeded")

    later(expire_and_finish)
    assert wait_running(session, {one.ref: Wait("customized")}, timeout_s=LONG_S) == {one.ref: ["10.0.0.5"]}


def test_without_the_right_to_read_events_a_wait_ends_by_the_status(
    bare_lab: Lab, session: Session, guest: MakeGuest
) -> None:
    one = guest()
    one.report("10.0.0.5")
    one.customize("SUCCEEDED")
    bare_lab.faults.add("CreateCollectorForEvents", fault="NoPermission")
    assert wait_running(session, {one.ref: Wait("customized")}, timeout_s=LONG_S) == {one.ref: ["10.0.0.5"]}


def test_a_wait_for_no_vm_makes_no_call(bare_lab: Lab, session: Session) -> None:
    bare_lab.reset_calls()
    assert wait_running(session, {}, timeout_s=LONG_S) == {}
    assert bare_lab.calls().total == 0


# Time-outs


def test_late_vms_come_at_the_deadline_each_with_what_it_reported(session: Session, guest: MakeGuest) -> None:
    one, two, three = guest("one"), guest("two"), guest("three")
    two.report("10.0.0.5")
    three.report("fd00::5")
    waits = {one.ref: Wait(), two.ref: Wait(), three.ref: build_wait("customized")}
    outcomes = dict(map(told, watch_running(session, waits, timeout_s=1)))
    assert outcomes[two.ref] == ["10.0.0.5"]
    assert str(outcomes[one.ref]).startswith("no address within 1 s: 'one' is poweredOn, its tools are guestToolsNotRu")
    assert str(outcomes[three.ref]).startswith("no end of the customization within 1 s: 'three' is poweredOn")
    assert "neither vCenter nor the guest has said that it is being customized" in str(outcomes[three.ref])


def test_several_late_vms_are_one_error(session: Session, guest: MakeGuest) -> None:
    waits = {guest(name).ref: Wait() for name in ("one", "two")}
    with pytest.raises(TaskTimeoutError) as caught:
        wait_running(session, waits, timeout_s=1)
    assert str(caught.value).startswith("no address within 1 s: 'one' is poweredOn")
    assert "; 'two' is poweredOn" in str(caught.value)


def test_the_drivers_options_reach_the_wait(driver: VsphereCloneNodeDriver, guest: MakeGuest) -> None:
    one, two = guest("one"), guest("two")
    one.report("10.0.0.5", "192.168.0.5", "10.0.0.6")
    two.report("10.0.0.7")
    expected = {one.node.id: "10.0.0.6/24"}
    found = driver.wait_until_running(
        [one.node, two.node], timeout=LONG_S, ex_address_filter="10.0.0.0/8", ex_expected=expected, ex_wait_for="ssh"
    )
    assert [(node.name, addresses) for node, addresses in found] == [
        ("one", ["10.0.0.6", "10.0.0.5"]),
        ("two", ["10.0.0.7"]),
    ]
    with pytest.raises(ValueError, match="ex_wait_for must be one of"):
        driver.wait_until_running([one.node], ex_wait_for="ip")
