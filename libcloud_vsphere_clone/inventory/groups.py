"""Groups found and made: the folders that nodes are in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from ..errors import CONNECTION_ERRORS, InvalidRequestError, NotFoundError, translated
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from .layout import FolderNames, Layout
from .nodes import Found, fetch_nodes
from .paths import check_name, escape_name, unescape_name
from .tree import Tree


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


def find_group_folder(tree: Tree, layout: Layout, name: str) -> Ref | None:
    """The folder of a group; None while it does not exist.

    :raises InvalidRequestError: the name is the images folder's, or vCenter would not take it.
    """
    check_name(name, "group")
    if layout.nodes_folder is None:
        return None
    for row in tree.children(layout.nodes_folder, "Folder"):
        if unescape_name(row.get("name", "")) == name:
            if row.ref == layout.images_folder:
                raise InvalidRequestError(f"group {name!r} is the images folder; choose another ex_group=")
            return row.ref
    return None


def ensure_group_folder(session: Session, tree: Tree, layout: Layout, names: FolderNames, name: str) -> Ref:
    """The folder of a group, made if needed; another caller may win the race to make it.

    :raises NotFoundError: the nodes folder does not exist.
    Source: Folder.CreateFolder (vSphere Web Services API).
    """
    folder = find_group_folder(tree, layout, name)
    if folder is not None:
        return folder
    if layout.nodes_folder is None:
        raise NotFoundError("nodes folder", names.nodes or "", "create it in vCenter, or leave out ex_nodes_folder=")
    with translated(f"create the folder of group {name!r}"):
        made = _make_folder(session.managed(*layout.nodes_folder), escape_name(name))
    if not isinstance(made, vim.Folder):
        raise InvalidRequestError(f"{name!r} in the nodes folder is no folder; choose another ex_group=")
    return Ref("Folder", made._moId)


def _make_folder(parent: Any, stored_name: str) -> Any:
    """What has this name in the parent folder. A lost reply is asked for again: the name is taken at most once."""
    for may_repeat in (True, False):
        try:
            return parent.CreateFolder(stored_name)
        except vim.fault.DuplicateName as taken:
            return taken.object
        except CONNECTION_ERRORS:
            if not may_repeat:
                raise
    return None


def _group_folders(tree: Tree, layout: Layout) -> list[Row]:
    if layout.nodes_folder is None:
        return []
    return [row for row in tree.children(layout.nodes_folder, "Folder") if row.ref != layout.images_folder]


def _group(row: Row, found: Found, node_count: int) -> Group:
    name = unescape_name(row["name"])
    return Group(row.ref, name, found.tree.path(row, found.layout.vm_folder), node_count)
