"""The wait until VMs are ready, by updates from vCenter: references and waits in, addresses or errors out."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial

from ..errors import NotFoundError, TaskError, TaskTimeoutError, VsphereError, translated
from ..vcenter.events import Event, event_page, fetch_events, latest_events
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from ..vcenter.updates import watch_rows
from .address_choice import ADDRESS_PATHS, choose_addresses
from .customization import (
    CUSTOMIZATION_EVENTS,
    CUSTOMIZATION_PATHS,
    DONE,
    FAILED,
    UNDER_WAY,
    CustomizationOutcome,
    customization_failure,
    customization_outcome,
)
from .debounce import Debounce
from .obstacles import STATE_PATHS, advice, are_tools_ready, find_obstacle, is_on, lacks_tools, report
from .wait import Wait

__all__ = ["RUNNING_PATHS", "wait_running", "watch_running"]

RUNNING_PATHS = (*STATE_PATHS, *ADDRESS_PATHS, *CUSTOMIZATION_PATHS)

EVENT_S = 2.0
"""Seconds that the event with the reason may come after the status that says "failed"."""

ADDRESS_AFTER_S = 10.0
"""Seconds that an address may come after the customization is done, when only that is awaited."""

Ready = list[str]
"""The addresses of a VM that is ready, the best first."""


def wait_running(session: Session, waits: Mapping[Ref, Wait], *, timeout_s: float) -> dict[Ref, Ready]:
    """Wait until all VMs are ready; the addresses of each.

    :param timeout_s: seconds for all of them together.
    :raises TaskTimeoutError: some are not in time; it says what each last reported.
    :raises NotFoundError: one was removed.
    :raises TaskError: one asks a question and waits for an answer, is powered off, could not be customized, or can
        never be ready for another reason.
    """
    ready: dict[Ref, Ready] = {}
    late: list[str] = []
    with closing(watch_running(session, waits, timeout_s=timeout_s)) as outcomes:
        for row, found in outcomes:
            if isinstance(found, TaskTimeoutError):
                late.append(str(found))
            elif isinstance(found, Exception):
                raise found
            else:
                ready[row.ref] = found
    if late:
        raise TaskTimeoutError(_joined(late), action="wait until running")
    return ready


def watch_running(
    session: Session,
    waits: Mapping[Ref, Wait],
    *,
    timeout_s: float,
    known: Iterable[Row] = (),
    extra: Sequence[str] = (),
) -> Generator[tuple[Row, Ready | VsphereError]]:
    """Yield each VM's row, as it is by then, with its addresses once it is ready, or an error once it cannot be.

    One subscription serves all; none is made where ``known`` tells enough. At the deadline, what is left comes with a
    TaskTimeoutError. Use it up, or close it.

    :param known: rows of some of them read just now, with ``RUNNING_PATHS`` and ``extra``.
    :param extra: paths that the rows shall have beside ``RUNNING_PATHS``.
    :raises VsphereError: vCenter is lost: that concerns all that are left.
    Source: GuestInfo, VirtualMachine.runtime, CustomizationEvent (vSphere Web Services API).
    """
    left = {vm: _Awaited(session, vm, wait) for vm, wait in waits.items()}
    yield from _settled(left, {row.ref: row for row in known if row.ref in left}, {})
    targets = dict.fromkeys(left, (*RUNNING_PATHS, *extra))
    followed = [vm for vm in left if waits[vm].follows_customization]
    beside = partial(event_page, session, followed, CUSTOMIZATION_EVENTS) if followed else None
    wake_at = partial(_next_due, left)
    with (
        translated(f"wait for {len(waits)} nodes to run"),
        closing(watch_rows(session, targets, timeout_s=timeout_s, beside=beside, wake_at=wake_at)) as changes,
    ):
        for rows in changes if left else ():
            events = latest_events([row for ref, row in rows.items() if ref not in targets])
            yield from _settled(left, rows, events)
            if not left:
                return
    for awaited in left.values():
        yield awaited.row, awaited.overdue(timeout_s)


def _settled(
    left: dict[Ref, _Awaited], rows: Mapping[Ref, Row | None], events: Mapping[Ref, Event]
) -> Generator[tuple[Row, Ready | VsphereError]]:
    """Those of ``left`` that need not be waited for any more; they are taken out of it."""
    for vm, awaited in list(left.items()):
        found = awaited.look(rows[vm], events.get(vm)) if vm in rows else None
        if found is not None:
            del left[vm]
            yield awaited.row, found


def _next_due(left: Mapping[Ref, _Awaited]) -> float:
    return min(awaited.debounce.next_due for awaited in left.values())


def _joined(late: Iterable[str]) -> str:
    """Several messages that begin alike as one."""
    beginnings, reports = zip(*(text.partition(": ")[::2] for text in late), strict=True)
    return f"{beginnings[0]}: {'; '.join(reports)}" if len(set(beginnings)) == 1 else "; ".join(late)


class _Awaited:
    """One VM: what is awaited of it, and what was last known."""

    def __init__(self, session: Session, vm: Ref, wait: Wait) -> None:
        self.debounce = Debounce()
        self._session = session
        self._vm = vm
        self._wait = wait
        self.row = Row(vm)
        """What was last known of it."""
        self._event: Event | None = None
        self._outcome = CustomizationOutcome("")
        self._is_old_failure = False

    def look(self, row: Row | None, event: Event | None) -> Ready | VsphereError | None:
        """The addresses when the VM is ready, the error when it never can be, None while it may."""
        if row is None:
            return NotFoundError("node", self._vm.moid, "it was removed while waiting for it")
        if row == self.row and event == self._event and time.monotonic() < self.debounce.next_due:
            return None  # it was another VM that changed
        outcome, before = self._customization(row, event), self._outcome.state
        self.row, self._event, self._outcome = row, event, outcome
        if outcome.state != FAILED or before == "":
            self._is_old_failure = outcome.state == FAILED and not self._wait.follows_customization
        failure = self._failure() if outcome.state == FAILED and not self._is_old_failure else None
        obstacle = failure or find_obstacle(row, self._wait, outcome, self.debounce)
        return obstacle or (self._ready() if is_on(row) and self._is_past_customization() else None)

    def overdue(self, timeout_s: float) -> TaskTimeoutError:
        """The error of one that is not ready in time."""
        awaited = {"tools": "no guest operations", "customized": "no end of the customization"}
        what = awaited.get(self._wait.wait_for, "no address")
        told = report(self.row) + advice(self.row, self._wait, self._outcome)
        return TaskTimeoutError(f"{what} within {timeout_s:.0f} s: {told}", action="wait until running")

    def _customization(self, row: Row, event: Event | None) -> CustomizationOutcome:
        # Guests with cloud-init tell of every script that failed: that is no reason not to log in.
        return customization_outcome(row, event, by_guest=self._wait.wait_for == "customized")

    def _failure(self) -> TaskError | None:
        """The failed customization; vCenter's own words on it may take a moment longer than the state."""
        outcome = self._outcome
        if not outcome.is_explained and self._wait.follows_customization:
            if not self.debounce.has_held("failed", True, EVENT_S):
                return None
        elif not outcome.is_explained:
            with suppress(VsphereError):  # then it stays with what the status says
                events = fetch_events(self._session, [self._vm], CUSTOMIZATION_EVENTS)
                outcome = self._customization(self.row, events.get(self._vm))
        return TaskError(f"{customization_failure(self.row, outcome)}; {report(self.row)}", action="customize")

    def _is_past_customization(self) -> bool:
        state = self._outcome.state
        return state == DONE or (state != UNDER_WAY and not self._wait.follows_customization)

    def _ready(self) -> Ready | None:
        row, wait = self.row, self._wait
        addresses, settle_s = choose_addresses(row, wait)
        if wait.wait_for == "tools":
            return addresses if are_tools_ready(row) else None
        if self.debounce.has_held("addressed", bool(addresses), settle_s):
            return addresses
        if wait.wait_for == "customized":
            return addresses if self.debounce.has_held("customized", not addresses, ADDRESS_AFTER_S) else None
        if wait.expected and not addresses and lacks_tools(row, wait, self.debounce):
            return list(wait.expected)  # they will not be reported, but the guest was told to have them
        return None
