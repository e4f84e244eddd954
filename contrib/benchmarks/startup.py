"""What the project costs a program that does not use it, and one that begins to."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path

from .children import ROOT
from .measure import Row

BOOT_FILES = ("vsphere_clone.pth", "vsphere_clone.start", "_vsphere_clone_boot.py")
PEAK = "print(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')))"

Command = tuple[str, str]
"""An interpreter and what it runs."""


def measure_start_up(rounds: int) -> Iterator[Row]:
    """Rows for interpreters with and without the plugin, and for what a script imports first."""
    with tempfile.TemporaryDirectory() as folder:
        bare, plugged = _make(Path(folder, "bare")), _make(Path(folder, "plugged"), BOOT_FILES)
        pairs: dict[str, Command] = {
            "python -c pass, without the plugin (floor)": (bare, "pass"),
            "python -c pass, with the plugin": (plugged, "pass"),
        }
        yield from _compare(pairs, rounds, folder)
        imports: dict[str, Command] = {
            "import libcloud.compute.base (floor)": (sys.executable, "import libcloud.compute.base"),
            "import libcloud_vsphere_clone": (sys.executable, "import libcloud_vsphere_clone"),
            "get_driver('vsphere_clone')": (sys.executable, _get("vsphere_clone")),
            "get_driver('vsphere'), the built-in": (sys.executable, _get("vsphere")),
        }
        yield from _compare(imports, max(3, rounds // 3), folder)


def _get(name: str) -> str:
    return f"import libcloud_vsphere_clone; from libcloud.compute.providers import get_driver; get_driver({name!r})"


def _make(folder: Path, files: tuple[str, ...] = ()) -> str:
    """An interpreter in an environment with these files in its site-packages, and nothing else."""
    venv.create(folder, with_pip=False)
    packages = next(folder.glob("lib/python*/site-packages"))
    for name in files:
        shutil.copy(ROOT / "libcloud_vsphere_clone" / "site_packages" / name, packages)
    return str(folder / "bin" / "python")


def _compare(commands: dict[str, Command], rounds: int, folder: str) -> list[Row]:
    seconds: dict[str, list[float]] = {what: [] for what in commands}
    for number in range(rounds + 1):
        for what, command in commands.items():
            took_s = _run(command, folder)[0]
            if number:  # the first one writes .pyc files
                seconds[what].append(took_s)
    floor = next(iter(seconds.values()))
    rows = []
    for what, (python, program) in commands.items():
        ratio = statistics.median(own / other for own, other in zip(seconds[what], floor, strict=True))
        peak_kib = int(_run((python, f"{program}\n{PEAK}"), folder)[1])
        median = statistics.median(seconds[what])
        rows.append(Row("start-up", what, 1, seconds=median, ratio=ratio, peak_bytes=peak_kib * 1024, rounds=rounds))
    return rows


def _run(command: Command, folder: str) -> tuple[float, str]:
    python, program = command
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} if python == sys.executable else dict(os.environ)
    begin = time.perf_counter()
    done = subprocess.run(
        [python, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - begin, done.stdout
