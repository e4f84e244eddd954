"""A mirror of part of the inventory: types and paths in, the rows of all their objects out, kept current.

The first read is a plain bulk read, so a program that lists once pays for nothing else. The second subscribes: a filter
first tells all that is there, in the server's pages of about 100 objects, whatever a client asks for; as the first read
this would cost half as much again. From then on a read is one round trip that carries what has changed. There is no
thread: nothing happens between reads.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress

from pyVmomi import vim, vmodl

from ..errors import CONNECTION_ERRORS, VsphereError, error_from, translated
from .properties import Paths, build_property_specs, build_view_spec, fetch_rows, stream
from .rows import Ref, Reply, Row, Updates, read_updates
from .session import Session
from .stub import may_pass

log = logging.getLogger(__name__)

LONGEST_CALL_S = 20
"""Seconds one WaitForUpdatesEx may be held: well under any proxy's time-out; the connection's own comes on top."""

SUBSCRIPTIONS = 5
"""Subscriptions that one read may lose before it gives up: vCenter is then restarting in a loop."""

_Collector = vmodl.query.PropertyCollector
_LOST: tuple[type[Exception], ...] = (
    vmodl.fault.ManagedObjectNotFound,
    vmodl.query.InvalidCollectorVersion,
    *CONNECTION_ERRORS,
)

Rows = dict[Ref, Row]


class Mirror:
    """The rows of all objects of some types, as of the last read. Any number of threads may share one.

    :param paths: what to read, by type.
    """

    def __init__(self, session: Session, paths: Paths) -> None:
        self._session = session
        self._paths = paths
        self._was_read = False
        self._empty()
        _mirrors.add(self)

    def _empty(self) -> None:
        """As if nothing had been subscribed; what the server may still have ends with its session."""
        self._lock = threading.Lock()
        self._feed: _Feed | None = None
        self._rows: Rows = {}

    @property
    def is_subscribed(self) -> bool:
        """Whether a read is a single call that carries only what has changed."""
        feed = self._feed
        return feed is not None and feed.is_current()

    def read(self) -> Rows:
        """The rows as they are now. A later read changes neither the mapping nor its rows; nor may the caller.

        :raises VsphereError: as ``errors.py`` maps what went wrong.
        """
        with self._lock:
            if not self._was_read:
                rows = fetch_rows(self._session, self._paths)
                self._was_read = True
                return rows
            return self._follow(0)

    def wait(self, timeout_s: float) -> Rows:
        """The rows after the next change, or as they are when none came in this time; the first call never waits.

        :raises VsphereError: as ``errors.py`` maps what went wrong.
        """
        with self._lock:
            return self._follow(timeout_s)

    def close(self) -> None:
        """Remove what was subscribed. A later read begins anew."""
        with self._lock:
            self._unsubscribe()

    def _follow(self, wait_s: float) -> Rows:
        with translated(f"read what changed in the inventory of {self._session.endpoint}"):
            for _ in range(SUBSCRIPTIONS - 1):
                try:
                    self._update(wait_s)
                    return dict(self._rows)
                except _LOST as cause:
                    # The session was renewed and the collector went with the old one, or a reply was lost.
                    if not may_pass(cause):
                        raise
                    log.info("the mirror of %s subscribes again", self._session.endpoint)
            self._update(wait_s)
            return dict(self._rows)

    def _update(self, wait_s: float) -> None:
        """Bring the rows up to date; without a subscription that still holds, from the start."""
        try:
            if self._feed is None or not self._feed.is_current():
                self._unsubscribe()
                self._feed, wait_s = self._subscribe(), 0
            told_again = False
            for updates in self._feed.read(wait_s):
                told_again |= not updates.entered.isdisjoint(self._rows)
                _apply(updates, self._rows)
            if told_again:  # a server that tells all anew when one comes (govmomi's simulator) forgets what has left
                self._rows = fetch_rows(self._session, self._paths)
            if not self._rows:
                self._session.check_alive()  # a session that has ended can look like an empty inventory
                if not self._feed.is_current():
                    raise vmodl.fault.ManagedObjectNotFound()
        except BaseException:
            self._unsubscribe()  # what was told and not applied is not told again
            raise

    def _subscribe(self) -> _Feed:
        try:
            return _Feed(self._session, self._paths)
        except CONNECTION_ERRORS as cause:  # it has been tried again already
            raise error_from(cause, f"subscribe to the inventory of {self._session.endpoint}") or cause from cause

    def _unsubscribe(self) -> None:
        feed, self._feed, self._rows = self._feed, None, {}
        if feed is not None:
            feed.close()


class _Feed:
    """A property filter over a kept view, and the version up to which its updates were read.

    Source: PropertyCollector.CreatePropertyCollector, CreateFilter, WaitForUpdatesEx (vSphere Web Services API).
    """

    def __init__(self, session: Session, paths: Paths) -> None:
        self._session = session
        self._version = ""
        self._collector = session.content.propertyCollector.CreatePropertyCollector()
        self._generation = session.stub.generation
        try:
            self._create_filter(paths)
        except BaseException:
            self.close()
            raise

    def _create_filter(self, paths: Paths) -> None:
        view = self._session.view(paths)
        spec = _Collector.FilterSpec(
            objectSet=[build_view_spec(view)],
            propSet=build_property_specs(self._session, paths),
            reportMissingObjectsInResults=True,
        )
        try:
            # Not partial updates: a change inside guest.net is to come as guest.net, whole.
            self._collector.CreateFilter(spec, False)
        except vmodl.fault.ManagedObjectNotFound:
            self._session.drop_view(view)
            raise

    def is_current(self) -> bool:
        """Whether the session that it was made in still is the one in use."""
        return self._generation == self._session.stub.generation

    def read(self, wait_s: float) -> Iterator[Updates]:
        """What changed since the last read, in pages; nothing when nothing did within this time."""
        longest_s = max(0, math.ceil(min(wait_s, LONGEST_CALL_S)))
        while True:
            options = _Collector.WaitOptions(maxWaitSeconds=longest_s)
            args = [self._version, options]
            updates = stream(
                self._session, "WaitForUpdatesEx", self._collector, args, _authenticated_updates, held_s=longest_s
            )
            if updates is None:
                return
            self._version = updates.version
            yield updates
            if not updates.truncated:
                return

    def close(self) -> None:
        """Remove the collector and its filter, if they are still there."""
        if self.is_current():
            with suppress(VsphereError, vmodl.MethodFault, *CONNECTION_ERRORS):
                self._collector.DestroyPropertyCollector()


def _authenticated_updates(reply: Reply) -> Updates | None:
    """Updates; data that is missing for lack of a session is a dead session, not a lack of data."""
    updates = read_updates(reply)
    if updates is not None and updates.unauthenticated:
        raise vim.fault.NotAuthenticated()
    return updates


def _apply(updates: Updates, rows: Rows) -> None:
    """Put the changes into the mapping. Rows that callers may hold stay as they are."""
    for change in updates.changed:
        before = None if change.ref in updates.entered else rows.get(change.ref)
        rows[change.ref] = _merged(before, change)
    for ref in updates.gone:
        rows.pop(ref, None)


def _merged(before: Row | None, change: Row) -> Row:
    values = {**(before or {}), **change}
    after = Row(change.ref, {path: value for path, value in values.items() if value is not None})
    known = before.unreadable - change.keys() if before is not None else frozenset()
    after.unreadable = known | change.unreadable
    return after


def _empty_all() -> None:
    for mirror in list(_mirrors):
        mirror._empty()


_mirrors: weakref.WeakSet[Mirror] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_empty_all)  # a collector and a taken lock are the parent's
