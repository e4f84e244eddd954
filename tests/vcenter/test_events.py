"""Events of the lab's VMs, posted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import events
from libcloud_vsphere_clone.vcenter.events import event_kind, event_page, fetch_events, latest_events
from libcloud_vsphere_clone.vcenter.properties import fetch_rows
from libcloud_vsphere_clone.vcenter.rows import TYPE_KEY, Ref, Row
from libcloud_vsphere_clone.vcenter.session import Session
from libcloud_vsphere_clone.vcenter.updates import watch_rows

START, SUCCESS, FAILURE = "CustomizationStartedEvent", "CustomizationSucceeded", "CustomizationFailed"
KINDS = (START, SUCCESS, FAILURE)


@pytest.fixture
def vms(calm_lab: Lab, session: Session) -> Iterator[list[Ref]]:
    """Two foreign VMs, on."""
    rows = fetch_rows(session, {"VirtualMachine": ("name",)})
    yield [ref for ref, row in rows.items() if row["name"] in ("legacy-db", "legacy-web")]


def test_the_latest_event_of_each_vm(calm_lab: Lab, session: Session, vms: list[Ref]) -> None:
    one, two = vms
    for kind in (START, FAILURE):
        calm_lab.control.tell_customization(one.moid, event=kind, message=f"{kind} of one")
    calm_lab.control.tell_customization(two.moid, event=SUCCESS)
    found = fetch_events(session, vms, KINDS)
    assert {vm: event_kind(event) for vm, event in found.items()} == {one: FAILURE, two: SUCCESS}
    assert found[one]["fullFormattedMessage"] == f"{FAILURE} of one"
    assert fetch_events(session, [one], KINDS).keys() == {one}
    assert event_kind(fetch_events(session, [one], [START])[one]) == START


def test_events_come_to_a_wait_as_they_happen(calm_lab: Lab, session: Session, vms: list[Ref]) -> None:
    one, _ = vms
    targets = {one: ("name",)}
    watching = watch_rows(session, targets, timeout_s=60, beside=lambda: event_page(session, [one], KINDS))
    next(watching)
    calm_lab.control.tell_customization(one.moid, event=SUCCESS, message="told")
    for rows in watching:
        found = latest_events([row for ref, row in rows.items() if ref not in targets])
        if found and found[one]["fullFormattedMessage"] == "told":
            break
    watching.close()
    assert event_kind(found[one]) == SUCCESS
    calls = calm_lab.calls().by_method
    assert (calls["CreateCollectorForEvents"], calls["DestroyCollector"]) == (1, 1)


@pytest.mark.parametrize("fault", ["NoPermission", "NotSupported", "InvalidState"])
def test_a_user_who_can_have_no_collector_has_no_events(
    calm_lab: Lab, session: Session, vms: list[Ref], fault: str
) -> None:
    calm_lab.control.tell_customization(vms[0].moid, event=SUCCESS)
    calm_lab.faults.add("CreateCollectorForEvents", fault=fault)
    assert fetch_events(session, vms, KINDS) == {}


def test_a_session_that_ended_is_renewed(calm_lab: Lab, session: Session, vms: list[Ref]) -> None:
    calm_lab.control.tell_customization(vms[0].moid, event=SUCCESS)
    calm_lab.expire_sessions()
    assert event_kind(fetch_events(session, vms[:1], KINDS)[vms[0]]) == SUCCESS


def test_the_narrowest_filter(session: Session, vms: list[Ref]) -> None:
    rows = fetch_rows(session, {"VirtualMachine": ("name", "parent")})
    elsewhere = next(ref for ref, row in rows.items() if row["name"] == "debian-12")
    gone = Ref("VirtualMachine", "vm-99999")
    folder = rows[vms[0]]["parent"]
    found = []
    for targets in ([vms[0]], [gone], vms, [*vms, elsewhere], [*vms, gone]):
        spec = events._event_filter(session, targets, KINDS)
        assert list(spec.eventTypeId) == list(KINDS)
        entity = spec.entity and (spec.entity.entity._moId, spec.entity.recursion)
        found.append((entity, spec.maxCount, spec.time is not None))
    assert found == [
        ((vms[0].moid, "self"), 10, True),
        (("vm-99999", "self"), 10, False),
        ((folder.moid, "all"), 10, True),
        (None, 100, True),
        (None, 100, False),
    ]


@pytest.mark.parametrize(("count", "expected"), [(5, 15), (1000, 1000)])
def test_the_page_has_room_for_all(
    session: Session, vms: list[Ref], count: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = [Ref("VirtualMachine", f"vm-{number}") for number in range(count)]
    folder = Ref("Folder", "group-1")
    monkeypatch.setattr(events, "fetch_rows", lambda *_, **__: {ref: Row(ref, {"parent": folder}) for ref in refs})
    assert events._event_filter(session, refs, KINDS).maxCount == expected


def test_history_is_searched_from_the_oldest_vm_on(session: Session, vms: list[Ref]) -> None:
    spec = events._event_filter(session, vms, KINDS)
    dates = fetch_rows(session, {"VirtualMachine": ("config.createDate",)}, objects=vms, everywhere=())
    oldest = min(str(row["config.createDate"]) for row in dates.values())
    assert (spec.time.beginTime + events.CLOCK_SLACK).isoformat()[:19] == oldest[:19]


def test_events_by_their_numbers() -> None:
    vm = Ref("VirtualMachine", "vm-1")

    def event(number: str, kind: str) -> dict[str, Any]:
        return {TYPE_KEY: kind, "key": number, "vm": {"name": "web", "vm": vm}}

    page = Row(Ref("EventHistoryCollector", "1"), {"latestPage": [event("10", SUCCESS), event("9", START)]})
    assert event_kind(latest_events([page, None, Row(vm)])[vm]) == SUCCESS
    page["latestPage"].reverse()
    assert event_kind(latest_events([page])[vm]) == SUCCESS
    assert event_kind(None) == ""
