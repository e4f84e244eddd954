"""Waiting by subscription: objects and paths in, their rows out as they change, until the caller has seen enough."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence

from .rows import Ref, Row
from .session import Session
from .watch import Beside, Watch

Targets = Mapping[Ref, Sequence[str]]
"""``{ref: paths}``."""


def watch_rows(
    session: Session,
    targets: Targets,
    *,
    timeout_s: float,
    beside: Beside | None = None,
    wake_at: Callable[[], float] | None = None,
) -> Generator[dict[Ref, Row | None]]:
    """What is known of each target after each change, all targets every time, until ``timeout_s`` has passed.

    A target that is gone is None. The first yield is the present state. The iterator just ends at the deadline; close
    it to end earlier. (Left to the garbage collector, its last call swallows an interrupt.)

    :param targets: ``{ref: paths}``.
    :param timeout_s: seconds for the whole wait.
    :param beside: makes further targets that end with their session, such as collectors of events; it is entered
        anew with each subscription.
    :param wake_at: asked before each wait: the time, by ``time.monotonic``, of a yield without any change.
    """
    deadline, wake_at = time.monotonic() + timeout_s, wake_at or _never
    with Watch(session, _paths_by_kind(targets), beside=beside) as watch:
        while targets and (now := time.monotonic()) < deadline:
            rows = watch.wait(targets, timeout_s=min(deadline, wake_at()) - now)
            if watch.has_news or time.monotonic() >= wake_at():
                yield rows
            if all(row is None for row in rows.values()):
                return


def _never() -> float:
    return math.inf


def _paths_by_kind(targets: Targets) -> dict[str, list[str]]:
    paths: dict[str, list[str]] = {}
    for ref, wanted in targets.items():
        known = paths.setdefault(ref.kind, [])
        known.extend(path for path in wanted if path not in known)
    return paths
