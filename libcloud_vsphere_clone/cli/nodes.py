"""``vsphere-clone nodes`` and ``destroy``."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from .connection import Connection, connected, connection_options
from .output import describe_error, json_option, print_json, print_table
from .progress import narrated
from .seeing import hardware

if TYPE_CHECKING:
    from libcloud.compute.base import Node

    from ..compute import VsphereCloneNodeDriver

COLUMNS = ("node", "group", "state", "addresses", "hardware", "managed", "id")


@click.command()
@click.option("--group", help="Only the nodes of this group.")
@connection_options
@json_option
def nodes(connection: Connection, group: str | None, as_json: bool) -> None:
    """List the nodes."""
    with connected(connection) as driver:
        found = [node_facts(node) for node in driver.list_nodes(ex_group=group)]
    found.sort(key=lambda node: (node["group"] or "", node["name"]))
    if as_json:
        print_json(found)
    else:
        print_nodes(found)


@click.command()
@click.argument("nodes", metavar="NODE...", nargs=-1, required=True)
@click.option("--group", help="The group that the names are of.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connection_options
@json_option
def destroy(connection: Connection, nodes: Sequence[str], group: str | None, yes: bool, as_json: bool) -> None:
    """Destroy nodes, given by names or ids, with their disks.

    Nothing is destroyed unless every name leads to exactly one node. Disks attached later are detached and kept.
    """
    if not yes and not _is_terminal():
        raise click.UsageError("nobody can be asked here: add --yes")
    with connected(connection) as driver:
        found = {node.id: node for node in (find_node(driver, wanted, group) for wanted in nodes)}
        if not yes and not _confirmed(list(found.values())):
            click.echo("nothing was destroyed", err=True)
            raise click.exceptions.Exit(1)
        outcomes = [_destroy(driver, node) for node in found.values()]
    if as_json:
        print_json(outcomes)
    for outcome in outcomes:
        if outcome["error"]:
            click.echo(f"error: {outcome['error']}", err=True)
        elif not as_json:
            click.echo(f"destroyed {outcome['name']} ({outcome['id']})")
    if any(outcome["error"] for outcome in outcomes):
        raise click.exceptions.Exit(1)


def find_node(driver: VsphereCloneNodeDriver, wanted: str, group: str | None = None) -> Node:
    """The one node with this id or name.

    :raises VsphereError: there is none, or several have the name.
    """
    if not is_id(wanted):
        return driver.ex_get_node(name=wanted, ex_group=group)
    return driver.ex_get_node(wanted.lower())


def node_facts(node: Node) -> dict[str, Any]:
    """A node as JSON has it."""
    return {
        "id": node.id,
        "name": node.name,
        "state": str(node.state),
        "public_ips": node.public_ips,
        "private_ips": node.private_ips,
        "created_at": node.created_at.isoformat() if node.created_at else None,
        **node.extra,
    }


def print_nodes(found: Sequence[dict[str, Any]]) -> None:
    """Nodes, as ``node_facts`` gives them, as a table."""
    rows = (
        (
            node["name"],
            node["group"],
            node["state"],
            [*node["public_ips"], *node["private_ips"]],
            hardware(node),
            node["managed"],
            node["id"],
        )
        for node in found
    )
    print_table(COLUMNS, rows, empty="no node")


def is_id(text: str) -> bool:
    """Whether it is an id of a node or an image, and not a name."""
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _confirmed(found: Sequence[Node]) -> bool:
    names = ", ".join(f"{node.name} (group {node.extra.get('group') or '-'}, {node.state})" for node in found)
    return click.confirm(f"Destroy {names}?", err=True)


def _destroy(driver: VsphereCloneNodeDriver, node: Node) -> dict[str, Any]:
    """What became of the node: ``error`` is None when it is gone."""
    from ..errors import VsphereError

    error = None
    with narrated() as narrator:
        narrator.tell(f"destroying {node.name}")
        try:
            driver.destroy_node(node)
        except VsphereError as failure:
            error = describe_error(failure)
    return {"id": node.id, "name": node.name, "group": node.extra.get("group"), "error": error}
