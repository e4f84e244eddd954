"""Group folders made and removed."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from ..errors import CONNECTION_ERRORS, InvalidRequestError, NotFoundError, translated
from ..model.layout import FolderNames, Layout, find_group_folder
from ..model.names import escape_name
from ..model.tree import Tree
from ..option_names import option
from ..vcenter.properties import fetch_row
from ..vcenter.rows import Ref
from ..vcenter.session import Session
from ..vcenter.tasks import fetch_running_kinds, wait_task

MAY_FILL = ("clone", "createvm", "registervm", "moveinto", "importvapp", "deploy")
"""What is in TaskInfo.descriptionId, in small letters, of tasks that put VMs into folders."""


def ensure_group_folder(session: Session, tree: Tree, layout: Layout, names: FolderNames, name: str) -> Ref:
    """The folder of a group, made if needed; another caller may win the race to make it.

    :raises NotFoundError: the nodes folder does not exist.
    Source: Folder.CreateFolder (vSphere Web Services API).
    """
    folder = find_group_folder(tree, layout, name)
    if folder is not None:
        return folder
    if layout.nodes_folder is None:
        hint = f"create it in vCenter, or leave out {option('nodes_folder=')}"
        raise NotFoundError("nodes folder", names.nodes or "", hint)
    with translated(f"create the folder of group {name!r}"):
        made = _make_folder(session.managed(*layout.nodes_folder), escape_name(name))
    if not isinstance(made, vim.Folder):
        raise InvalidRequestError(f"{name!r} in the nodes folder is no folder; choose another {option('group=')}")
    return Ref("Folder", made._moId)


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
