"""When tasks of one kind should be over: the durations of those that have ended in, a moment to look out.

Does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from .rows import Row

TIME_PATHS = ("info.queueTime", "info.completeTime")
"""vCenter's own clock: what we see of a task's end is late by the call that tells of it."""

LATE_S, LATE_SHARE = 0.15, 0.05
"""Spare time after the moment when all should be over, this long at most and this share of a task: one look then
tells of all, and one that is early costs another."""

AGAIN_S = 0.05
"""From a look that was early to the other, at least: the tasks of a busy vCenter end some hundredths apart."""

LEAST_APART_S, MOST_APART_S, APART_SHARE = 0.3, 0.5, 0.15
"""Tasks that should be over within this share of their length are looked at together, once, when the last of them
should be over. Those further apart are awaited one by one: their slots are not to stand idle for long."""


class Pace:
    """How long the tasks of one kind take."""

    def __init__(self) -> None:
        self._shortest_s = self._longest_s = 0.0

    def learn(self, ended: Iterable[Row], longest_s: float) -> None:
        """Take the durations of the tasks that have ended last.

        :param longest_s: what they can have taken by our own clock: vCenter's may have been set meanwhile.
        Source: TaskInfo.queueTime, completeTime (vSphere Web Services API).
        """
        durations = [min(duration, longest_s) for row in ended if (duration := _duration_s(row)) is not None]
        if durations:
            self._shortest_s, self._longest_s = min(durations), max(durations)

    def look_at(self, starts: Sequence[float]) -> float | None:
        """When all tasks that were started at these times should be over; None if unknown, or too far apart."""
        if not self._longest_s:
            return None
        first, last = min(starts) + self._shortest_s, max(starts) + self._longest_s
        apart_s = min(MOST_APART_S, max(LEAST_APART_S, self._longest_s * APART_SHARE))
        return last + self.spare_s if last - first <= apart_s else None

    @property
    def spare_s(self) -> float:
        """How much later than expected is early enough."""
        return min(LATE_S, self._longest_s * LATE_SHARE)

    @property
    def again_s(self) -> float:
        """How long after a look that was early another one is worth its call."""
        return max(AGAIN_S, self.spare_s)


def _duration_s(row: Row) -> float | None:
    try:
        begun, over = (datetime.fromisoformat(row[path]) for path in TIME_PATHS)
        return max(0.0, (over - begun).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None
