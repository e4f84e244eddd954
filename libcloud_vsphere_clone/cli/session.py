"""A session into one node, for ``run``, ``copy`` and ``ssh``: options in, an open session out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ..sessions.transports import TRANSPORTS
from .connection import DriverConnection, connected
from .login import BOOT_TIMEOUT, LOGIN_OPTIONS, GuestLogin, with_options
from .nodes import find_node
from .progress import Narrator, interruptible, narrated

if TYPE_CHECKING:
    from libcloud.compute.base import Node
    from libcloud.compute.ssh import BaseSSHClient

    from ..driver.compute import VsphereCloneNodeDriver

TRANSPORT = click.option(
    "--transport",
    type=click.Choice(tuple(TRANSPORTS)),
    metavar="NAME",
    help="ssh, tools, winrm, keyboard or pull.  [default: what the image's mark says, else what suits the guest]",
)
GROUP = click.option("--group", help="The node's group, where several have its name.")


def session_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options for a session into one node."""
    return with_options(GROUP, TRANSPORT, *LOGIN_OPTIONS, BOOT_TIMEOUT)(command)


@contextmanager
def opened(
    connection: DriverConnection,
    name: str,
    group: str | None,
    transport: str | None,
    login: GuestLogin,
    boot_timeout_s: float,
) -> Iterator[tuple[Node, BaseSSHClient]]:
    """The node of this name or id and a session into it, for the block. Ctrl-C ends both.

    :raises click.UsageError: there is nothing to log in with.
    :raises VsphereError: there is no such node, or it does not let us in.
    """
    login.check()
    with connected(connection) as driver, _ending() as sessions:
        node, session = _open(driver, name, group, transport, login, boot_timeout_s)
        sessions.append(session)
        try:
            yield node, session
        finally:
            session.close()


def _open(
    driver: VsphereCloneNodeDriver,
    name: str,
    group: str | None,
    transport: str | None,
    login: GuestLogin,
    boot_timeout_s: float,
) -> tuple[Node, BaseSSHClient]:
    with narrated() as narrator:  # its live line is gone before the node says anything
        narrator.tell(f"looking for {name}")
        node = find_node(driver, name, group)
        words = {**login.deploy_words(), "timeout": boot_timeout_s}
        return node, driver.ex_open_session(node, transport, ex_on_stage=lambda _, what: narrator.tell(what), **words)


@contextmanager
def _ending() -> Iterator[list[BaseSSHClient]]:
    """Where the session is put, so that an interrupt can say what becomes of what runs there."""
    narrator, sessions = Narrator(), list["BaseSSHClient"]()
    with interruptible(narrator, first="") as interrupts:
        try:
            yield sessions
        except KeyboardInterrupt as interrupt:
            ends = interrupts.count == 1 and all(getattr(one, "ends_commands", False) for one in sessions)
            fate = "what runs in the node is ended" if ends else "what runs in the node may go on"
            narrator.say(f"interrupted; {fate}" if sessions else "interrupted")
            raise click.exceptions.Exit(interrupts.exit_status) from interrupt
