"""``vsphere-clone destroy``: nodes by name or id, or all of a group."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..connection import DriverConnection, connected, connection_options
from ..error_messages import describe_error
from ..nodes import find_node
from ..output import json_option, print_json
from ..progress import narrated

if TYPE_CHECKING:
    from libcloud.compute.base import Node

    from ...driver.compute import VsphereCloneNodeDriver

NAMED = 8
"""Names in a question; of more nodes their number says enough."""


@click.command()
@click.argument("nodes", metavar="[NODE]...", nargs=-1)
@click.option("--group", help="The group that the names are of, or whose nodes go with --all.")
@click.option("--all", "whole_group", is_flag=True, help="All nodes of the group that this driver made.")
@click.option("--remove-folder", is_flag=True, help="With --all: the group's folder too, if it is empty then.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connection_options
@json_option
def destroy(
    connection: DriverConnection,
    nodes: Sequence[str],
    group: str | None,
    whole_group: bool,
    remove_folder: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Destroy nodes with their disks, or all nodes of a group.

    NODE is a name or an id. Nothing is destroyed unless every name leads to exactly one node. Disks attached later are
    detached and kept. What others made in a group's folder stays, and then so does the folder.
    """
    _check_usage(nodes, group, whole_group, remove_folder)
    if not yes and not _is_terminal():
        raise click.UsageError("nobody can be asked here: add --yes")
    with connected(connection) as driver:
        if whole_group:
            outcomes, error = _destroy_group(driver, str(group), remove_folder, ask=not yes)
        else:
            outcomes, error = _destroy_some(driver, nodes, group, ask=not yes), None
    _show(outcomes, error, as_json)
    if error or any(outcome["error"] for outcome in outcomes):
        raise click.exceptions.Exit(1)


def _check_usage(nodes: Sequence[str], group: str | None, whole_group: bool, remove_folder: bool) -> None:
    if whole_group and not group:
        raise click.UsageError("--all is for the nodes of a --group")
    if bool(nodes) is whole_group:
        raise click.UsageError("give the nodes, or --group and --all")
    if remove_folder and not whole_group:
        raise click.UsageError("--remove-folder is for --all")


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _confirm(question: str) -> None:
    """:raises click.exceptions.Exit: the answer was no."""
    if not click.confirm(question, err=True):
        click.echo("nothing was destroyed", err=True)
        raise click.exceptions.Exit(1)


def _destroy_some(
    driver: VsphereCloneNodeDriver, wanted: Sequence[str], group: str | None, *, ask: bool
) -> list[dict[str, Any]]:
    found = {node.id: node for node in (find_node(driver, name, group) for name in wanted)}
    if ask:
        names = (f"{node.name} (group {node.extra.get('group') or '-'}, {node.state})" for node in found.values())
        _confirm(f"Destroy {', '.join(names)}?")
    return [_destroy(driver, node) for node in found.values()]


def _destroy(driver: VsphereCloneNodeDriver, node: Node) -> dict[str, Any]:
    """What became of the node: ``error`` is None when it is gone."""
    from ...errors import VsphereError

    failure = None
    with narrated() as narrator:
        narrator.tell(f"destroying {node.name}")
        try:
            driver.destroy_node(node)
        except VsphereError as raised:
            failure = raised
    return _outcome(node, failure)


def _destroy_group(
    driver: VsphereCloneNodeDriver, group: str, remove_folder: bool, *, ask: bool
) -> tuple[list[dict[str, Any]], str | None]:
    """What became of each node, and why the folder stays that should not."""
    from ...errors import GroupError, VsphereError

    listed = driver.list_nodes(ex_group=group)
    ours = [node for node in listed if node.extra["managed"]]
    if ask and (ours or remove_folder):
        _confirm(_question(group, ours, len(listed) - len(ours), remove_folder))
    failures: dict[str, Exception] = {}
    error = None
    with narrated() as narrator:
        narrator.tell(f"destroying {len(ours)} nodes of group {group}")
        try:
            driver.ex_destroy_group(group, ex_remove_folder=remove_folder)
        except GroupError as partial:
            failures = partial.errors
        except VsphereError as failure:
            if not ours and not remove_folder:
                raise
            error = describe_error(failure)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"nodes may remain, or be on their way out: see vsphere-clone nodes --group {group}")
            raise
    if error and not _is_gone(driver, group):
        raise click.ClickException(error)
    return [_outcome(node, failures.get(node.name)) for node in ours], error


def _is_gone(driver: VsphereCloneNodeDriver, group: str) -> bool:
    """Whether no node of the group is left that this driver made."""
    return not any(node.extra["managed"] for node in driver.list_nodes(ex_group=group))


def _question(group: str, nodes: Sequence[Node], others: int, remove_folder: bool) -> str:
    names = ", ".join(node.name for node in nodes[:NAMED])
    more = f" and {len(nodes) - NAMED} more" if len(nodes) > NAMED else ""
    what = f"{len(nodes)} nodes of group {group}" + (f" ({names}{more})" if nodes else "")
    stays = f"; {others} that others made stay" if others else ""
    return f"Destroy {what}{' and its folder' if remove_folder else ''}{stays}?"


def _outcome(node: Node, failure: Exception | None) -> dict[str, Any]:
    error = describe_error(failure) if failure is not None else None
    return {"id": node.id, "name": node.name, "group": node.extra.get("group"), "error": error}


def _show(outcomes: Sequence[dict[str, Any]], error: str | None, as_json: bool) -> None:
    if as_json:
        print_json(outcomes)
    for outcome in outcomes:
        if outcome["error"]:
            click.echo(f"error: {outcome['error']}", err=True)
        elif not as_json:
            click.echo(f"destroyed {outcome['name']} ({outcome['id']})")
    if error:
        click.echo(f"error: {error}", err=True)
