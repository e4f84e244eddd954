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

    from rich.progress import Progress

CLEAR_LINE = "\r\x1b[K"
"""To the line's start and erase the rest (ECMA-48 EL): the live step may stand there."""


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
    if not sys.stderr.isatty():
        yield Narrator()
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True, highlight=False, emoji=False), transient=True) as live:
        yield Narrator(live)


class Interrupts:
    """The SIGINT and SIGTERM that arrived inside an ``interruptible`` block."""

    def __init__(self, narrator: Narrator) -> None:
        self.count = 0
        self.exit_status = 128 + signal.SIGINT
        self._narrator = narrator

    def receive(self, number: int, _: FrameType | None) -> None:
        """Raise KeyboardInterrupt in the main thread; whoever made something removes it on its way."""
        self.count += 1
        self.exit_status = 128 + number
        if self.count == 1:
            self._narrator.say("interrupted; cleaning up (interrupt again to leave what was made)")
        raise KeyboardInterrupt


@contextmanager
def interruptible(narrator: Narrator) -> Iterator[Interrupts]:
    """Ctrl-C and termination both interrupt the block; what ignores them is left to ignore them."""
    interrupts = Interrupts(narrator)
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, interrupts.receive)
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
