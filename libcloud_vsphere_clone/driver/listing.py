"""Nodes listed: kept current between calls, filtered, streamed while they arrive, or watched as they change.

Takes the session and the caller's wishes, gives Nodes. Writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from libcloud.compute.base import Node

from .. import inventory, vcenter
from ..errors import InvalidRequestError
from ..model.layout import FolderNames, group_name
from ..model.marks import read_metadata
from ..model.names import unescape_name
from ..model.vm import Found
from ..vcenter.rows import Ref, Row

ToNode = Callable[[Row, Found], Node]
Wanted = Callable[[Row, Found], bool]
NodeFilter = str | Mapping[str, Any]
"""A pattern for names, such as ``web-*``, or metadata that a node must have."""


def build_filter(group: str | None, wanted: NodeFilter | None) -> Wanted:
    """Whether a node is in the group, and fits the pattern or the metadata.

    :raises InvalidRequestError: ``wanted`` is neither, or ``group`` no name.
    """
    if group is not None and not isinstance(group, str):
        raise InvalidRequestError(f"ex_group must be the name of a group, got {group!r}")
    if wanted is not None and not isinstance(wanted, str | Mapping):
        raise InvalidRequestError(f"ex_filter must be a name pattern or a mapping of metadata, got {wanted!r}")

    def fits(row: Row, found: Found) -> bool:
        if group is not None and group_name(found.tree, found.layout, row) != group:
            return False
        if isinstance(wanted, str):
            return fnmatchcase(unescape_name(row.get("name", "")), wanted)
        return wanted is None or wanted.items() <= read_metadata(row).items()

    return fits


class NodeListing:
    """The nodes of one vCenter as one driver sees them."""

    def __init__(self, session: vcenter.session.Session, names: FolderNames) -> None:
        self._session = session
        self._names = names
        self._mirror = vcenter.mirror.Mirror(session, inventory.nodes.LISTING_PATHS)

    def read(self, to_node: ToNode, wanted: Wanted, *, cached: bool, full: bool) -> list[Node]:
        """All nodes that are wanted, from the mirror unless they are to be read afresh, or in full."""
        if cached and not full:
            rows = self._mirror.read()
        else:
            paths = inventory.nodes.FULL_LISTING_PATHS if full else inventory.nodes.LISTING_PATHS
            rows = vcenter.properties.fetch_rows(self._session, paths)
        found = inventory.nodes.select_nodes(self._session, self._names, rows)
        return [to_node(row, found) for row in found.rows if wanted(row, found)]

    def find_by_name(self, name: str, group: str | None) -> tuple[Row, Found]:
        """The one node of this name, in this group if given: from the mirror while it is kept current.

        :raises NotFoundError: there is none.
        :raises AmbiguousNameError: there are several, in different groups.
        """
        rows = self._mirror.read() if self._mirror.is_subscribed else None
        return inventory.nodes.find_node_by_name(self._session, self._names, name, group, rows=rows)

    def iterate(self, to_node: ToNode, wanted: Wanted) -> Generator[Node, None, None]:
        """The same, each node as soon as it has arrived; nothing is kept."""
        for row, found in inventory.nodes.iterate_nodes(self._session, self._names):
            if wanted(row, found):
                yield to_node(row, found)

    def watch(
        self, to_node: ToNode, wanted: Wanted, *, timeout_s: float, present: bool
    ) -> Generator[tuple[str, Node], None, None]:
        """``added``, ``changed`` or ``removed``, and the node, as it happens; of a removed one what was last known.

        :param timeout_s: seconds after which it just ends.
        :param present: begin with the nodes that are there, as ``added``.
        """
        deadline = time.monotonic() + timeout_s
        mirror = vcenter.mirror.Mirror(self._session, inventory.nodes.LISTING_PATHS)
        seen = _Seen(self._session, self._names, to_node, wanted)
        try:
            first = seen.advance(mirror.wait(0))
            yield from first if present else ()
            while (left_s := deadline - time.monotonic()) > 0:
                yield from seen.advance(mirror.wait(left_s))
        finally:
            mirror.close()


class _Seen:
    """The nodes that a watch has told of."""

    def __init__(self, session: vcenter.session.Session, names: FolderNames, to_node: ToNode, wanted: Wanted) -> None:
        self._session, self._names = session, names
        self._to_node, self._wanted = to_node, wanted
        self._rows: dict[Ref, Row] = {}
        self._nodes: dict[Ref, Node] = {}

    def advance(self, rows: dict[Ref, Row]) -> list[tuple[str, Node]]:
        """What is different for a user now."""
        before, self._rows = self._rows, rows
        changed = _differing(before, rows)
        if any(ref.kind != "VirtualMachine" for ref in changed):
            changed = list(dict.fromkeys((*before, *rows)))  # a folder's name is in many
        if rows and not changed:
            return []
        # A user that sees nothing is told so.
        found = inventory.nodes.select_nodes(self._session, self._names, rows, among=changed)
        fresh = {r.ref: self._to_node(r, found) for r in found.rows if self._wanted(r, found)}
        return [event for ref in changed if (event := self._compare(ref, fresh.get(ref))) is not None]

    def _compare(self, ref: Ref, node: Node | None) -> tuple[str, Node] | None:
        before = self._nodes.pop(ref, None)
        if node is None:
            return ("removed", before) if before is not None else None
        self._nodes[ref] = node
        if before is None:
            return "added", node
        return ("changed", node) if _face(before) != _face(node) else None


def _differing(before: Mapping[Ref, Row], after: Mapping[Ref, Row]) -> list[Ref]:
    """Objects that went, came, or have other rows; a row that is the same object is not looked at."""
    gone = [ref for ref in before if ref not in after]
    return gone + [ref for ref, row in after.items() if not _same(before.get(ref), row)]


def _same(before: Row | None, after: Row) -> bool:
    return before is after or (before is not None and before == after and before.unreadable == after.unreadable)


def _face(node: Node) -> tuple[Any, ...]:
    """All that a Node tells."""
    return (
        *(node.id, node.name, node.state, node.public_ips, node.private_ips),
        *(node.size and node.size.id, node.created_at, node.extra),
    )
