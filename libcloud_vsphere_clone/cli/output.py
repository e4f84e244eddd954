"""What commands print: tables for people, JSON for programs, errors in one line.

Takes plain values, writes stdout. What is called a secret is never printed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click

from .group import notes_of

Command = TypeVar("Command", bound=Callable[..., Any])

REDACTED = "***"
SECRET_KEY = re.compile(r"passw|passphrase|secret|token|private_?key|credential", re.IGNORECASE)

SPELLINGS = (
    # what the driver's messages call a parameter, what it is called here
    (r"pass its passphrase as ssh_key_password", "give --ssh-key-password-file"),
    (r"in ssh_key_password", "in --ssh-key-password-file"),
    (r"auth=NodeAuthPassword\(\.\.\.\)", "--ssh-password-file"),
    (r"make the driver with ex_allow_unmanaged=True", "give --allow-unmanaged"),
    (r", or wait first, with wait_until_running\(.*\)", ""),
    (r"ex_resource_pool=", "--pool"),
    (r"ex_list_groups\(\)", "vsphere-clone groups"),
    (r"\bssh_key=", "--ssh-key"),
    (r"list_(nodes|images|sizes|locations)\(\)", r"vsphere-clone \1"),
    (r"\b(?:ex_)?(?:location|group|datastore|thumbprint|datacenter|images_folder|nodes_folder|ca_cert|host|port|timeout)=",
     lambda found: "--" + found[0].removeprefix("ex_").rstrip("=").replace("_", "-")),
    (r"\bex_networks\b", "--network"),
    (r"\bex_(annotation|cpus|customization_spec|customize|disk_gib|dns|dns_search|domain|first_boot_script|hostname"
     r"|memory_mib|metadata|thumbprint|timezone|transport|userdata|wait_for)\b",
     lambda found: "--" + found[1].replace("_", "-")),
)  # fmt: skip


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
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"  # an id that is cut cannot be copied
    for row in rows:
        table.add_row(*(cell(value) for value in row))
    if not table.row_count:
        click.echo(empty)
        return
    # Rich keeps to 80 columns where there is no terminal.
    width = None if sys.stdout.isatty() else 10_000
    console = Console(file=sys.stdout, markup=False, highlight=False, emoji=False, width=width)
    if width is None:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def cell(value: object) -> str:
    """What a table shows: lists with commas, nothing for None, no control characters of other people's names."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))


def describe_error(failure: BaseException) -> str:
    """What failed, in one line and in words of this command's options."""
    from ..errors import VsphereError
    from ..lab import LabError

    if isinstance(failure, VsphereError | LabError):
        text = in_options(str(failure))
    elif isinstance(failure, click.ClickException):
        text = failure.format_message()
    elif isinstance(failure, OSError) and failure.strerror:
        text = f"{failure.filename}: {failure.strerror}" if failure.filename else failure.strerror
    else:
        text = f"{type(failure).__name__}: {failure}; --debug shows where"
    return " ".join("; ".join([text, *notes_of(failure)]).split())


def in_options(message: str) -> str:
    """A message of the driver with its parameters called as this command calls them."""
    for pattern, replacement in SPELLINGS:
        message = re.sub(pattern, replacement, message)
    return message
