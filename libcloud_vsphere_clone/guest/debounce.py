"""How long states have held. (pure)"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["Debounce"]


class Debounce:
    """The states of one VM that may pass by themselves, and when each will have held for long enough.

    :param clock: gives seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self._due: dict[str, float] = {}

    @property
    def next_due(self) -> float:
        """The time at which the next state will have held for long enough; infinite when none holds."""
        return min(self._due.values(), default=math.inf)

    def has_held(self, state: str, holds: bool, for_s: float) -> bool:
        """Whether the state has held for so many seconds, in each call without a break.

        :param holds: whether it holds now.
        """
        self._due.pop(state, None)
        if not holds:
            self._since.pop(state, None)
            return False
        now = self._clock()
        due = self._since.setdefault(state, now) + for_s
        if now < due:
            self._due[state] = due
        return now >= due
