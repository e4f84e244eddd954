"""What is being done, told on stderr while it lasts; and interrupts, so that clean-up is announced."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from types import FrameType

    from rich.progress import Progress, ProgressColumn

CLEAR_LINE = "\r\x1b[K"
"""To the line's start and erase the rest (ECMA-48 EL): the live step may stand there."""


CLEANING_UP = "interrupted; cleaning up (interrupt again to leave what was made)"

LOST_AFTER_S = 0.3
"""Seconds until an interrupt that nobody has noticed is repeated: a signal that comes just before the main thread waits
for a lock is not seen until the next one."""


class Narrator:
    """Tells people the present step: live on a terminal, else one line a step.

    :param live: the terminal's display; None without one.
    """

    def __init__(self, live: Progress | None = None) -> None:
        self._live = live
        self._task = live.add_task("", visible=False) if live else None
        self._step = ""

    def tell(self, step: str) -> None:
        """The step that begins now."""
        if step == self._step:
            return
        self._step = step
        if self._live and self._task is not None:
            self._live.reset(self._task, description=step, visible=True)
        else:
            self.say(step)

    def percent(self, done: int) -> None:
        """How much of the present step is done; shown live only."""
        if self._live and self._task is not None:
            self._live.update(self._task, description=f"{self._step} {done} %")

    def say(self, text: str) -> None:
        """A line that stays. It may come from a signal's handler, so nothing of Rich is called."""
        with suppress(RuntimeError):  # the signal came amid another line
            click.echo(f"{CLEAR_LINE if self._live else ''}{text}", err=True)


@contextmanager
def narrated() -> Iterator[Narrator]:
    """A narrator for the block; on a terminal its steps are gone afterwards."""
    with live_display() as live:
        yield Narrator(live)


@contextmanager
def live_display(*more: ProgressColumn) -> Iterator[Progress | None]:
    """The terminal's display: a line a task, gone after the block. None where stderr is no terminal.

    :param more: columns between a task's description and its time.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), *more, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True, highlight=False, emoji=False), transient=True) as live:
        yield live


class Interrupts:
    """The SIGINT and SIGTERM that arrived inside an ``interruptible`` block."""

    def __init__(self, narrator: Narrator, first: str) -> None:
        self._first = first
        self.count = 0
        self.exit_status = 128 + signal.SIGINT
        self._narrator = narrator

    def receive(self, number: int, _: FrameType | None) -> None:
        """Raise KeyboardInterrupt in the main thread; what was made is removed on its way."""
        self.count += 1
        self.exit_status = 128 + number
        if self.count == 1 and self._first:
            self._narrator.say(self._first)
        raise KeyboardInterrupt

    def repeat(self, *_: object) -> None:
        """Raise it again where it was lost: pyVmomi makes its objects under a bare ``except``."""
        if self.count and not _is_handled(sys.exception()):
            raise KeyboardInterrupt


def _is_handled(present: BaseException | None) -> bool:
    """Whether an interrupt is on its way up, or something cleans up after one."""
    while present is not None and not isinstance(present, KeyboardInterrupt):
        present = present.__context__
    return present is not None


@contextmanager
def interruptible(narrator: Narrator, first: str = CLEANING_UP) -> Iterator[Interrupts]:
    """Ctrl-C and termination both interrupt the block; what ignores them is left to ignore them.

    :param first: what to say at the first one.
    """
    interrupts = Interrupts(narrator, first)
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, interrupts.receive)
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, interrupts.repeat)
        signal.setitimer(signal.ITIMER_REAL, LOST_AFTER_S, LOST_AFTER_S)
    try:
        yield interrupts
    finally:
        if before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
