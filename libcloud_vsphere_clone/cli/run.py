"""``vsphere-clone run``: a script in every node of a group that is there already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from .board import Board, boarded
from .connection import Connection, connected, connection_options
from .login import (
    BOOT_TIMEOUT,
    LOGIN_OPTIONS,
    SCRIPT_OPTIONS,
    SSH_PASSWORD,
    Login,
    build_login,
    read_script,
    with_options,
)
from .output import json_option
from .progress import interruptible
from .results import exit_status_of, show_results

if TYPE_CHECKING:
    from ..compute import VsphereCloneNodeDriver
    from ..scripts import ScriptResult


@click.command()
@click.option("--group", required=True, help="The nodes' group.")
@with_options(*SCRIPT_OPTIONS, *LOGIN_OPTIONS, BOOT_TIMEOUT)
@connection_options
@json_option
def run(
    connection: Connection,
    group: str,
    script: IO[bytes] | None,
    command: str | None,
    boot_timeout: float,
    as_json: bool,
    **login_words: Any,
) -> None:
    """Run a script in all nodes of a group at once.

    Each line of its output begins with its node's name. The exit status is the highest of all; it is 1 where the
    script could not run.
    """
    text, login = read_script(script, command), build_login(**login_words)
    if text is None:
        raise click.UsageError("give --script or --command")
    if not login.is_given:
        raise click.UsageError(f"give --ssh-key or --ssh-password-file (or {SSH_PASSWORD})")
    with connected(connection) as driver, boarded() as board:
        found = _run(driver, group, text, login, boot_timeout, board)
    results = _to_results(found)
    show_results(group, results, as_json=as_json, of_script=True)
    raise click.exceptions.Exit(exit_status_of(results))


def _run(
    driver: VsphereCloneNodeDriver, group: str, text: str, login: Login, boot_timeout_s: float, board: Board
) -> Sequence[ScriptResult]:
    from .script import to_script

    board.tell(f"running the script on the nodes of group {group}")
    words = {
        **login.deploy_words(),
        "timeout": boot_timeout_s,
        "ex_on_stage": lambda node, what: board.node(node.name, what),
    }
    with interruptible(board, first="") as interrupts:
        try:
            return driver.ex_run_script_on_group(group, to_script(text), **words)
        except KeyboardInterrupt as interrupt:
            board.say(f"interrupted; where the script has begun in a node of group {group}, it may go on")
            raise click.exceptions.Exit(interrupts.exit_status) from interrupt


def _to_results(found: Sequence[ScriptResult]) -> list[Any]:
    from .nodes import node_facts
    from .output import describe_error
    from .results import NodeResult

    return [
        NodeResult(
            result.node.name,
            node_facts(result.node),
            None
            if result.error
            else {"exit_status": result.exit_status, "stdout": result.stdout, "stderr": result.stderr},
            describe_error(result.error) if result.error else None,
        )
        for result in sorted(found, key=lambda one: str(one.node.name))
    ]
