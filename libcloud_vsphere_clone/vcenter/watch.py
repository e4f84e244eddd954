"""One subscription for many objects that come and go: references in, their rows out as they change.

A filter holds the first objects. Those that join them later are put into a ListView, which a second filter looks
through: from then on one that joins or leaves costs one call, and each answer tells of all. What should have changed by
now can be read without any of that.
Source: ViewManager.CreateListView, ListView.ResetListView, PropertyCollector.WaitForUpdatesEx, RetrievePropertiesEx
(vSphere Web Services API).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from typing import Any

from pyVmomi import vmodl

from ..errors import CONNECTION_ERRORS, VsphereError
from .properties import Paths, build_object_spec, build_view_spec, fetch_rows
from .rows import Ref, Row
from .session import Session
from .subscription import Subscription, apply_updates, resubscribing

Beside = Callable[[], AbstractContextManager[Mapping[Ref, Sequence[str]]]]
"""Makes further objects that end with their session, such as collectors of events, with the paths to read of each."""


class Watch:
    """What is known of some objects, kept current while it is asked for. Close it, or use it in a ``with``.

    :param paths: what is told of each object, by type.
    :param beside: entered anew with each subscription; what it makes is told of as well.
    """

    def __init__(self, session: Session, paths: Paths, *, beside: Beside | None = None) -> None:
        self._session = session
        self._paths = paths
        self._make_beside = beside
        self._beside: Mapping[Ref, Sequence[str]] = {}
        self._members: frozenset[Ref] = frozenset()
        self._rows: dict[Ref, Row] = {}
        self._subscription: Subscription | None = None
        self._opened = ExitStack()
        self._view: Any = None
        self._is_stale = False  # what has changed since the last wait was not asked for
        self.has_news = False
        """Whether the last wait was told of a change."""

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, targets: Collection[Ref]) -> dict[Ref, Row | None]:
        """What is true of each of these objects now. One round trip; nobody subscribes.

        :returns: None stands for an object that is gone.
        """
        self._is_stale = True
        rows = fetch_rows(self._session, self._paths, objects=list(targets), everywhere=())
        return {ref: rows.get(ref) for ref in targets}

    def wait(self, targets: Collection[Ref], *, timeout_s: float) -> dict[Ref, Row | None]:
        """What is known of each of these objects, after something has changed or the time is over.

        However little time there is, the present state is read.

        :param targets: those of the moment.
        :returns: None stands for an object that is gone.
        """
        deadline = time.monotonic() + timeout_s
        resubscribing(partial(self._advance, frozenset(targets), deadline), f"the wait on {len(targets)} objects")
        return {ref: self._rows.get(ref) for ref in (*targets, *self._beside)}

    def close(self) -> None:
        """Remove what the watch keeps on the server; a watch that is used again makes it anew."""
        subscription, self._subscription = self._subscription, None
        view, self._view = self._view, None
        if subscription is not None:
            subscription.close()
        if view is not None:
            with suppress(VsphereError, vmodl.MethodFault, *CONNECTION_ERRORS):
                view.DestroyView()
        self._opened.close()

    def _advance(self, targets: frozenset[Ref], deadline: float) -> None:
        """Take in what has changed since the last time."""
        try:
            subscription, unseen = self._follow(targets)
            self.has_news = bool(unseen)
            for updates in subscription.read(deadline - time.monotonic()):
                apply_updates(updates, self._rows)
                unseen.difference_update(row.ref for row in updates.changed)
                self.has_news = True
            for ref in unseen:  # the first answer has all there is
                self._rows.pop(ref, None)
        except BaseException:
            self.close()  # what was told and not taken in is not told again
            raise

    def _follow(self, targets: frozenset[Ref]) -> tuple[Subscription, set[Ref]]:
        """The subscription that looks at these objects, and those that it begins with."""
        joining = targets - self._members
        if joining and self._is_stale:
            self.close()  # instead of going through all that has happened to those that were read meanwhile
        if self._subscription is None:
            return self._begin(targets)
        if joining:  # those that have left may stay in the filter: nobody looks at them
            self._join(self._subscription, targets, joining)
        return self._subscription, set()

    def _begin(self, targets: frozenset[Ref]) -> tuple[Subscription, set[Ref]]:
        subscription = self._subscription = Subscription(self._session)
        # After the collector, whose making may have renewed the session.
        self._beside = self._opened.enter_context(self._make_beside()) if self._make_beside is not None else {}
        first = {*targets, *self._beside}
        paths = {**self._paths, **{ref.kind: paths for ref, paths in self._beside.items()}}
        subscription.add([build_object_spec(self._session, ref) for ref in first], paths)
        self._rows = {ref: Row(ref) for ref in first}
        self._members, self._is_stale = targets, False
        return subscription, first

    def _join(self, subscription: Subscription, targets: frozenset[Ref], joining: frozenset[Ref]) -> None:
        """Put these objects into the view. It is made empty: made with one that is unknown, it would be refused."""
        is_new = self._view is None
        if is_new:
            self._view = self._session.content.viewManager.CreateListView()
        self._rows.update((ref, Row(ref)) for ref in joining)
        for unknown in self._view.ResetListView([self._session.managed(*ref) for ref in targets]):
            self._rows.pop(Ref(unknown._wsdlName, unknown._moId), None)
        if is_new:
            subscription.add([build_view_spec(self._view)], self._paths)
        self._members = targets
