"""Rows → one table for people, and JSON for programs."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .demands import Verdict
from .measure import Row


def show(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> None:
    console = Console(width=None if Console().is_terminal else 150)
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    console.print(_figures(rows, notes))
    for number, note in enumerate(notes, 1):
        console.print(f"({number}) {note}", markup=False)
    if verdicts:
        console.print(_demands(verdicts))


def write_json(file: Path, rows: Sequence[Row], verdicts: Sequence[Verdict]) -> None:
    judged = [
        {"what": f"{v.row.subject}: {v.row.what}: {v.demand.words}", "size": v.row.size, "task_s": v.row.task_s,
         "latency_ms": v.row.latency_ms, "value": v.value, "at_most": v.demand.most, "met": v.is_met}
        for v in verdicts
    ]  # fmt: skip
    answer = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rows": [row.to_dict() for row in rows],
        "demands": judged,
    }
    file.write_text(json.dumps(answer, indent=2) + "\n")


def write_markdown(file: Path, rows: Sequence[Row]) -> None:
    """A table for each subject, in rounded figures."""
    head = ["what", "size", "tasks", "latency", "seconds", "ratio", "round trips", "bytes", "peak memory"]
    lines: list[str] = []
    for subject, group in groupby(rows, key=lambda row: row.subject):
        lines += [f"### {subject}", "", f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
        for row in group:
            what, *cells = _cells(replace(row, note=""), [])
            lines.append(f"| {what.removeprefix(f'{subject}: ')} {row.note}".rstrip() + f" | {' | '.join(cells)} |")
        lines.append("")
    file.write_text("\n".join(lines))


def _figures(rows: Sequence[Row], notes: list[str]) -> Table:
    table = Table(title="Medians; side by side on one lab")
    table.add_column("what")
    for name in ("size", "tasks", "latency", "seconds", "ratio", "round trips", "bytes", "peak memory"):
        table.add_column(name, justify="right")
    for _, group in groupby(rows, key=lambda row: (row.subject, row.size, row.task_s, row.latency_ms)):
        for row in group:
            table.add_row(*_cells(row, notes))
        table.add_section()
    return table


def _cells(row: Row, notes: list[str]) -> list[str]:
    note = f" [red]({notes.index(row.note) + 1})[/red]" if row.note else ""
    return [
        f"{row.subject}: {row.what}{note}",
        str(row.size),
        f"{row.task_s:g} s" if row.subject == "groups" else "",
        f"{row.latency_ms:g} ms",
        "" if row.seconds is None else f"{row.seconds:.3f}",
        "" if row.ratio is None else f"{row.ratio:.2f}",
        "" if row.round_trips is None else str(row.round_trips),
        "" if row.bytes is None else _amount(row.bytes),
        "" if row.peak_bytes is None else _amount(row.peak_bytes),
    ]


def _amount(count: int) -> str:
    for unit, size in (("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _demands(verdicts: Sequence[Verdict]) -> Table:
    table = Table("what", "size", "demanded", "measured", "", title="Demands")
    for verdict in verdicts:
        value = verdict.row.note or "not measured" if verdict.value is None else f"{verdict.value:.2f}"
        words = f"{verdict.row.subject}: {verdict.row.what}: {verdict.demand.words}"
        if verdict.row.subject == "groups":
            words += f" (tasks of {verdict.row.task_s:g} s)"
        if verdict.row.latency_ms:
            words += f" (latency {verdict.row.latency_ms:g} ms)"
        result = "met" if verdict.is_met else "[red]not met[/red]"
        table.add_row(words, str(verdict.row.size), f"≤ {verdict.demand.most:g}", value, result)
    return table
