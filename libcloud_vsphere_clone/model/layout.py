"""Which folders hold images and nodes: the caller's folder names and the tree in, their references out. (pure)"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import AmbiguousNameError, InvalidRequestError, NotFoundError
from ..option_names import option
from ..vcenter.rows import Ref, Row
from .names import check_name, unescape_name
from .tree import Tree


@dataclass(frozen=True)
class FolderNames:
    """What the caller said about where things are.

    :param datacenter: its name or path; one with a slash before it is a path. None when there is only one, or only one
        with the images folder.
    :param images: the images folder, a path below the datacenter's VM folder.
    :param nodes: the folder that holds the group folders, likewise; None means where the images folder is.
    :raises InvalidRequestError: everything, or every node, would be an image.
    """

    datacenter: str | None = None
    images: str = "jclouds-images"
    nodes: str | None = None

    def __post_init__(self) -> None:
        images, nodes = _tidy(self.images), _tidy(self.nodes or "")
        if not images:
            raise InvalidRequestError(
                f"{option('images_folder=')} must name a folder: all in it is protected as images"
            )
        if f"{nodes}/".startswith(f"{images}/"):
            said = option(f"nodes_folder={nodes!r}")
            raise InvalidRequestError(f"{said} is in the images folder: its nodes would be images")
        object.__setattr__(self, "images", images)


@dataclass(frozen=True)
class Layout:
    """Where images and nodes are in one datacenter; a folder that does not exist (yet) is None.

    ``nodes_folder`` is the one under which group folders are found or made.
    """

    datacenter: Ref
    vm_folder: Ref
    images_folder: Ref | None
    nodes_folder: Ref | None


def find_layout(tree: Tree, names: FolderNames) -> Layout:
    """The one layout that fits the names.

    :raises NotFoundError: no such datacenter.
    :raises AmbiguousNameError: several datacenters fit; name one.
    """
    candidates = [_layout(tree, row, names) for row in _datacenters(tree, names.datacenter)]
    having = [layout for layout in candidates if layout.images_folder is not None]
    match having or candidates:
        case [layout]:
            return layout
        case many:
            paths = [f"/{tree.path(tree.rows[layout.datacenter])}" for layout in many]
            hint = f"choose one with {option('datacenter=')}"
            raise AmbiguousNameError("datacenter", names.datacenter or "*", paths, hint)


def images_folder(layout: Layout, names: FolderNames) -> Ref:
    """The images folder.

    :raises NotFoundError: it does not exist.
    """
    if layout.images_folder is None:
        hint = f"create it in vCenter and put templates into it, or name another with {option('images_folder=')}"
        raise NotFoundError("images folder", names.images, hint)
    return layout.images_folder


def group_name(tree: Tree, layout: Layout, row: Row) -> str | None:
    """The name of the folder that the VM is in; None directly in the nodes folder.

    Of a folder further down it is the path: what is in it is in no group of its name.
    """
    parent = tree.parent(row)
    if parent in (None, layout.nodes_folder, layout.vm_folder):
        return None
    folder = tree.rows.get(parent)
    if folder is None or folder.get("parent") == layout.nodes_folder:
        return tree.name(parent)
    return tree.path(folder, layout.nodes_folder)


def find_folder(tree: Tree, top: Ref, path: str) -> Ref | None:
    """The folder at this path below ``top``; a ``%2f`` in the path is a slash in a name."""
    here = top
    for step in (step for step in path.split("/") if step):
        below = [row.ref for row in tree.children(here, "Folder") if tree.name(row.ref) == unescape_name(step)]
        if not below:
            return None
        here = below[0]  # vCenter keeps names unique within a folder
    return here


def _tidy(path: str) -> str:
    return "/".join(step for step in path.split("/") if step)


def _datacenters(tree: Tree, name: str | None) -> list[Row]:
    rows = [row for ref, row in tree.rows.items() if ref.kind == "Datacenter"]
    found = [row for row in rows if name is None or name in (tree.name(row.ref), tree.path(row), f"/{tree.path(row)}")]
    if not found:
        known = ", ".join(sorted(tree.path(row) for row in rows)) or "none is visible to this user"
        raise NotFoundError("datacenter", name or "*", f"there are: {known}")
    return found


def _layout(tree: Tree, datacenter: Row, names: FolderNames) -> Layout:
    vm_folder: Ref = datacenter["vmFolder"]
    images = find_folder(tree, vm_folder, names.images)
    beside = find_folder(tree, vm_folder, names.images.rpartition("/")[0])
    nodes = find_folder(tree, vm_folder, names.nodes) if names.nodes is not None else beside
    return Layout(datacenter.ref, vm_folder, images, nodes)


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
                raise InvalidRequestError(f"group {name!r} is the images folder; choose another {option('group=')}")
            return row.ref
    return None
