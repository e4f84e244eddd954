"""A deployment typed on no console: the deployment in, the time it takes or what stands against it out. No vCenter."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from libcloud.compute.deployment import Deployment

from ...console.keyboard import TypingSpeed
from ...console.keystrokes import KeyStroke, Pause
from ..pull.recording import check_recordable
from .typing import TypingClient

__all__ = ["dry_run"]


class _TimedConsole:
    """A console that types nothing and counts the seconds that the events would take."""

    def __init__(self, pace: TypingSpeed) -> None:
        self.pace = pace
        self.seconds = 0.0

    def type(self, events: Sequence[KeyStroke | Pause], *, timeout_s: float | None = None) -> None:
        waits = [event.seconds for event in events if isinstance(event, Pause)]
        self.seconds += self.pace.seconds(len(events) - len(waits)) + sum(waits)


def dry_run(
    deployment: Deployment, *, layout: str | Mapping[str, Any] = "us", pace: TypingSpeed | None = None
) -> float:
    """Run the deployment without a console; about how many seconds its typing takes.

    Nothing is typed, and the deployment stays as it is.

    :raises InvalidRequestError: it may need an answer, the layout lacks characters, or a file is too large to type.
    :raises OSError: a file cannot be read.
    """
    check_recordable(deployment, "keyboard")
    console = _TimedConsole(pace or TypingSpeed())
    copy.deepcopy(deployment).run(None, TypingClient(console, "no console", layout=layout))  # type: ignore[arg-type]
    return console.seconds
