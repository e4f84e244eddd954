"""A property collector of one's own: objects and paths in, what changes of them out, page by page.

The shared collector would mix the versions of all that wait. There is no sleep-and-poll: the server holds the call
until something changes. A subscription ends with its session and may be lost otherwise; ``resubscribing`` is how all
that wait live with that. One that has served a short wait can be kept by its session for the next (``Following``).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pyVmomi import vim, vmodl

from ..errors import CONNECTION_ERRORS, VsphereError
from .rows import Ref, Reply, Row, Updates, merged, read_updates
from .stub import VcenterStub, may_pass

Result = TypeVar("Result")
log = logging.getLogger(__name__)

LONGEST_CALL_S = 20
"""Seconds one WaitForUpdatesEx may be held: well under any proxy's time-out; the connection's own comes on top."""

SUBSCRIPTIONS = 10
"""Subscriptions that may be lost before one tells anything: vCenter is then restarting in a loop."""

LOST: tuple[type[Exception], ...] = (
    vmodl.fault.ManagedObjectNotFound,
    vmodl.query.InvalidCollectorVersion,
    *CONNECTION_ERRORS,
)
"""What a lost subscription looks like: the session was renewed and the collector went with the old one, or a reply was
lost, and its updates with it."""


class Subscription:
    """A collector with its filters, and the version up to which its updates were read. Close it.

    It holds no Session, so that a session can keep it and still be forgotten.

    :param factory: the session's shared collector.
    :param at_once: have the first answer in one page, however much there is. Only an old method that does not wait
        gives such answers; where it is missing, there are pages.
    Source: PropertyCollector.CreatePropertyCollector, CreateFilter, WaitForUpdatesEx, CheckForUpdates;
    UpdateSet.truncated: never true in what CheckForUpdates returns (vSphere Web Services API).
    """

    def __init__(self, stub: VcenterStub, factory: Any, *, at_once: bool = False) -> None:
        self._stub = stub
        self._at_once = at_once
        self._version = ""
        self._collector = factory.CreatePropertyCollector()
        self._generation = stub.generation  # read now: the call may have renewed the session

    @property
    def is_current(self) -> bool:
        """Whether the session that it was made in still is the one in use."""
        return self._generation == self._stub.generation

    def add(self, filter_spec: Any) -> None:
        """Look at the objects of this filter too; the next answer tells of all, from the start."""
        # Not partial updates: a change inside guest.net is to come as guest.net, whole.
        self._collector.CreateFilter(filter_spec, False)
        self._version = ""

    def read(self, wait_s: float) -> Iterator[Updates]:
        """What has changed since the last read, in pages, once something has; nothing when nothing does in this time.

        The first answer has all there is, and is not waited for.
        """
        deadline = time.monotonic() + (wait_s if self._version else 0)
        while True:
            updates = self._ask(max(0.0, deadline - time.monotonic()))
            if updates is not None:
                self._version = updates.version
                yield updates
                if not updates.truncated:
                    return
            elif time.monotonic() >= deadline:
                return

    def close(self) -> None:
        """Remove the collector and its filters; those of another session are gone with it."""
        if self.is_current:
            with suppress(VsphereError, vmodl.MethodFault, *CONNECTION_ERRORS):
                self._collector.DestroyPropertyCollector()

    def _ask(self, wait_s: float) -> Updates | None:
        """One page; None when nothing has changed for as long as one call may be held."""
        if self._at_once and not self._version:
            try:
                return self._call("CheckForUpdates", "")
            except (vmodl.fault.MethodNotFound, vmodl.fault.NotSupported):
                self._at_once = False
        held_s = math.ceil(min(wait_s, LONGEST_CALL_S))
        options = vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=held_s)
        return self._call("WaitForUpdatesEx", self._version, options, held_s=held_s)

    def _call(self, method: str, *args: Any, held_s: float = 0.0) -> Updates | None:
        info = self._collector._GetMethodInfo(method)
        return self._stub.call(self._collector, info, list(args), _authenticated_updates, held_s=held_s)


@dataclass
class Following:
    """What follows objects on the server, and what it has told of them.

    :param paths: what it tells of each object, by type.
    :param members: the objects that are looked at through ``view``, or that it began with.
    :param rows: what is known of them.
    :param view: the ListView of those that came later, if there is one.
    """

    subscription: Subscription
    paths: Mapping[str, Sequence[str]]
    members: frozenset[Ref]
    rows: dict[Ref, Row] = field(default_factory=dict)
    view: Any = None

    def close(self) -> None:
        """Remove it from the server; that of another session is gone with it."""
        view = self.view if self.subscription.is_current else None
        self.subscription.close()
        if view is not None:
            with suppress(VsphereError, vmodl.MethodFault, *CONNECTION_ERRORS):
                view.DestroyView()


def resubscribing(advance: Callable[[], Result], what: str) -> Result:
    """What ``advance`` returns; when it loses its subscription it is called again, to make another.

    :param what: what goes on, for the log.
    """
    for _ in range(SUBSCRIPTIONS - 1):
        try:
            return advance()
        except LOST as cause:
            if not may_pass(cause):
                raise
            log.info("%s subscribes again after %s", what, type(cause).__name__)
    return advance()


def apply_updates(updates: Updates, rows: dict[Ref, Row]) -> None:
    """Put the changes into the mapping; what is gone is in it no more. Rows that callers may hold stay as they are."""
    for change in updates.changed:
        before = None if change.ref in updates.entered else rows.get(change.ref)
        rows[change.ref] = merged(before, change)
    for ref in updates.gone:
        rows.pop(ref, None)


def _authenticated_updates(reply: Reply) -> Updates | None:
    """Updates; data that is missing for lack of a session is a dead session, not a lack of data."""
    updates = read_updates(reply)
    if updates is not None and updates.unauthenticated:
        raise vim.fault.NotAuthenticated()
    return updates
