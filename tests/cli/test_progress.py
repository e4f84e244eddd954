"""``cli/progress.py``: steps told, signals turned into one announced interrupt."""

from __future__ import annotations

import io
import signal
import time
from contextlib import suppress

import pytest
from rich.console import Console
from rich.progress import Progress

from libcloud_vsphere_clone.cli.progress import LOST_AFTER_S, Narrator, interruptible, narrated


def test_without_a_terminal_each_step_is_a_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    with narrated() as narrator:
        narrator.tell("cloning [red]a[/red] to :smile:")
        narrator.percent(40)
        narrator.tell("cloning [red]a[/red] to :smile:")
        narrator.tell("x" * 300)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["cloning [red]a[/red] to :smile:", "x" * 300]


def test_on_a_terminal_the_present_step_is_shown_with_its_percentage() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    progress = Progress(console=console)
    narrator = Narrator(progress)
    narrator.tell("cloning")
    narrator.percent(40)
    assert progress.tasks[0].description == "cloning 40 %"
    narrator.tell("waiting")
    assert progress.tasks[0].description == "waiting"


@pytest.mark.parametrize(("sign", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_announced_once_and_counted(
    capsys: pytest.CaptureFixture[str], sign: signal.Signals, status: int
) -> None:
    before = signal.getsignal(sign)
    with narrated() as narrator, interruptible(narrator) as interrupts:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(sign)
    assert (interrupts.count, interrupts.exit_status) == (2, status)
    assert capsys.readouterr().err.count("cleaning up") == 1
    assert signal.getsignal(sign) is before


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with narrated() as narrator, interruptible(narrator) as interrupts:
            signal.raise_signal(signal.SIGINT)
        assert interrupts.count == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_that_is_lost_comes_again() -> None:
    with narrated() as narrator, interruptible(narrator) as interrupts, pytest.raises(KeyboardInterrupt):
        with suppress(BaseException):  # as pyVmomi does
            signal.raise_signal(signal.SIGINT)
        time.sleep(30)
    assert interrupts.count == 1


def test_a_clean_up_is_not_interrupted_again() -> None:
    with narrated() as narrator, interruptible(narrator):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            try:
                raise ValueError
            except ValueError:
                time.sleep(2 * LOST_AFTER_S)
