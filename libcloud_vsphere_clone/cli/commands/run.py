"""``vsphere-clone run``: a command or a script in a node, or in every node of a group."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

import click

from ..board import Board, boarded
from ..connection import DriverConnection, connected, connection_options
from ..error_messages import describe_error
from ..lines import NodeLines
from ..login import BOOT_TIMEOUT, LOGIN_OPTIONS, SCRIPT_OPTIONS, GuestLogin, build_login, read_script, with_options
from ..nodes import node_facts
from ..output import json_option
from ..progress import interruptible
from ..results import NodeResult, exit_status_of, show_results
from ..run_in_one import run_in_one
from ..session import TRANSPORT

WORDS = "libcloud_vsphere_clone.words"

if TYPE_CHECKING:
    from ...deploy.many_nodes import ScriptResult
    from ...driver.compute import VsphereCloneNodeDriver


class CommandWithWords(click.Command):
    """A command whose words after ``--`` are not its own: Click would mix them with its arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            end = args.index("--")
            args, ctx.meta[WORDS] = args[:end], args[end + 1 :]
        return super().parse_args(ctx, args)


@click.command(cls=CommandWithWords, options_metavar="[OPTIONS] [NODE] [-- COMMAND...]")
@click.argument("node", required=False, metavar="")
@click.option("--group", help="Run it in all nodes of this group; or the group that NODE is in.")
@with_options(*SCRIPT_OPTIONS, TRANSPORT, *LOGIN_OPTIONS, BOOT_TIMEOUT)
@connection_options
@json_option
def run(
    connection: DriverConnection,
    node: str | None,
    group: str | None,
    script: IO[bytes] | None,
    command: str | None,
    transport: str | None,
    boot_timeout: float,
    as_json: bool,
    ssh_username: str,
    ssh_key: str | None,
    ssh_key_password_file: str | None,
    ssh_password_file: str | None,
) -> None:
    """Run a command or script in a node, or in a whole group.

    Output is passed on as it comes. In one node the exit status is its own. In a group each line of output begins
    with its node's name, and the exit status is the highest of all; it is 1 where the script could not run.
    """
    text = _what_to_run(read_script(script, command))
    login = build_login(
        ssh_username=ssh_username,
        ssh_key=ssh_key,
        ssh_key_password_file=ssh_key_password_file,
        ssh_password_file=ssh_password_file,
    )
    if node is not None:
        raise click.exceptions.Exit(
            run_in_one(connection, node, group, transport, login, boot_timeout, text, as_json=as_json)
        )
    if group is None:
        raise click.UsageError("give a NODE, or --group")
    login.check()
    with connected(connection) as driver, boarded() as board:
        lines = None if as_json else NodeLines(before=board.hide)
        found = _run(driver, group, text, login, boot_timeout, transport, board, lines)
    results = _to_results(found)
    show_results(group, results, as_json=as_json, of_script=True, is_printed=True)
    raise click.exceptions.Exit(exit_status_of(results))


def _what_to_run(script: str | None) -> str:
    """The script, or the command after ``--``.

    :raises click.UsageError: there is neither, or both.
    """
    words = click.get_current_context().meta.get(WORDS, [])
    if (script is None) == (not words):
        raise click.UsageError("give --script or --command, or a command after --")
    # One word is a line for the shell, as with ssh; several are a command with its own words.
    return script if script is not None else words[0] if len(words) == 1 else shlex.join(words)


def _run(
    driver: VsphereCloneNodeDriver,
    group: str,
    text: str,
    login: GuestLogin,
    boot_timeout_s: float,
    transport: str | None,
    board: Board,
    lines: NodeLines | None,
) -> Sequence[ScriptResult]:
    from ...plan.guest.user_data import to_script

    board.tell(f"running the script on the nodes of group {group}")
    words = {
        **login.deploy_words(),
        "timeout": boot_timeout_s,
        "ex_transport": transport,
        "ex_on_stage": lambda node, what: board.node(node.name, what),
        "ex_on_output": lines and (lambda node, piece, is_error: lines.add(node.name, piece, is_error)),
    }
    with interruptible(board, first="") as interrupts:
        try:
            return driver.ex_run_script_on_group(group, to_script(text), **words)
        except KeyboardInterrupt as interrupt:
            board.say(f"interrupted; where the script has begun in a node of group {group}, it may go on")
            raise click.exceptions.Exit(interrupts.exit_status) from interrupt
        finally:
            if lines:
                lines.end()


def _to_results(found: Sequence[ScriptResult]) -> list[NodeResult]:
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
