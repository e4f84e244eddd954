"""``vsphere-clone copy``: a file into a node, or out of it."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import click

from ..connection import DriverConnection, connection_options
from ..login import build_login
from ..session import opened, session_options

if TYPE_CHECKING:
    from libcloud.compute.ssh import BaseSSHClient

REMOTE = re.compile(r"(?P<node>[^/\\:]{2,}):(?P<path>.+)", re.DOTALL)
"""``web-1:/etc/motd``. One letter before the colon is a drive of this machine, if that is Windows."""


@click.command("copy")
@click.argument("source")
@click.argument("target")
@session_options
@connection_options
def copy(
    connection: DriverConnection,
    source: str,
    target: str,
    group: str | None,
    transport: str | None,
    boot_timeout: float,
    ssh_username: str,
    ssh_key: str | None,
    ssh_key_password_file: str | None,
    ssh_password_file: str | None,
) -> None:
    """Copy a file into a node or out of it.

    The one in the node is NODE:PATH, and - is stdin or stdout. A PATH that does not begin at the root begins in the
    user's home, and one that ends in / is a folder, for a file of the same name. Missing folders are made in the node.
    A folder is copied as an archive: tar c FOLDER | vsphere-clone copy - NODE:folder.tar
    """
    from_node, to_node = REMOTE.fullmatch(source), REMOTE.fullmatch(target)
    if (from_node is None) == (to_node is None):
        raise click.UsageError("one of the two has to be NODE:PATH, and the other a file here")
    remote = from_node or to_node
    assert remote is not None  # noqa: S101 - for the type checker
    if to_node:
        _check_source(source, remote["path"])
    login = build_login(
        ssh_username=ssh_username,
        ssh_key=ssh_key,
        ssh_key_password_file=ssh_key_password_file,
        ssh_password_file=ssh_password_file,
    )
    with opened(connection, remote["node"], group, transport, login, boot_timeout) as (_, session):
        if to_node:
            path = remote["path"]
            click.echo(_put(session, source, path + Path(source).name if path.endswith("/") else path))
        else:
            _get(session, remote["path"], target)


def _check_source(source: str, path: str) -> None:
    """:raises click.UsageError: it is no file of this machine, or what comes from stdin would have no name."""
    if source == "-":
        if path.endswith("/"):
            raise click.UsageError("what comes from standard input needs a file name: NODE:PATH must not end in /")
    elif Path(source).is_dir():
        raise click.UsageError(
            f"{source!r} is a folder, and copy takes one file; pack it: tar c {source} | vsphere-clone copy - NODE:PATH"
        )
    elif not Path(source).is_file():
        raise click.UsageError(f"there is no file {source!r} here")


def _put(session: BaseSSHClient, source: str, path: str) -> str:
    """Where the file now is in the node."""
    if source == "-":
        return str(session.putfo(path, sys.stdin.buffer))
    local = Path(source)
    with local.open("rb") as file:
        return str(session.putfo(path, file, chmod=local.stat().st_mode & 0o777))


def _get(session: BaseSSHClient, path: str, target: str) -> None:
    """:raises click.ClickException: the transport cannot read files, or there is none."""
    get = getattr(session, "get", None)
    if get is None:
        raise click.ClickException("this transport only carries files into the node")
    try:
        if target == "-":
            get(path, sys.stdout.buffer)
            return
        local = Path(target)
        local = local / re.split(r"[/\\]", path)[-1] if local.is_dir() else local
        with NamedTemporaryFile(dir=local.parent, prefix=f".{local.name}-") as file:
            get(path, file)  # a copy that breaks leaves no half of it
            file.flush()
            shutil.copyfile(file.name, local)
    except FileNotFoundError as missing:
        raise click.ClickException(f"there is no file {path!r} in the node") from missing
