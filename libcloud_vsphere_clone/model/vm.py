"""What a VM is by its row: a node or not, Windows or not, this driver's to change or not. (pure)"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidRequestError
from ..option_names import option
from ..vcenter.rows import Row
from . import marks
from .layout import Layout
from .tree import Tree

UUID_PATHS = ("config.instanceUuid", "summary.config.instanceUuid")
"""Where a VM has its id; the second may answer where there is no ``config``."""


def vm_id(row: Row) -> str:
    """The id that Libcloud's users know a VM by: its instanceUuid; its managed object id while it has none."""
    return next((str(row[path]) for path in UUID_PATHS if row.get(path)), row.ref.moid)


def has_config(row: Row) -> bool:
    """Whether vCenter has a configuration of the VM: not of one orphaned, inaccessible, or still being cloned."""
    return "config.instanceUuid" in row or "config.instanceUuid" in row.unreadable


def is_windows(row: Row) -> bool:
    """Whether vCenter takes the VM's guest for Windows.

    :param row: with ``config.guestId``.
    """
    return str(row.get("config.guestId") or "").lower().startswith("win")


NODE_PATHS = (
    "name",
    "parent",
    "parentVApp",
    "datastore",
    "config.template",
    "config.instanceUuid",
    "config.managedBy.extensionKey",
    "config.ftInfo.role",
    "config.createDate",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    *marks.NODE_MARKS,
    'config.extraConfig["HDCS.agent"].value',
    "runtime.powerState",
    "runtime.connectionState",
    "runtime.host",
    "guest.net",
    "guest.toolsRunningStatus",
)
"""What a Node needs. Leaf paths only: a whole ``config`` is 3 kB and more of each VM."""


PRIMARY = 1
"""FaultToleranceConfigInfo.role of the VM that counts; its secondaries have higher ones."""


SESSION_PATHS = (
    "config.guestId",
    "network",
    *map(marks.mark_path, (marks.LOGIN, marks.TRANSPORT, marks.ADDRESSES, marks.HOST_KEY, marks.PUBLISHED_HOST_KEYS)),
)
"""What is read of a node to open a guest session: it decides how."""


@dataclass(frozen=True)
class Found:
    """Rows of nodes or images, and the tree and layout to read them by."""

    rows: list[Row]
    tree: Tree
    layout: Layout


def is_node(row: Row, tree: Tree, layout: Layout) -> bool:
    """Whether a VM is a node."""
    return why_no_node(row, tree, layout) is None


def why_no_node(row: Row, tree: Tree, layout: Layout) -> str | None:
    """What keeps a VM from being a node; None when it is one."""
    if tree.is_below(row, layout.images_folder):
        return "it is in the images folder"
    if row.get("config.template", row.get("summary.config.template")) is True:
        return "it is a template"
    if is_system_vm(row):
        return "it is a system VM, managed by another product"
    if int(row.get("config.ftInfo.role") or PRIMARY) > PRIMARY:
        return "it is the shadow of a fault-tolerant VM"
    if not tree.is_below(row, layout.nodes_folder):
        return "it is not below the nodes folder"
    return None


def is_system_vm(row: Row) -> bool:
    """Whether another product owns the VM: vCLS agents, SRM placeholders, appliances with ``managedBy``."""
    return bool(row.get("config.managedBy.extensionKey") or row.get('config.extraConfig["HDCS.agent"].value'))


def check_writable(row: Row, tree: Tree, *, allow_unmanaged: bool, action: str) -> None:
    """Refuse to write to a VM that this driver did not make.

    :raises InvalidRequestError: the VM has no config, is not managed, or its marks are unreadable.
    """
    what = f"cannot {action} VM {tree.path(row)!r}"
    if not has_config(row):
        state = row.get("runtime.connectionState", "unknown")
        raise InvalidRequestError(f"{what}: vCenter has no configuration of it (it is {state}); repair it in vCenter")
    if allow_unmanaged or marks.is_managed(row):
        return
    known = marks.is_managed(row) is not None
    reason = "this driver did not create it" if known else "this user may not read the marks that say who made it"
    allowing = option("allow_unmanaged=True")
    raise InvalidRequestError(f"{what}: {reason}; give {allowing} when connecting to allow it")
