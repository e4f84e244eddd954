"""Waiting by subscription: objects and paths in, their rows out as they change, until the caller has seen enough.

Each wait has a property collector of its own, removed in the end: the shared one would mix the callers' versions.
There is no sleep-and-poll; the server holds the call until something changes.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pyVmomi import vmodl

from ..errors import CONNECTION_ERRORS
from .properties import build_property_specs, fetch_row, stream
from .rows import Ref, Row, Updates, read_updates
from .session import Session

log = logging.getLogger(__name__)

LONGEST_CALL_S = 20
"""Seconds one WaitForUpdatesEx may be held: well under the connection's time-out and any proxy's."""

SUBSCRIPTIONS = 10
"""Sessions that may end during one wait before it gives up: vCenter is then restarting in a loop."""

_Collector = vmodl.query.PropertyCollector
_LOST = (vmodl.fault.ManagedObjectNotFound, vmodl.query.InvalidCollectorVersion)


def watch_rows(
    session: Session, targets: Mapping[Ref, Sequence[str]], *, timeout_s: float
) -> Iterator[dict[Ref, Row | None]]:
    """What is known of each target after each change, all targets every time, until ``timeout_s`` has passed.

    A target that is gone is None. The first yield is the present state. The iterator just ends at the deadline; close
    it (or leave the loop) to end earlier.

    :param targets: ``{ref: paths}``.
    :param timeout_s: seconds for the whole wait.
    Source: PropertyCollector.CreatePropertyCollector, CreateFilter, WaitForUpdatesEx (vSphere Web Services API).
    """
    deadline = time.monotonic() + timeout_s
    known: dict[Ref, Row | None] = {ref: Row(ref) for ref in targets}
    for _ in range(SUBSCRIPTIONS):
        try:
            yield from _watch_once(session, targets, known, deadline)
            return
        except _LOST:
            # The session was renewed and the collector went with the old one, or a target is gone.
            log.info("the wait on %d objects subscribes again", len(targets))
            present = {ref: paths for ref, paths in targets.items() if fetch_row(session, ref, paths[:1]) is not None}
            known.update(dict.fromkeys(targets.keys() - present.keys()))
            targets = present
            yield known
        if not targets:
            return


def _watch_once(
    session: Session, targets: Mapping[Ref, Sequence[str]], known: dict[Ref, Row | None], deadline: float
) -> Iterator[dict[Ref, Row | None]]:
    collector = session.content.propertyCollector.CreatePropertyCollector()
    try:
        collector.CreateFilter(_filter_spec(session, targets), True)
        version = ""
        while (left_s := deadline - time.monotonic()) > 0:
            updates = _wait(session, collector, version, left_s)
            if updates is None:
                continue
            version = updates.version
            _apply(updates, known)
            if not updates.truncated:
                yield known
    finally:
        _destroy(collector)


def _wait(session: Session, collector: Any, version: str, left_s: float) -> Updates | None:
    options = _Collector.WaitOptions(maxWaitSeconds=math.ceil(min(left_s, LONGEST_CALL_S, session.stub.timeout_s / 2)))
    return stream(session, "WaitForUpdatesEx", collector, [version, options], read_updates)


def _apply(updates: Updates, known: dict[Ref, Row | None]) -> None:
    for row in updates.changed:
        before = known.get(row.ref)
        if before is None:
            known[row.ref] = row
        else:
            before.update(row)
    known.update(dict.fromkeys(updates.gone))


def _filter_spec(session: Session, targets: Mapping[Ref, Sequence[str]]) -> Any:
    paths: dict[str, Sequence[str]] = {ref.kind: wanted for ref, wanted in targets.items()}
    return _Collector.FilterSpec(
        objectSet=[_Collector.ObjectSpec(obj=session.managed(*ref)) for ref in targets],
        propSet=build_property_specs(session, paths),
        reportMissingObjectsInResults=True,
    )


def _destroy(collector: Any) -> None:
    """Remove the collector; one that is left behind ends with the session."""
    with suppress(vmodl.MethodFault, *CONNECTION_ERRORS):
        collector.DestroyPropertyCollector()
