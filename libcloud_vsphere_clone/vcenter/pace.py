"""When tasks of one kind should be over: the durations of those that have ended in, a moment to look out.

Does no I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

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


FIRST_LOOKS_S = {"CloneVM_Task": 0.025}
FIRST_LOOK_S = 0.012
"""From the start of the first task of its kind to a look at it: on a vCenter that has nothing to do but to note it, it
is over, and else little is lost."""

SHORT_S = 0.25
"""The longest that a task is expected to take for a look to be worth its call: what takes longer varies more, and is
subscribed to, so that no wait goes on long after its task."""

SPARE_S, SPARE_SHARE = 0.002, 0.1
"""How much later than expected a short task is looked at: this long, and this share of what it should take."""

AGAIN_SHARE = 0.25
"""From a look at a short task that was early to the other, of what it should take."""


class Look(NamedTuple):
    """When to look at tasks, and how long after that to look again if it was early; None for not at all."""

    at: float
    again_s: float | None = None


class Durations:
    """How long tasks of each kind took last: what rises is believed at once, what falls by half.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._expected_s: dict[str, float] = {}

    def learn(self, kind: str, ended: Row | None, longest_s: float) -> None:
        """Take the duration of a task of this kind that has ended, if it has one.

        :param longest_s: what it can have taken by our own clock.
        """
        duration_s = _duration_s(ended) if ended is not None else None
        if duration_s is not None:
            new_s = min(duration_s, longest_s, 2 * SHORT_S)  # forgotten soon, when they are short again
            self._expected_s[kind] = max(new_s, (self._expected_s.get(kind, new_s) + new_s) / 2)

    def is_known(self, kind: str) -> bool:
        """Whether a task of this kind has ended."""
        return kind in self._expected_s

    def look(self, kind: str, sent: float) -> Look | None:
        """When to look at a task of this kind whose start was sent then; None where that is no matter of a moment.

        The look takes as long to get to vCenter as the start did: it gets there when the task should be over.
        """
        expected_s = self._expected_s.get(kind)
        if expected_s is None:
            first_s = FIRST_LOOKS_S.get(kind, FIRST_LOOK_S)
            return Look(sent + first_s, first_s)
        if expected_s > SHORT_S:
            return None
        spare_s = SPARE_S + expected_s * SPARE_SHARE
        return Look(sent + expected_s + spare_s, expected_s * AGAIN_SHARE + spare_s)


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
