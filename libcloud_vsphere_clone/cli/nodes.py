"""Nodes as commands find and show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .output import print_table

if TYPE_CHECKING:
    from libcloud.compute.base import Node

    from ..driver.compute import VsphereCloneNodeDriver

COLUMNS = ("node", "group", "state", "addresses", "hardware", "managed", "id")
MIB_PER_GIB = 1024


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


def hardware(machine: dict[str, Any]) -> str:
    """``2 CPU, 4 GiB``, and the disks where they are known."""
    if not machine.get("cpus"):
        return ""
    disks = [f"{disk:g} GiB disk" for disk in machine.get("disks_gib") or []]
    return ", ".join([f"{machine['cpus']} CPU", f"{machine['memory_mib'] / MIB_PER_GIB:g} GiB", *disks])


def is_id(text: str) -> bool:
    """Whether it is an id of a node or an image, and not a name."""
    import uuid  # a listing has no use for it

    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
