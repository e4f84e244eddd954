"""One subscription for many tasks that come and go: references in, their rows out as they change.

A filter holds the first tasks. Those that join them later are put into a ListView, which a second filter looks
through: from then on a task that joins or leaves costs one call, and each answer tells of all. What should be over by
now can be read without any of that.
Source: ViewManager.CreateListView, ListView.ResetListView, PropertyCollector.WaitForUpdatesEx, RetrievePropertiesEx
(vSphere Web Services API).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from pyVmomi import vmodl

from ..errors import CONNECTION_ERRORS, VsphereError
from .properties import build_property_specs, build_view_spec, fetch_rows
from .rows import Ref, Row
from .session import Session
from .stub import may_pass
from .updates import LOST, SUBSCRIPTIONS, apply_updates, destroy_collector, wait_for_updates

_Collector = vmodl.query.PropertyCollector


class TaskWatch:
    """The watch on some tasks, made anew when its session ends. Close it, or use it in a ``with``.

    :param paths: what is told of each task.
    """

    def __init__(self, session: Session, paths: Sequence[str]) -> None:
        self._session = session
        self._paths = paths
        self._members: frozenset[Ref] = frozenset()
        self._rows: dict[Ref, Row | None] = {}
        self._unseen: set[Ref] = set()
        self._collector: Any = None
        self._view: Any = None
        self._is_stale = False  # what has changed since the last wait was not asked for
        self._version = ""

    def __enter__(self) -> TaskWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, tasks: Collection[Ref]) -> dict[Ref, Row | None]:
        """What is true of each of these tasks now. One round trip; nobody subscribes.

        :returns: None stands for a task that vCenter no longer knows.
        """
        self._is_stale = True
        rows = fetch_rows(self._session, {"Task": self._paths}, objects=list(tasks), everywhere=())
        return {ref: rows.get(ref) for ref in tasks}

    def wait(self, tasks: Collection[Ref], *, timeout_s: float) -> dict[Ref, Row | None]:
        """What is known of each of these tasks, after something has changed or the time is over.

        However little time there is, the present state is read.

        :param tasks: those of the moment.
        :returns: None stands for a task that vCenter no longer knows.
        """
        deadline = time.monotonic() + timeout_s
        for subscription in range(SUBSCRIPTIONS):
            try:
                self._watch(frozenset(tasks))
                self._await_change(deadline)
                break
            except LOST as cause:
                # The session was renewed and the collector went with the old one, or a reply was lost.
                self.close()
                if subscription == SUBSCRIPTIONS - 1 or not may_pass(cause):
                    raise
        return {ref: self._rows.get(ref, Row(ref)) for ref in tasks}

    def close(self) -> None:
        """Remove what the watch keeps on the server; a watch that is used again makes it anew."""
        collector, view = self._collector, self._view
        self._collector = self._view = None
        if collector is not None:
            destroy_collector(collector)
        if view is not None:
            with suppress(VsphereError, vmodl.MethodFault, *CONNECTION_ERRORS):
                view.DestroyView()

    def _watch(self, tasks: frozenset[Ref]) -> None:
        joining = tasks - self._members
        if joining and self._is_stale:
            self.close()  # instead of going through all that has happened to tasks that were read meanwhile
        if self._collector is None:
            self._rows, self._unseen, self._is_stale = {}, set(tasks), False
            self._collector = self._session.content.propertyCollector.CreatePropertyCollector()
            self._filter([_Collector.ObjectSpec(obj=self._session.managed(*ref)) for ref in tasks])
        elif not joining:
            return  # those that have ended may stay: they change no more
        else:
            self._join(tasks)
        self._members = tasks

    def _join(self, tasks: Collection[Ref]) -> None:
        """Put these tasks into the view. It is made empty: made with a task that is unknown, it would be refused."""
        is_new = self._view is None
        if is_new:
            self._view = self._session.content.viewManager.CreateListView()
        for unknown in self._view.ResetListView([self._session.managed(*ref) for ref in tasks]):
            self._rows[Ref("Task", unknown._moId)] = None
        if is_new:
            self._filter([build_view_spec(self._view)])

    def _filter(self, objects: list[Any]) -> None:
        """Look at these objects too; the next answer tells of all, from the start."""
        spec = _Collector.FilterSpec(
            objectSet=objects,
            propSet=build_property_specs(self._session, {"Task": self._paths}),
            reportMissingObjectsInResults=True,
        )
        self._collector.CreateFilter(spec, False)
        self._version = ""

    def _await_change(self, deadline: float) -> None:
        """Take in what has changed since the last call; truncated answers until the last of them."""
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            updates = wait_for_updates(self._session, self._collector, self._version, left_s)
            if updates is not None:
                self._version = updates.version
                apply_updates(updates, self._rows)
                self._unseen.difference_update(row.ref for row in updates.changed)
                if updates.truncated:
                    continue
            if updates is not None or self._unseen or not left_s:
                break
        self._rows.update(dict.fromkeys(self._unseen))  # the first answer has all there is
        self._unseen.clear()
