"""Groups found: the folders that nodes are in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..errors import NotFoundError
from ..model.layout import FolderNames, Layout, find_group_folder, find_layout
from ..model.names import unescape_name
from ..model.tree import Tree
from ..model.vm import NODE_PATHS, Found, is_node
from ..option_names import option
from ..vcenter.properties import fetch_rows
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from .locations import fetch_tree
from .nodes import fetch_nodes


@dataclass(frozen=True)
class Group:
    """A folder of nodes.

    :param node_count: the nodes directly in it.
    """

    ref: Ref
    name: str
    path: str
    node_count: int


def fetch_groups(session: Session, names: FolderNames) -> list[Group]:
    """The folders in the nodes folder, the images folder aside, with their nodes counted. One round trip."""
    found = fetch_nodes(session, names)
    counts = Counter(found.tree.parent(row) for row in found.rows)
    return [_group(row, found, counts[row.ref]) for row in _group_folders(found.tree, found.layout)]


def fetch_group(session: Session, names: FolderNames, name: str, extra: tuple[str, ...] = ()) -> tuple[Ref, Found]:
    """The folder of a group and the nodes directly in it, read with ``NODE_PATHS`` and ``extra``. Two round trips.

    :raises NotFoundError: there is no such group.
    """
    tree = fetch_tree(session)
    layout = find_layout(tree, names)
    folder = find_group_folder(tree, layout, name)
    if folder is None:
        raise NotFoundError("group", name, f"{option('list_groups()')} shows what there is")
    rows = fetch_rows(session, {"VirtualMachine": (*NODE_PATHS, *extra), "Folder": ("name",)}, below=folder)
    inside = [row for row in rows.values() if row.ref.kind == "VirtualMachine" and tree.parent(row) == folder]
    return folder, Found([row for row in inside if is_node(row, tree, layout)], tree, layout)


def _group_folders(tree: Tree, layout: Layout) -> list[Row]:
    if layout.nodes_folder is None:
        return []
    return [row for row in tree.children(layout.nodes_folder, "Folder") if row.ref != layout.images_folder]


def _group(row: Row, found: Found, node_count: int) -> Group:
    name = unescape_name(row["name"])
    return Group(row.ref, name, found.tree.path(row, found.layout.vm_folder), node_count)
