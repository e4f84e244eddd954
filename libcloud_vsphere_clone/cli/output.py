"""What commands print: tables for people, JSON for programs.

Takes plain values, writes stdout. What is called a secret is never printed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    """Rows under a headline; in a pipe no line is ever cut or folded.

    :param empty: what to say instead of a table without rows.
    """
    shown = [[cell(value) for value in row] for row in rows]
    if not shown:
        click.echo(empty)
    elif sys.stdout.isatty():
        _print_on_terminal(columns, shown)
    else:
        click.echo("\n".join(_align([columns, *shown])))


def _print_on_terminal(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """The table, folded where it is wider than the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"  # an id that is cut cannot be copied
    for row in rows:
        table.add_row(*row)
    Console(file=sys.stdout, markup=False, highlight=False, emoji=False).print(table)


def _align(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Each row as a line, columns as wide as their widest cell. Rich takes longer for this than a listing."""
    widths = [max(map(_width, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        padded = (text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _width(text: str) -> int:
    """The columns that a text takes on a screen: Chinese characters take two each."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cell(value: object) -> str:
    """What a table shows: lists with commas, nothing for None, no control characters of other people's names."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
