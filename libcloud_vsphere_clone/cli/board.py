"""Many nodes at once, told on stderr: on a terminal a line for each in flight and a total, else plain lines."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .progress import Narrator, live_display

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

ROWS = 16
"""Lines of nodes at most: a display higher than the terminal cannot be redrawn."""


class Board(Narrator):
    """Tells people the present step of all, and of each node. Any thread may call it.

    :param live: the terminal's display; None without one.
    :param count: the nodes to come; None while that is not known.
    """

    def __init__(self, live: Progress | None = None, count: int | None = None) -> None:
        super().__init__(live)
        self._lock = threading.Lock()
        self._count = count
        self._steps: dict[str, str] = {}
        self._lines: dict[str, TaskID] = {}
        self._shares: dict[str, float] = {}  # of the present step, 1 is done

    def hide(self) -> None:
        """Show nothing live any more: from now on other lines are printed."""
        if self._live:
            self._live.stop()

    def tell(self, step: str) -> None:
        """The step of all nodes that begins now; none of them has begun it."""
        with self._lock:
            if step == self._step:
                return
            self._steps.clear()
            self._shares.clear()
            for name in list(self._lines):
                self._remove_line(name)
            self._renew_total()
            super().tell(step)

    def node(self, name: str, step: str) -> None:
        """A node's step that begins now."""
        with self._lock:
            if self._steps.get(name) == step:
                return
            self._steps[name] = step
            if self._live is None:
                self.say(f"{name}: {step}")
            else:
                self._show_line(name, total=None, note="")
                self._show_total()

    def percent_of(self, name: str, done: int) -> None:
        """How much of the present step is done for a node; shown live only."""
        with self._lock:
            if self._live is None:
                return
            self._shares[name] = done / 100
            self._show_line(name, total=100, completed=done, note=f"{done} %")
            self._show_total()

    def end(self, name: str, step: str) -> None:
        """A node has done the present step, or will not do it: how it ended stays only in plain lines."""
        with self._lock:
            self._shares[name] = 1
            if self._live is None:
                self.say(f"{name}: {step}")
            else:
                self._remove_line(name)
                self._show_total()

    def _show_line(self, name: str, **fields: Any) -> None:
        text = f"  {name}  {self._steps.get(name, '')}".rstrip()
        if self._live and name in self._lines:
            self._live.update(self._lines[name], description=text, **fields)
        elif self._live:
            self._lines[name] = self._live.add_task(text, visible=len(self._lines) < ROWS, **fields)

    def _remove_line(self, name: str) -> None:
        line = self._lines.pop(name, None)
        if self._live and line is not None:
            self._live.remove_task(line)
            for shown in list(self._lines.values())[:ROWS]:
                self._live.update(shown, visible=True)

    def _renew_total(self) -> None:
        """A step begins with nothing known of its nodes, and Rich never forgets a task's total."""
        if self._live and self._task is not None:
            self._live.remove_task(self._task)
            self._task = self._live.add_task("", total=None, visible=False, note="")

    def _show_total(self) -> None:
        if self._live is None or self._task is None:
            return
        ended = sum(share >= 1 for share in self._shares.values())
        hidden = len(self._lines) - ROWS
        more = f", {hidden} more in flight" if hidden > 0 else ""
        note = f"{ended} of {self._count}{more}" if self._count else more.removeprefix(", ")
        self._live.update(self._task, total=self._count, completed=sum(self._shares.values()), note=note)


@contextmanager
def boarded(count: int | None = None) -> Iterator[Board]:
    """A board for the block; on a terminal its lines are gone afterwards."""
    if not sys.stderr.isatty():
        yield Board(None, count)
        return
    from rich.progress import BarColumn, TextColumn

    with live_display(BarColumn(20), TextColumn("{task.fields[note]}", markup=False)) as live:
        yield Board(live, count)
