"""Waiting by subscription: objects and paths in, their rows out as they change, until the caller has seen enough.

Each wait has a property collector of its own, removed in the end: the shared one would mix the callers' versions.
There is no sleep-and-poll; the server holds the call until something changes.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from pyVmomi import vmodl

from ..errors import CONNECTION_ERRORS, VsphereError
from .properties import build_property_specs, stream
from .rows import Ref, Row, Updates, read_updates
from .session import Session
from .stub import may_pass

log = logging.getLogger(__name__)

LONGEST_CALL_S = 20
"""Seconds one WaitForUpdatesEx may be held: well under any proxy's time-out; the connection's own comes on top."""

SUBSCRIPTIONS = 10
"""Sessions that may end during one wait before it gives up: vCenter is then restarting in a loop."""

Targets = Mapping[Ref, Sequence[str]]
"""``{ref: paths}``."""

_Collector = vmodl.query.PropertyCollector
LOST: tuple[type[Exception], ...] = (
    vmodl.fault.ManagedObjectNotFound,
    vmodl.query.InvalidCollectorVersion,
    *CONNECTION_ERRORS,
)


def watch_rows(
    session: Session,
    targets: Targets,
    *,
    timeout_s: float,
    beside: Callable[[], AbstractContextManager[Targets]] | None = None,
    wake_at: Callable[[], float] | None = None,
) -> Generator[dict[Ref, Row | None]]:
    """What is known of each target after each change, all targets every time, until ``timeout_s`` has passed.

    A target that is gone is None. The first yield is the present state. The iterator just ends at the deadline; close
    it (or leave the loop) to end earlier.

    :param targets: ``{ref: paths}``.
    :param timeout_s: seconds for the whole wait.
    :param beside: makes further targets that end with their session, such as collectors of events; it is entered
        anew with each subscription.
    :param wake_at: asked before each call: the time, by ``time.monotonic``, of a yield without any change.
    Source: PropertyCollector.CreatePropertyCollector, CreateFilter, WaitForUpdatesEx (vSphere Web Services API).
    """
    deadline = time.monotonic() + timeout_s
    known: dict[Ref, Row | None] = {}
    for subscription in range(SUBSCRIPTIONS):
        known.clear()  # what was unset while nobody listened must not stay
        known.update((ref, Row(ref)) for ref in targets)
        try:
            with nullcontext({}) if beside is None else beside() as more:
                yield from _watch_once(session, {**targets, **more}, known, deadline, wake_at or _never)
            return
        except LOST as cause:
            # The session was renewed and the collector went with the old one, or a reply was lost.
            if subscription == SUBSCRIPTIONS - 1 or not may_pass(cause):
                raise
            log.info("the wait on %d objects subscribes again", len(targets))


def _never() -> float:
    return math.inf


def _watch_once(
    session: Session, targets: Targets, known: dict[Ref, Row | None], deadline: float, wake_at: Callable[[], float]
) -> Generator[dict[Ref, Row | None]]:
    collector = session.content.propertyCollector.CreatePropertyCollector()
    try:
        # Not partial updates: a change inside guest.net is to come as guest.net, whole.
        collector.CreateFilter(_filter_spec(session, targets), False)
        version, unseen = "", set(targets)
        while (now := time.monotonic()) < deadline and any(row is not None for row in known.values()):
            updates = wait_for_updates(session, collector, version, max(0.0, min(deadline, wake_at()) - now))
            if updates is not None:
                version = updates.version
                apply_updates(updates, known)
                unseen.difference_update(row.ref for row in updates.changed)
            if updates is None and not unseen and time.monotonic() < wake_at():
                continue
            if updates is not None and updates.truncated:
                continue
            known.update(dict.fromkeys(unseen))  # the first answer has all there is
            unseen.clear()
            yield known
    finally:
        destroy_collector(collector)


def wait_for_updates(session: Session, collector: Any, version: str, left_s: float) -> Updates | None:
    """What has changed since ``version``; None when nothing has for as long as one call may be held."""
    longest_s = math.ceil(min(left_s, LONGEST_CALL_S))
    options = _Collector.WaitOptions(maxWaitSeconds=longest_s)
    return stream(session, "WaitForUpdatesEx", collector, [version, options], read_updates, held_s=longest_s)


def apply_updates(updates: Updates, known: dict[Ref, Row | None]) -> None:
    """Bring what is known up to date, as a read would have it; an object that is gone becomes None."""
    for change in updates.changed:
        row = known.get(change.ref)
        if row is None:
            row = known[change.ref] = Row(change.ref)
        row.unreadable = row.unreadable - change.keys() | change.unreadable
        row.update(change)
        for path in [path for path, value in change.items() if value is None]:
            del row[path]  # it was unset
    known.update(dict.fromkeys(updates.gone))


def _filter_spec(session: Session, targets: Targets) -> Any:
    paths: dict[str, list[str]] = {}
    for ref, wanted in targets.items():
        known = paths.setdefault(ref.kind, [])
        known.extend(path for path in wanted if path not in known)
    return _Collector.FilterSpec(
        objectSet=[_Collector.ObjectSpec(obj=session.managed(*ref)) for ref in targets],
        propSet=build_property_specs(session, paths),
        reportMissingObjectsInResults=True,
    )


def destroy_collector(collector: Any) -> None:
    """Remove the collector; one that is left behind ends with the session."""
    with suppress(VsphereError, vmodl.MethodFault, *CONNECTION_ERRORS):
        collector.DestroyPropertyCollector()
