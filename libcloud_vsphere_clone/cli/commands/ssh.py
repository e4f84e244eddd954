"""``vsphere-clone ssh``: the system's own ``ssh`` into a node, at its address and with its host key checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..connection import DriverConnection, connection_options
from ..login import BOOT_TIMEOUT, LOGIN_OPTIONS, build_login, with_options
from ..session import GROUP, opened

if TYPE_CHECKING:
    from ...sessions.ssh.client import GuestSSHClient


@click.command("ssh", context_settings={"ignore_unknown_options": True})
@click.argument("node")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@with_options(GROUP, *LOGIN_OPTIONS, BOOT_TIMEOUT)
@connection_options
def ssh(
    connection: DriverConnection,
    node: str,
    arguments: Sequence[str],
    group: str | None,
    boot_timeout: float,
    ssh_username: str,
    ssh_key: str | None,
    ssh_key_password_file: str | None,
    ssh_password_file: str | None,
) -> None:
    """Open a shell in a node with the system's ssh.

    ARGUMENTS after -- are its own. The node is waited for, and its host key is checked as for every session; ssh is
    then told to accept only that.
    """
    program = shutil.which("ssh")
    if program is None:
        raise click.ClickException("there is no ssh on the PATH; install OpenSSH's client")
    login = build_login(
        ssh_username=ssh_username,
        ssh_key=ssh_key,
        ssh_key_password_file=ssh_key_password_file,
        ssh_password_file=ssh_password_file,
    )
    with opened(connection, node, group, "ssh", login, boot_timeout) as (_, session):
        command = [program, *_options(session, login.key), *arguments]  # type: ignore[arg-type]
        known = str(session.known_hosts_line())  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory(prefix="vsphere-clone-") as folder:
        known_hosts = Path(folder, "known_hosts")
        known_hosts.write_text(known + os.linesep)
        command[1:1] = ["-o", f"UserKnownHostsFile={known_hosts}", "-o", "StrictHostKeyChecking=yes"]
        raise click.exceptions.Exit(subprocess.run(command, check=False).returncode)


def _options(session: GuestSSHClient, key: str | None) -> list[str]:
    identity = ["-i", key, "-o", "IdentitiesOnly=yes"] if key else []
    return [*identity, "-p", str(session.port), f"{session.username}@{session.hostname}"]
