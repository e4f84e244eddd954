"""What commands print: tables for people, JSON for programs.

Takes plain values, writes stdout. What is called a secret is never printed.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

REDACTED = "***"
SECRET_KEY = re.compile(r"passw|passphrase|secret|token|private_?key|credential", re.IGNORECASE)


def json_option(command: Command) -> Command:
    """``--json``, the same for every command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")(command)


def print_json(value: Any) -> None:
    """The value as JSON, secrets redacted."""
    click.echo(json.dumps(redacted(value), indent=2, ensure_ascii=False))


def print_json_line(value: Any) -> None:
    """The same in one line, for values that come one by one."""
    click.echo(json.dumps(redacted(value), ensure_ascii=False))


def redacted(value: Any) -> Any:
    """The value, with what stands under a secret's name replaced, at any depth."""
    if isinstance(value, Mapping):
        return {
            key: REDACTED if SECRET_KEY.search(str(key)) and item is not None else redacted(item)
            for key, item in value.items()
        }
    return [redacted(item) for item in value] if isinstance(value, list | tuple) else value


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under a headline; in a pipe no line is ever cut or folded.

    :param empty: what to print instead of a table without rows.
    """
    cells = [[cell(value) for value in row] for row in rows]
    if not cells:
        click.echo(empty)
        return
    lines, width = _lay_out([columns, *cells])
    if sys.stdout.isatty() and width > shutil.get_terminal_size().columns:
        _print_folded(columns, cells)
        return
    click.secho(lines[0], bold=True)
    click.echo("\n".join(lines[1:]))


def _lay_out(rows: Sequence[Sequence[str]]) -> tuple[list[str], int]:
    """Each row as a line, its columns under each other; and the width of the widest."""
    lengths = [[_width(text) for text in row] for row in rows]
    widths = [max(column) for column in zip(*lengths, strict=True)]
    lines = [
        "  ".join(text + " " * (width - own) for text, own, width in zip(row, of_row, widths, strict=True)).rstrip()
        for row, of_row in zip(rows, lengths, strict=True)
    ]
    return lines, sum(widths) + 2 * (len(widths) - 1)


def _width(text: str) -> int:
    """The columns that a text takes on a screen: Chinese characters take two each."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # it knows wide characters; the rest of Rich stays unloaded

    return cell_len(text)


def _print_folded(columns: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    """Print a table that is wider than the terminal: an id that is cut cannot be copied."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    for row in cells:
        table.add_row(*row)
    Console(file=sys.stdout, markup=False, highlight=False, emoji=False).print(table)


def cell(value: object) -> str:
    """What a table shows: lists with commas, nothing for None, no control characters of other people's names."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
