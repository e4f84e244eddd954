"""What the project costs a program that does not use it, one that begins to, and a command."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import venv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from libcloud_vsphere_clone import Lab

from .children import ROOT
from .measure import Row
from .processes import FLOOR, Command, command, median_ratio, peak_bytes, time_processes

BOOT_FILES = ("vsphere_clone.pth", "vsphere_clone.start", "_vsphere_clone_boot.py")
GET = "get_driver('vsphere_clone')"


def measure_start_up(rounds: int) -> Iterator[Row]:
    """Rows for interpreters with and without the plugin, for what a script imports first, and for a command."""
    with tempfile.TemporaryDirectory() as folder:
        bare, plugged = _make(Path(folder, "bare")), _make(Path(folder, "plugged"), BOOT_FILES)
        pairs: dict[str, Command] = {
            "python -c pass, without the plugin (floor)": (bare, "pass"),
            "python -c pass, with the plugin": (plugged, "pass"),
        }
        yield from _with_memory(_compare(pairs, rounds), pairs)
    imports: dict[str, Command] = {
        f"{FLOOR} (floor)": (sys.executable, FLOOR),
        "import libcloud_vsphere_clone": (sys.executable, "import libcloud_vsphere_clone"),
        GET: (sys.executable, _get("vsphere_clone")),
        "get_driver('vsphere'), the built-in": (sys.executable, _get("vsphere")),
    }
    rows = _with_memory(_compare(imports, max(9, rounds // 3)), imports)
    yield from rows
    yield _memory_ratio(rows)
    with Lab(guests=False) as lab:
        commands: dict[str, Command] = {
            f"{FLOOR}, beside a command (floor)": (sys.executable, FLOOR),
            "vsphere-clone images": command("images", f"--lab={lab.name}"),
        }
        yield from _compare(commands, max(9, rounds // 3))


def _get(name: str) -> str:
    return f"import libcloud_vsphere_clone; from libcloud.compute.providers import get_driver; get_driver({name!r})"


def _make(folder: Path, files: tuple[str, ...] = ()) -> str:
    """An interpreter in an environment with these files in its site-packages, and nothing else."""
    venv.create(folder, with_pip=False)
    packages = next(folder.glob("lib/python*/site-packages"))
    for name in files:
        shutil.copy(ROOT / "libcloud_vsphere_clone" / "site_packages" / name, packages)
    return str(folder / "bin" / "python")


def _compare(commands: dict[str, Command], rounds: int) -> list[Row]:
    """A row for each command; the first is the floor."""
    seconds = time_processes(commands, rounds)
    floor = next(iter(seconds.values()))
    return [
        Row("start-up", what, 1, seconds=statistics.median(own), ratio=median_ratio(own, floor), rounds=rounds)
        for what, own in seconds.items()
    ]


def _with_memory(rows: list[Row], commands: dict[str, Command]) -> list[Row]:
    return [replace(row, peak_bytes=peak_bytes(*commands[row.what])) for row in rows]


def _memory_ratio(rows: list[Row]) -> Row:
    peaks = {row.what: row.peak_bytes or 0 for row in rows}
    return Row("start-up", f"memory of {GET}", 1, ratio=peaks[GET] / peaks[f"{FLOOR} (floor)"])
