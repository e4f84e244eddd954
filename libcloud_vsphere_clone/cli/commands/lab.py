"""``vsphere-clone lab``: start, stop, status, run, clean.

Takes options, gives what ``libcloud_vsphere_clone.lab`` did, as text for people or JSON for programs. JSON of a lab has
its password: it guards nothing but this machine's own simulator, and the user that starts a lab has to connect to it.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ..output import json_option, print_table
from ..progress import narrated

if TYPE_CHECKING:
    from ...lab.record import LabOptions, LabRecord

DEFAULT_NAME = "default"
WATCH_EVERY_S = 0.2

name_option = click.option("--name", default=DEFAULT_NAME, show_default=True, help="Which lab, if there are several.")


def lab_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what a lab is like, for ``start`` and ``run``."""
    for option in (
        json_option,
        click.option("--api-version", help="What the server says it speaks.  [default: 8.0.3.0]"),
        click.option("--no-guests", is_flag=True, help="No containers behind the templates: needs no engine."),
        click.option("--esxi", is_flag=True, help="A bare ESXi host instead of a vCenter."),
        click.option("--vms", default=0, type=click.IntRange(min=0), help="Plain simulated VMs, as inventory load."),
        click.option("--port", default=0, type=click.IntRange(0, 65535), help="Of the server; 0 is any free one."),
        name_option,
    ):
        command = option(command)
    return command


@click.group()
def lab() -> None:
    """A vCenter on this machine, with real Linux guests."""


@lab.command()
@lab_options
def start(name: str, as_json: bool, port: int, vms: int, esxi: bool, no_guests: bool, api_version: str | None) -> None:
    """Start a lab that stays until it is stopped.

    What it needs is built first.
    """
    from ...lab import LabError
    from ...lab.process import launch, wait_until_ready
    from ...lab.record import find_lab

    options = _options(port, vms, esxi, no_guests, api_version)
    record = find_lab(name)
    if record is None:
        with _told(as_json) as tell:
            record = launch(name, options, on_progress=tell)
    elif record.options != options:
        raise LabError(f"lab {name!r} runs with other options; stop it, or give --name")
    else:
        wait_until_ready(record)
    _show(record, as_json)


@lab.command()
@lab_options
def run(name: str, as_json: bool, port: int, vms: int, esxi: bool, no_guests: bool, api_version: str | None) -> None:
    """Run a lab in the foreground; Ctrl-C stops it."""
    from ...lab.identity import identity_of
    from ...lab.process import launch, stop

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _told(as_json) as tell:
        record = launch(
            name, _options(port, vms, esxi, no_guests, api_version), owner=identity_of(os.getpid()), on_progress=tell
        )
    try:
        _show(record, as_json)
        _watch(record)
    except KeyboardInterrupt:
        click.echo("stopping the lab", err=True)
    finally:
        stop(record)


@lab.command("stop")
@name_option
@click.option("--all", "every", is_flag=True, help="Stop all labs of this user.")
def stop_command(name: str, every: bool) -> None:
    """Stop a lab and remove its guests."""
    from ...lab.process import list_labs, stop
    from ...lab.record import find_lab

    named = find_lab(name)
    records = list_labs() if every else [named] if named else []
    for record in records:
        stop(record)
        click.echo(f"stopped lab {record.name}")
    if not records:
        click.echo("no lab runs" if every else f"no lab named {name} runs")


@lab.command()
@json_option
def status(as_json: bool) -> None:
    """Show the labs that run; exit status 1 if none does."""
    from ...lab.process import list_labs

    records = list_labs()
    if as_json:
        click.echo(json.dumps([_described(record) for record in records], indent=2))
    else:
        print_table(
            ("name", "address", "user name", "guests", "pid"),
            map(_row, records),
            empty="no lab runs; start one with: vsphere-clone lab start",
        )
    raise click.exceptions.Exit(0 if records else 1)


@lab.command()
@click.option("--cache", is_flag=True, help="Also remove what was built: the program and the guest images.")
def clean(cache: bool) -> None:
    """Remove what dead labs left behind."""
    from ...lab.process import clear_cache, clear_dead_labs

    cleared = clear_dead_labs()
    click.echo(f"removed {', '.join(cleared)}" if cleared else "no dead lab left anything")
    if cache:
        click.echo(f"removed {', '.join(clear_cache()) or 'nothing from the cache'}")


def _options(port: int, vms: int, esxi: bool, no_guests: bool, api_version: str | None) -> LabOptions:
    from ...lab.record import LabOptions

    return LabOptions(vms=vms, guests=not no_guests, esxi=esxi, port=port, api_version=api_version)


@contextmanager
def _told(quiet: bool) -> Iterator[Callable[[str], None]]:
    """A function that tells people what is being done; with JSON there is nothing else."""
    if quiet:
        yield lambda _: None
    else:
        with narrated() as narrator:
            yield narrator.tell


def _watch(record: LabRecord) -> None:
    from ...lab import LabError
    from ...lab.process import log_tail

    while record.is_running():
        time.sleep(WATCH_EVERY_S)
    raise LabError(f"the lab ended by itself: {log_tail(record)}")


def _described(record: LabRecord) -> dict[str, Any]:
    return {"name": record.name, "guests_unavailable": record.guests_unavailable, **record.connection()}


def _row(record: LabRecord) -> tuple[object, ...]:
    connection = record.connection()
    if not connection:
        return record.name, "starting", None, None, None
    address = f"{connection['host']}:{connection['port']}"
    return record.name, address, connection["username"], not record.guests_unavailable, connection["pid"]


def _show(record: LabRecord, as_json: bool) -> None:
    connection = record.connection()
    if as_json:
        click.echo(json.dumps(connection, indent=2))
        return
    click.echo(f"Lab {record.name} runs. To connect from Python:\n")
    click.echo("    from libcloud_vsphere_clone import Lab")
    click.echo(f"    driver = Lab.attach({record.name!r}).driver()\n")
    for key, value in connection.items():  # no table: a folded path or command could not be copied
        click.echo(f"{key:<14} {value}")
    if record.guests_unavailable:
        click.echo(f"\nIts images have no guests: {record.guests_unavailable}")
