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
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any

from pyVmomi import vmodl

from .properties import Paths, build_filter_spec, build_object_spec, build_view_spec, fetch_rows
from .rows import Ref, Row
from .session import Session
from .subscription import Following, Subscription, apply_updates, resubscribing

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
        self._following: Following | None = None
        self._opened = ExitStack()
        self._unread: set[Ref] = set()  # members that were read meanwhile: their changes were not asked for
        self.has_news = False
        """Whether the last wait was told of a change."""

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        self.close()

    def read(self, targets: Collection[Ref]) -> dict[Ref, Row | None]:
        """What is true of each of these objects now. One round trip, without a subscription.

        :returns: None stands for an object that is gone.
        """
        if self._following is not None:
            self._unread.update(self._following.members.intersection(targets))
        rows = fetch_rows(self._session, self._paths, objects=list(targets), everywhere=())
        return {ref: rows.get(ref) for ref in targets}

    def wait(self, targets: Collection[Ref], *, timeout_s: float) -> dict[Ref, Row | None]:
        """What is known of each of these objects, after something has changed or the time is over.

        However little time there is, the present state is read.

        :param targets: those of the moment.
        :returns: None stands for an object that is gone.
        """
        deadline = time.monotonic() + timeout_s
        advance = partial(self._advance, frozenset(targets), deadline)
        rows = resubscribing(advance, f"the wait on {len(targets)} objects")
        return {ref: rows.get(ref) for ref in (*targets, *self._beside)}

    def close(self) -> None:
        """Remove what the watch keeps on the server; a watch that is used again makes it anew."""
        following = self._release()
        if following is not None:
            following.close()
        self._opened.close()

    def _release(self) -> Following | None:
        """What the watch keeps on the server, which is the caller's from now on."""
        following, self._following = self._following, None
        self._unread.clear()
        return following

    def _advance(self, targets: frozenset[Ref], deadline: float) -> dict[Ref, Row]:
        """Take in what has changed since the last time."""
        try:
            following, unseen = self._follow(targets)
            self.has_news = bool(unseen)
            for updates in following.subscription.read(deadline - time.monotonic()):
                apply_updates(updates, following.rows)
                unseen.difference_update(row.ref for row in updates.changed)
                self.has_news = True
            for ref in unseen:  # the first answer has all there is
                following.rows.pop(ref, None)
            return following.rows
        except BaseException:
            self.close()  # what was told and not taken in is not told again
            raise

    def _follow(self, targets: frozenset[Ref]) -> tuple[Following, set[Ref]]:
        """What looks at these objects, and those that it begins with."""
        following = self._following
        joining = targets - following.members if following is not None else targets
        if joining and self._unread:
            self.close()  # instead of going through all that has happened to those that were read meanwhile
            following = None
        if following is None:
            return self._begin(targets)
        if joining:  # those that have left may stay in the filter: nothing looks at them
            self._join(following, targets, joining)
        return following, set()

    def _begin(self, targets: frozenset[Ref]) -> tuple[Following, set[Ref]]:
        subscription = Subscription(self._session.stub, self._session.content.propertyCollector)
        following = self._following = Following(subscription, self._paths, targets)
        # After the collector, whose making may have renewed the session.
        self._beside = self._opened.enter_context(self._make_beside()) if self._make_beside is not None else {}
        first = {*targets, *self._beside}
        paths = {**self._paths, **{ref.kind: paths for ref, paths in self._beside.items()}}
        objects = [build_object_spec(self._session, ref) for ref in first]
        subscription.add(build_filter_spec(self._session, paths, objects))
        following.rows.update((ref, Row(ref)) for ref in first)
        return following, first

    def _join(self, following: Following, targets: frozenset[Ref], joining: frozenset[Ref]) -> None:
        """Put these objects into the view. It is made empty: made with one that is unknown, it would be refused."""
        is_new = following.view is None
        if is_new:
            following.view = self._session.content.viewManager.CreateListView()
        following.rows.update((ref, Row(ref)) for ref in joining)
        for unknown in following.view.ResetListView([self._session.managed(*ref) for ref in targets]):
            following.rows.pop(Ref(unknown._wsdlName, unknown._moId), None)
        if is_new:
            following.subscription.add(build_filter_spec(self._session, self._paths, [build_view_spec(following.view)]))
        following.members = targets


class ResidentWatch(Watch):
    """A watch on what the session keeps from one short wait to the next, so that each costs one call to begin with.

    What it looks at is a ListView from the start. Leave it by ``with``: what a wait broke off is removed, all else is
    kept, with the objects of the last wait in it, which have ended and change no more.
    """

    def __enter__(self) -> ResidentWatch:
        self._following = self._session.take_following(self._paths)
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        following = self._following
        if failure is None and following is not None:
            following.rows = {ref: row for ref, row in following.rows.items() if ref in following.members}
            if self._session.keep_following(following):
                self._release()
        self.close()

    def _begin(self, targets: frozenset[Ref]) -> tuple[Following, set[Ref]]:
        subscription = Subscription(self._session.stub, self._session.content.propertyCollector)
        following = self._following = Following(subscription, self._paths, targets)
        following.rows.update((ref, Row(ref)) for ref in targets)
        following.view = self._list(targets)
        subscription.add(build_filter_spec(self._session, self._paths, [build_view_spec(following.view)]))
        return following, set(targets)

    def _list(self, targets: frozenset[Ref]) -> Any:
        """A view of these objects; of those that are there, where one is unknown."""
        objects = [self._session.managed(*ref) for ref in targets]
        manager = self._session.content.viewManager
        try:
            return manager.CreateListView(objects)
        except vmodl.fault.ManagedObjectNotFound:
            view = manager.CreateListView()
            view.ResetListView(objects)
            return view
