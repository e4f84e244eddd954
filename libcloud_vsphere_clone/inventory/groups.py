"""Groups found and made: the folders that nodes are in."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from ..errors import CONNECTION_ERRORS, InvalidRequestError, NotFoundError, translated
from ..model.layout import FolderNames, Layout, find_layout
from ..model.names import check_name, escape_name, unescape_name
from ..model.tree import Tree
from ..vcenter.properties import fetch_row, fetch_rows
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from ..vcenter.tasks import fetch_running_kinds, wait_task
from .locations import fetch_tree
from .nodes import NODE_PATHS, Found, fetch_nodes, is_node

LEAST_DIGITS = 5
NAMES_PER_NODE = 4096
"""Names there are at least for each node that is drawn one: of a hundred that join ten thousand, one may have to draw
again. To read which are taken would cost a call each time, and nobody could keep them free until the clone is sent."""


MAY_FILL = ("clone", "createvm", "registervm", "moveinto", "importvapp", "deploy")
"""What is in TaskInfo.descriptionId, in small letters, of tasks that put VMs into folders."""


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


def fetch_group(session: Session, names: FolderNames, name: str, extra: tuple[str, ...] = ()) -> tuple[Ref, Found]:
    """The folder of a group and the nodes directly in it, read with ``NODE_PATHS`` and ``extra``. Two round trips.

    :raises NotFoundError: there is no such group.
    """
    tree = fetch_tree(session)
    layout = find_layout(tree, names)
    folder = find_group_folder(tree, layout, name)
    if folder is None:
        raise NotFoundError("group", name, "ex_list_groups() shows what there is")
    rows = fetch_rows(session, {"VirtualMachine": (*NODE_PATHS, *extra), "Folder": ("name",)}, below=folder)
    inside = [row for row in rows.values() if row.ref.kind == "VirtualMachine" and tree.parent(row) == folder]
    return folder, Found([row for row in inside if is_node(row, tree, layout)], tree, layout)


def draw_names(group: str, count: int) -> list[str]:
    """Different names ``<group>-<hex>``, which hardly anybody has: five digits, more where they are many."""
    digits = max(LEAST_DIGITS, len(f"{count * NAMES_PER_NODE:x}"))
    drawn: set[str] = set()
    while len(drawn) < count:
        drawn.add(f"{group}-{secrets.token_hex(digits)[:digits]}")
    return sorted(drawn)


def remove_group_folder(session: Session, folder: Ref, name: str, *, timeout_s: float) -> None:
    """Remove a group's folder once it is seen to be empty and no clone or the like is on its way anywhere.

    ``Destroy_Task`` deletes every VM in a folder, also those that this user cannot see: so it is asked for by name
    only, and never where anything is left.

    :raises InvalidRequestError: something is in it, or may come into it; nothing was removed.
    Source: Folder.Destroy_Task, TaskManager.recentTask (vSphere Web Services API).
    """
    coming = _find_task_that_may_fill(session)
    if coming:
        raise InvalidRequestError(
            f"the folder of group {name!r} is kept: a task {coming} is under way, perhaps into it; try again later"
        )
    row = fetch_row(session, folder, ("childEntity",))
    if row is None:
        return
    if row.get("childEntity") or "childEntity" in row.unreadable:
        raise InvalidRequestError(f"the folder of group {name!r} is kept: it is not empty")
    action = f"remove the folder of group {name!r}"
    with translated(action):
        task = session.managed(*folder).Destroy_Task()
    wait_task(session, task, action, timeout_s=timeout_s)


def _find_task_that_may_fill(session: Session) -> str | None:
    """The kind of a task under way that puts a VM somewhere, if there is one: where to, vCenter does not say."""
    manager = Ref("TaskManager", session.content.taskManager._moId)
    kinds = fetch_running_kinds(session, manager).values()
    return next((kind for kind in kinds if any(word in kind.lower() for word in MAY_FILL)), None)


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
