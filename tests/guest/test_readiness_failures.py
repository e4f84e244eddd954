"""Waits that cannot end well: they fail at once, and say why.

A wait that is to fail at once has far more time than any test may take: it would end as a TaskTimeoutError.
"""

from __future__ import annotations

import pytest

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import NotFoundError
from libcloud_vsphere_clone.guest import obstacles, readiness
from libcloud_vsphere_clone.guest.readiness import wait_running, watch_running
from libcloud_vsphere_clone.guest.wait import Wait
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.session import Session
from tests.direct import Create, Direct, Later, await_calls
from tests.guest.conftest import LONG_S, Guest, MakeGuest, failure, told


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A VM that is off for a moment is one that is off; test_obstacles.py tells for how long."""
    monkeypatch.setattr(obstacles, "OFF_FOR_S", 0.2)


@pytest.mark.usefixtures("hasty")
def test_a_vm_that_is_off_from_the_start_ends_the_wait(
    session: Session, bare_lab: Lab, direct: Direct, create: Create
) -> None:
    one = Guest(bare_lab.control, direct, create("web"))
    assert str(failure(session, one)) == "no address can come: 'web' is poweredOff; start it with start_node"


@pytest.mark.usefixtures("hasty")
def test_a_guest_that_powers_off_meanwhile_ends_the_wait(
    session: Session, driver: VsphereCloneNodeDriver, guest: MakeGuest, later: Later
) -> None:
    one = guest()
    one.customize("RUNNING")
    later(driver.stop_node, one.node, ex_hard=True)
    assert str(failure(session, one, Wait("customized"))).startswith("no guest can answer: 'web' is poweredOff")


def test_a_vm_that_is_removed_meanwhile_ends_its_wait(
    session: Session, driver: VsphereCloneNodeDriver, guest: MakeGuest, later: Later
) -> None:
    one, two = guest("one"), guest("two")
    outcomes = watch_running(session, {one.ref: Wait(), two.ref: Wait()}, timeout_s=LONG_S)
    later(driver.destroy_node, one.node)
    ref, error = told(next(outcomes))
    assert (ref, type(error)) == (one.ref, NotFoundError)
    outcomes.close()


def test_a_vm_with_disconnected_adapters_only_ends_the_wait(session: Session, guest: MakeGuest) -> None:
    one = guest()
    one.connect(False)
    found = str(failure(session, one, Wait(nic_grace_s=0.1)))
    assert found.startswith("no address can come: node 'web' has disconnected network adapters only (00:50:56:")
    assert "its tools are guestToolsNotRunning, its addresses are none" in found


def test_adapters_that_are_connected_meanwhile_are_no_failure(session: Session, guest: MakeGuest, later: Later) -> None:
    one = guest()
    one.report("10.0.0.5")
    one.connect(False)
    one.set(guest__net=None)

    def connect() -> None:
        one.connect(True)
        one.report("10.0.0.5")

    later(connect)
    assert wait_running(session, {one.ref: Wait(nic_grace_s=60)}, timeout_s=LONG_S) == {one.ref: ["10.0.0.5"]}


@pytest.mark.parametrize("word", ["address", "tools", "customized"])
def test_a_vm_without_tools_ends_the_wait(session: Session, guest: MakeGuest, word: str) -> None:
    one = guest()
    one.set(guest__toolsVersionStatus2="guestToolsNotInstalled")
    found = str(failure(session, one, Wait(word, tools_grace_s=0.1)))
    assert found.startswith("nothing can be heard of the guest of node 'web': VMware Tools are not installed in it")


FAILURES = [
    "CustomizationFailed",
    "CustomizationLinuxIdentityFailed",
    "CustomizationNetworkSetupFailed",
    "CustomizationSysprepFailed",
    "CustomizationUnknownFailure",
]


@pytest.mark.parametrize("event", FAILURES)
def test_a_customization_fails_by_its_event(session: Session, guest: MakeGuest, event: str, later: Later) -> None:
    one = guest()
    one.report("10.0.0.5")
    later(one.customize, event=event, message="The guest said no.")
    found = str(failure(session, one, Wait("customized")))
    assert found.startswith(f"the customization of node 'web' failed: The guest said no ({event}); the guest's log: ")


def test_a_customization_fails_by_its_status_and_the_event_that_follows(
    bare_lab: Lab, session: Session, guest: MakeGuest, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "EVENT_S", LONG_S)
    one = guest()
    one.customize("RUNNING")

    def fail() -> None:
        one.customize("FAILED", message="short")
        await_calls(bare_lab, "WaitForUpdatesEx", 3)  # it has been told that, and waits for the event
        one.customize(event="CustomizationFailed", message="A long story.")

    later(fail)
    found = str(failure(session, one, Wait("customized")))
    assert "failed: A long story; short (CustomizationFailed); the guest's log: /var/log/vmware-imc/" in found


def test_a_customization_fails_by_its_status_without_an_event(
    session: Session, guest: MakeGuest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "EVENT_S", 0.1)
    one = guest()
    one.customize("FAILED", message="short")
    assert "failed: short; the guest's log: " in str(failure(session, one, Wait("ssh", customizing=True)))


def test_a_customization_that_fails_during_a_plain_wait_is_looked_up(
    bare_lab: Lab, session: Session, guest: MakeGuest, later: Later
) -> None:
    before = bare_lab.control.leftovers().collectors  # of programs that other tests have killed
    one = guest()
    one.customize("RUNNING")
    waiting = watch_running(session, {one.ref: Wait()}, timeout_s=LONG_S)

    def fail() -> None:
        one.customize(event="CustomizationNetworkSetupFailed", message="No such network.")
        one.customize("FAILED", message="short")

    later(fail)
    [(_, found)] = waiting
    assert "failed: No such network; short (CustomizationNetworkSetupFailed); the guest's log: " in str(found)
    assert bare_lab.control.leftovers().collectors == before


def test_a_customization_fails_by_the_guests_own_key(
    session: Session, direct: Direct, guest: MakeGuest, later: Later
) -> None:
    one = guest()
    later(one.say, direct, "error: no such user")
    found = str(failure(session, one, Wait("customized")))
    assert found.startswith(
        "the customization of node 'web' failed: no such user; the guest's log: /var/log/cloud-init.log; 'web' is"
    )


def test_another_vms_events_do_not_count(session: Session, guest: MakeGuest, later: Later) -> None:
    one, other = guest("one"), guest("other")
    one.report("10.0.0.5")
    other.customize(event="CustomizationFailed", message="not mine")
    later(one.customize, event="CustomizationSucceeded")
    assert wait_running(session, {one.ref: Wait("customized")}, timeout_s=LONG_S) == {one.ref: ["10.0.0.5"]}
