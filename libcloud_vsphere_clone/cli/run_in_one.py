"""``vsphere-clone run`` in one node: its output passed on as it comes, its exit status ours."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from .connection import DriverConnection
from .login import GuestLogin
from .output import print_json
from .results import NO_STATUS, is_without_status, to_exit_status
from .session import opened

if TYPE_CHECKING:
    from libcloud.compute.ssh import BaseSSHClient


def run_in_one(
    connection: DriverConnection,
    name: str,
    group: str | None,
    transport: str | None,
    login: GuestLogin,
    boot_timeout_s: float,
    text: str,
    *,
    as_json: bool,
) -> int:
    """The exit status of the command or the script; 1 where it has none."""
    with opened(connection, name, group, transport, login, boot_timeout_s) as (node, session):
        if as_json:
            with _runnable(session, text) as command:
                stdout, stderr, status = session.run(command)
            script = {"exit_status": status, "stdout": stdout, "stderr": stderr}
            print_json({"node": {"id": node.id, "name": node.name}, "script": script})
        else:
            status = _pass_on(session, text)
    if is_without_status(status):
        click.echo(f"error: {name}: {NO_STATUS}", err=True)
    return to_exit_status(status)


def _pass_on(session: BaseSSHClient, text: str) -> int:
    """The exit status; the output is written as it comes, or at the end, where it only comes then."""
    from ..sessions.streaming import run_streaming

    with _runnable(session, text) as command:
        return run_streaming(session, command, _write)


def _write(piece: bytes, is_error: bool) -> None:
    stream = sys.stderr.buffer if is_error else sys.stdout.buffer
    stream.write(piece)
    stream.flush()


@contextmanager
def _runnable(session: BaseSSHClient, text: str) -> Iterator[str]:
    """The command that runs the text: itself, or the file that holds it for the block, where it names its shell."""
    if not text.startswith("#!"):
        yield text
        return
    path = session.put(f"libcloud_run_{secrets.token_hex(4)}.sh", text, chmod=0o700)
    try:
        yield path
    finally:
        session.delete(path)
