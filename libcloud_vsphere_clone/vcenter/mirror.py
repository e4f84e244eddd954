"""A mirror of part of the inventory: types and paths in, the rows of all their objects out, kept current.

The first read is a plain bulk read, so a program that lists once pays for nothing else. The second subscribes: a filter
first tells all that is there, which as the first read would cost half as much again. It is asked for in one answer:
WaitForUpdatesEx gives pages of about 100 objects, whatever a client asks for. From then on a read is one round trip
that carries what has changed. There is no thread: nothing happens between reads.
"""

from __future__ import annotations

import os
import threading
import weakref
from functools import partial

from pyVmomi import vmodl

from ..errors import CONNECTION_ERRORS, error_from, translated
from .properties import Paths, build_filter_spec, build_view_spec, fetch_rows
from .rows import Ref, Row
from .session import Session
from .subscription import Subscription, apply_updates, resubscribing

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
        self._subscription: Subscription | None = None
        self._rows: Rows = {}

    @property
    def is_subscribed(self) -> bool:
        """Whether a read is a single call that carries only what has changed."""
        subscription = self._subscription
        return subscription is not None and subscription.is_current

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
        place = self._session.endpoint
        with translated(f"read what changed in the inventory of {place}"):
            return resubscribing(partial(self._update, wait_s), f"the mirror of {place}")

    def _update(self, wait_s: float) -> Rows:
        """The rows brought up to date; without a subscription that still holds, from the start."""
        try:
            subscription = self._subscription
            if subscription is None or not subscription.is_current:
                self._unsubscribe()
                subscription = self._subscribe()
            told_again = False
            for updates in subscription.read(wait_s):
                told_again |= not updates.entered.isdisjoint(self._rows)
                apply_updates(updates, self._rows)
            if told_again:  # a server that tells all anew when one comes (govmomi's simulator) forgets what has left
                self._rows = fetch_rows(self._session, self._paths)
            if not self._rows:
                self._session.check_alive()  # a session that has ended can look like an empty inventory
                if not subscription.is_current:
                    raise vmodl.fault.ManagedObjectNotFound()
            return dict(self._rows)
        except BaseException:
            self._unsubscribe()  # what was told and not applied is not told again
            raise

    def _subscribe(self) -> Subscription:
        try:
            collector = self._session.content.propertyCollector
            self._subscription = subscription = Subscription(self._session.stub, collector, at_once=True)
            view = self._session.view(self._paths)
            try:
                subscription.add(build_filter_spec(self._session, self._paths, [build_view_spec(view)]))
            except vmodl.fault.ManagedObjectNotFound:
                self._session.drop_view(view)
                raise
        except CONNECTION_ERRORS as cause:  # it has been tried again already
            raise error_from(cause, f"subscribe to the inventory of {self._session.endpoint}") or cause from cause
        return subscription

    def _unsubscribe(self) -> None:
        subscription, self._subscription, self._rows = self._subscription, None, {}
        if subscription is not None:
            subscription.close()


def _empty_all() -> None:
    for mirror in list(_mirrors):
        mirror._empty()


_mirrors: weakref.WeakSet[Mirror] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_empty_all)  # a collector and a taken lock are the parent's
