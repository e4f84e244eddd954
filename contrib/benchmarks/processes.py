"""Whole processes side by side: in each round each runs once, so that what slows the machine slows all."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from tempfile import TemporaryDirectory

from .children import ROOT

COMPILED = ROOT / "build" / "pycache"
PEAK = "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')))"
FLOOR = "import libcloud.compute.base"
OURS = "import sys; from libcloud_vsphere_clone.cli import main; sys.exit(main())"
"""What the script is that an installer makes of the entry point."""

Command = tuple[str, ...]
"""An interpreter, a program for its ``-c``, and the program's arguments."""


def command(*arguments: str) -> Command:
    """``vsphere-clone`` with these arguments."""
    return (sys.executable, OURS, *arguments)


def time_processes(
    commands: Mapping[str, Command], rounds: int, beside: Mapping[str, Callable[[], float]] | None = None
) -> dict[str, list[float]]:
    """The seconds of each command in each round.

    :param beside: what else has its turn in each round, and gives its own seconds.
    """
    with TemporaryDirectory() as folder:
        turns = {what: partial(_time, each, folder) for what, each in commands.items()} | dict(beside or {})
        seconds: dict[str, list[float]] = {what: [] for what in turns}
        for number in range(rounds + 1):
            for what, turn in turns.items():
                took_s = turn()
                if number:  # the first one writes .pyc files
                    seconds[what].append(took_s)
    return seconds


def peak_bytes(python: str, program: str) -> int:
    """The memory of a program at its peak."""
    with TemporaryDirectory() as folder:
        _time((python, program), folder)  # compiling takes memory, too
        return int(_run((python, f"{program}\n{PEAK}"), folder)) * 1024


def median_ratio(own: Sequence[float], floor: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(mine / other for mine, other in zip(own, floor, strict=True))


def _time(each: Command, folder: str) -> float:
    begin = time.perf_counter()
    _run(each, folder)
    return time.perf_counter() - begin


def _run(each: Command, folder: str) -> str:
    """What it prints."""
    python, program, *arguments = each
    done = subprocess.run(
        [python, "-c", program, *arguments],
        cwd=folder,
        env=_environment(python),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _environment(python: str) -> dict[str, str]:
    """That of this process, with .pyc files as an installer leaves them, for others' modules and ours alike."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(COMPILED)
    if python == sys.executable:
        environment["PYTHONPATH"] = str(ROOT)
    return environment
