"""Nodes found: VMs under the nodes folder that are neither images, templates nor system VMs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ..errors import AmbiguousNameError, InvalidRequestError, NotFoundError
from ..model.layout import FolderNames, find_layout, group_name
from ..model.names import unescape_name
from ..model.places import PLACE_PATHS
from ..model.tree import TREE_PATHS, Tree
from ..model.vm import NODE_PATHS, Found, has_config, is_node, why_no_node
from ..option_names import expression, option
from ..vcenter.properties import fetch_rows, iterate_rows
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from .lookup import find_vm_by_uuid

LISTING_PATHS = {"VirtualMachine": NODE_PATHS, **TREE_PATHS}
"""What a listing of nodes reads: the VMs, and the tree around them."""

NAME_PATHS = {"VirtualMachine": ("name",), **TREE_PATHS}
"""What a look-up by name reads first."""

FULL_PATHS = ("config.annotation", "config.guestFullName", "config.hardware.device")
"""What is told only where it is asked for: devices are 3 kB and more of each VM."""

FULL_LISTING_PATHS = {**LISTING_PATHS, "VirtualMachine": (*NODE_PATHS, *FULL_PATHS)}


CONFIGLESS_PATHS = ("summary.config.instanceUuid", "summary.config.template", "summary.config.name")
"""Asked of VMs without ``config`` only: orphaned, inaccessible, or still being cloned."""


def fetch_nodes(session: Session, names: FolderNames) -> Found:
    """Every node, in one round trip (one more when some VM has no ``config``)."""
    return select_nodes(session, names, fetch_rows(session, LISTING_PATHS))


def select_nodes(
    session: Session, names: FolderNames, rows: Mapping[Ref, Row], *, among: Collection[Ref] | None = None
) -> Found:
    """The nodes among rows read with ``LISTING_PATHS``; they stay as they are. A round trip if one has no ``config``.

    :param among: only these VMs; default all.
    """
    tree = Tree(rows)
    layout = find_layout(tree, names)
    chosen = rows if among is None else (ref for ref in among if ref in rows)
    machines = _complete_configless(session, [rows[ref] for ref in chosen if ref.kind == "VirtualMachine"])
    return Found([row for row in machines if is_node(row, tree, layout)], tree, layout)


def iterate_nodes(session: Session, names: FolderNames) -> Iterator[tuple[Row, Found]]:
    """Every node as soon as it has arrived, and what to read it by; those without ``config`` come last."""
    tree = Tree(fetch_rows(session, TREE_PATHS, everywhere=LISTING_PATHS))
    found = Found([], tree, find_layout(tree, names))
    bare: list[Row] = []
    for row in iterate_rows(session, {"VirtualMachine": NODE_PATHS}, everywhere=LISTING_PATHS):
        if not has_config(row):
            bare.append(row)
        elif is_node(row, tree, found.layout):
            yield row, found
    yield from ((row, found) for row in _complete_configless(session, bare) if is_node(row, tree, found.layout))


def fetch_some(
    session: Session,
    names: FolderNames,
    vms: Sequence[Ref],
    *,
    extra: tuple[str, ...] = (),
    around: Found | None = None,
) -> Found:
    """The rows of these VMs, those that are gone left out, and the tree around them.

    One round trip, two where ``around`` turns out to be too old.

    :param extra: paths to read beside ``NODE_PATHS``.
    :param around: a tree that was read a moment ago; the VMs alone are read where it has what they are in.
    """
    paths = {"VirtualMachine": (*NODE_PATHS, *extra)}
    if around is not None:
        rows = fetch_rows(session, paths, objects=vms, everywhere=())
        tree = Tree({**around.tree.rows, **rows})
        found = Found([rows[vm] for vm in vms if vm in rows], tree, around.layout)
        if found.rows and all(_is_placed(row, tree) for row in found.rows):
            return found
    rows = fetch_rows(session, {**paths, **TREE_PATHS}, objects=vms, everywhere=PLACE_PATHS)
    tree = Tree(rows)
    return Found([rows[vm] for vm in vms if vm in rows], tree, find_layout(tree, names))


def _is_placed(row: Row, tree: Tree) -> bool:
    """Whether the tree has all that the VM is in."""
    containers = (tree.parent(row), row.get("runtime.host"), *row.get("datastore", ()))
    return all(ref in tree.rows for ref in containers if ref is not None)


def find_node(
    session: Session, names: FolderNames, node_id: str, *, moid: str | None = None, extra: tuple[str, ...] = ()
) -> tuple[Row, Found]:
    """The row of the node with this id, read afresh with ``NODE_PATHS`` and ``extra``.

    :param moid: where it was last seen; saves a round trip when it still is there.
    :raises NotFoundError: no VM has this id, or this user cannot see it.
    :raises InvalidRequestError: the VM is an image, a template, a system VM, or outside the nodes folder.
    """
    row, tree = find_vm_by_uuid(session, "node", node_id, (*NODE_PATHS, *extra), moid=moid)
    layout = find_layout(tree, names)
    reason = why_no_node(row, tree, layout)
    if reason is not None:
        raise InvalidRequestError(f"VM {tree.path(row)!r} is no node: {reason}; nothing was sent")
    return row, Found([row], tree, layout)


def find_node_by_name(
    session: Session, names: FolderNames, name: str, group: str | None, *, rows: Mapping[Ref, Row] | None = None
) -> tuple[Row, Found]:
    """The one node of this name, in this group if given.

    Two round trips: vCenter looks up a name in one folder only, so all names are read, and then the VMs that have it.

    :param rows: read with ``LISTING_PATHS`` just now: they are searched, and nothing is read.
    :raises NotFoundError: there is none.
    :raises AmbiguousNameError: there are several, in different groups.
    """
    rows = _fetch_named(session, name) if rows is None else rows
    found = select_nodes(session, names, rows, among=[ref for ref, row in rows.items() if _is_named(row, name)])
    match [row for row in found.rows if _in_group(row, found, group)]:
        case [row]:
            return row, found
        case []:
            raise NotFoundError("node", name, f"{expression('list_nodes()')} shows what there is")
        case many:
            paths = [found.tree.path(row, found.layout.vm_folder) for row in many]
            raise AmbiguousNameError("node", name, paths, f"give {option('group=')}, or its id")


def _fetch_named(session: Session, name: str) -> dict[Ref, Row]:
    """The tree, and the VMs of this name."""
    rows = fetch_rows(session, NAME_PATHS, everywhere=LISTING_PATHS)
    named = [ref for ref, row in rows.items() if _is_named(row, name)]
    vms = fetch_rows(session, {"VirtualMachine": NODE_PATHS}, objects=named, everywhere=()) if named else {}
    return {**{ref: row for ref, row in rows.items() if ref.kind != "VirtualMachine"}, **vms}


def _is_named(row: Row, name: str) -> bool:
    return row.ref.kind == "VirtualMachine" and unescape_name(row.get("name", "")) == name


def _in_group(row: Row, found: Found, group: str | None) -> bool:
    return group is None or group_name(found.tree, found.layout, row) == group


def _complete_configless(session: Session, machines: list[Row]) -> list[Row]:
    """The rows, those without ``config`` with what else can be known of them."""
    bare = [row.ref for row in machines if not has_config(row)]
    if not bare:
        return machines
    more = fetch_rows(session, {"VirtualMachine": CONFIGLESS_PATHS}, objects=bare, everywhere=())
    return [_completed(row, more[row.ref]) if row.ref in more else row for row in machines]


def _completed(row: Row, more: Row) -> Row:
    both = Row(row.ref, {**row, **more})
    both.unreadable = row.unreadable | more.unreadable
    return both
