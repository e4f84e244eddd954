"""Events of VMs: subscribed to beside other waits, and read once; VMs and types of events in, events as rows out.

vCenter keeps a page of the latest events for each collector and tells subscribers when it changes: nothing is polled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

from pyVmomi import vim, vmodl

from ..errors import CONNECTION_ERRORS, VsphereError, translated
from .properties import fetch_row, fetch_rows
from .rows import TYPE_KEY, Ref, Row
from .session import Session

__all__ = ["Event", "Events", "event_kind", "event_page", "fetch_events", "latest_events"]

Event = dict[str, Any]
"""An event's fields, with its type under ``TYPE_KEY``."""

Events = dict[Ref, Event]
"""``{VM: its latest event}``."""

CLOCK_SLACK = timedelta(hours=1)
"""Between the clock that dated a VM's creation and the one that dates its events."""

PAGE_PER_VM, SMALLEST_PAGE, CROWDED_PAGE, LARGEST_PAGE = 3, 10, 100, 1000
"""Events on the page: a start, an end and one to spare for each VM, more where other VMs' events are on it, and within
what a collector takes."""


@contextmanager
def event_page(session: Session, vms: Collection[Ref], kinds: Sequence[str]) -> Iterator[dict[Ref, tuple[str, ...]]]:
    """What to subscribe to for the latest events of these types; nothing, where the user may read no events.

    One collector serves any number of VMs: a client may have 32 (``EventManager.maxCollector``). It looks at the one
    VM, at the folder that has them all, or else at everything: others' events may be on the page. It ends with its
    session.

    Source: EventManager.CreateCollectorForEvents, EventHistoryCollector.latestPage (vSphere Web Services API).
    """
    try:
        collector = session.content.eventManager.CreateCollectorForEvents(_event_filter(session, vms, kinds))
    except vim.fault.NotAuthenticated:
        raise
    except (vim.fault.NoPermission, vmodl.fault.NotSupported, vim.fault.InvalidState):
        yield {}  # InvalidState: the user has as many collectors as may be
        return
    try:
        yield {Ref("EventHistoryCollector", collector._moId): ("latestPage",)}
    finally:
        with suppress(VsphereError, vmodl.MethodFault, *CONNECTION_ERRORS):
            collector.DestroyCollector()


def fetch_events(session: Session, vms: Collection[Ref], kinds: Sequence[str]) -> Events:
    """The latest event of these types of each VM that has one.

    :raises VsphereError: as ``errors.py`` maps what went wrong.
    """
    with translated("read the events of VMs"), event_page(session, vms, kinds) as page:
        found = latest_events([fetch_row(session, ref, paths) for ref, paths in page.items()])
    return {vm: event for vm, event in found.items() if vm in vms}


def latest_events(rows: Collection[Row | None]) -> Events:
    """The latest event of each VM, by the rows of the collectors among ``rows``."""
    found: Events = {}
    for row in rows:
        for event in (row.get("latestPage") or []) if row is not None else []:
            vm = (event.get("vm") or {}).get("vm")
            if vm is not None and _number(event) >= _number(found.get(vm, {})):
                found[vm] = event
    return found


def event_kind(event: Event | None) -> str:
    """The type of an event, such as ``CustomizationSucceeded``; empty for none."""
    return str((event or {}).get(TYPE_KEY, ""))


def _number(event: Event) -> int:
    """Events are numbered as they happen."""
    return int(event.get("key") or 0)


def _event_filter(session: Session, vms: Collection[Ref], kinds: Sequence[str]) -> Any:
    """The narrowest filter that has the events of all the VMs."""
    spec = vim.event.EventFilterSpec
    paths = {"VirtualMachine": ("parent", "config.createDate")}
    rows = list(fetch_rows(session, paths, objects=vms, everywhere=()).values())
    parents = {row.get("parent") for row in rows} if len(rows) == len(vms) else {None}
    entity, recursion = (next(iter(vms)), "self") if len(vms) == 1 else (next(iter(parents)), "all")
    is_narrow = entity is not None and len(parents) == 1
    page = max(SMALLEST_PAGE if is_narrow else CROWDED_PAGE, min(PAGE_PER_VM * len(vms), LARGEST_PAGE))
    begin = _oldest(rows) if len(rows) == len(vms) else None
    return spec(
        entity=spec.ByEntity(entity=session.managed(*entity), recursion=recursion) if is_narrow and entity else None,
        time=spec.ByTime(beginTime=begin - CLOCK_SLACK) if begin is not None else None,
        eventTypeId=list(kinds),
        maxCount=page,
        disableFullMessage=False,
    )


def _oldest(rows: Collection[Row]) -> datetime | None:
    """When the oldest of the VMs was made, by the server's clock; None when that is not known of all.

    It only keeps the server from searching all its history: what is picked is picked by the VM.
    """
    dates = [row.get("config.createDate") for row in rows]
    return min((datetime.fromisoformat(str(date)) for date in dates), default=None) if all(dates) else None
