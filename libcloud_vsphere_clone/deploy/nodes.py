"""What deployments ask of the driver: nodes read afresh, as rows that rooms below understand, and nodes destroyed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from libcloud.compute.base import Node

if TYPE_CHECKING:
    from ..vcenter.rows import Ref, Row

__all__ = ["NodeDestroyer", "NodeReader", "NodeRows", "remains"]


@dataclass(frozen=True)
class NodeRows:
    """Nodes as they were read just now.

    :param nodes: as the caller has them.
    :param rows: of those that are there, with ``NODE_PATHS`` and ``REACH_PATHS``; perhaps of others, too.
    :param to_node: makes the fresh node of a row.
    """

    nodes: Mapping[Ref, Node]
    rows: Sequence[Row]
    to_node: Callable[[Row], Node]


class NodeReader(Protocol):
    """Reads nodes, in one round trip."""

    def __call__(self, nodes: Sequence[Node]) -> NodeRows: ...


class NodeDestroyer(Protocol):
    """A driver, as far as a deployment calls it."""

    def destroy_node(self, node: Node) -> bool:
        """Destroy the node."""


def remains(node: Node) -> str:
    """What to say of a node that should be gone."""
    return f"node {node.name!r} ({node.id}) remains"
