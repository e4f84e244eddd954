"""One VM by its id: instanceUuid and a hint where it was in, its row and the tree out."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from ..errors import NotFoundError, translated
from ..model.places import PLACE_PATHS
from ..model.tree import TREE_PATHS, Tree
from ..model.vm import UUID_PATHS, vm_id
from ..option_names import option
from ..vcenter.properties import fetch_rows
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session

_BY_NAME = {"image": option("get_image_by_name(name)"), "node": option("get_node(name=...)")}


def find_vm_by_uuid(
    session: Session,
    what: str,
    instance_uuid: str,
    paths: tuple[str, ...],
    *,
    moid: str | None = None,
    tree_paths: dict[str, tuple[str, ...]] | None = None,
) -> tuple[Row, Tree]:
    """The row of the VM with this instanceUuid, and the tree around it.

    One round trip when ``moid`` is still right, two more otherwise. A VM without ``config`` may tell no id at all: then
    the place where it was last seen counts, so that it is not taken for gone.

    :param what: ``node`` or ``image``, for the error.
    :param moid: the managed object id it had when last seen.
    :param tree_paths: what the tree shall hold; default ``TREE_PATHS``.
    :raises NotFoundError: no VM has it, or this user cannot see it.
    Source: SearchIndex.FindByUuid with instanceUuid (vSphere Web Services API).
    """
    around = tree_paths or TREE_PATHS
    every = {"VirtualMachine": tuple(dict.fromkeys((*UUID_PATHS, *paths))), **around}
    for place in _places(session, instance_uuid, moid):
        rows = fetch_rows(session, every, objects=[place], everywhere=PLACE_PATHS)
        row = rows.get(place)
        if row is not None and (vm_id(row) in (instance_uuid, place.moid) or place.moid == instance_uuid):
            return row, Tree(rows)
    by_name = "" if _is_uuid(instance_uuid) else f"; ids are UUIDs, {_BY_NAME[what]} takes names"
    raise NotFoundError(what, instance_uuid, f"it was removed, or this user cannot see it{by_name}")


def _places(session: Session, instance_uuid: str, moid: str | None) -> Iterator[Ref]:
    """Where the VM may be, likeliest first."""
    known = moid or (None if _is_uuid(instance_uuid) else instance_uuid)
    if known is not None:
        yield Ref("VirtualMachine", known)
    found = locate_vm(session, instance_uuid) if _is_uuid(instance_uuid) else None
    if found is not None and found.moid != known:
        yield found


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def locate_vm(session: Session, instance_uuid: str) -> Ref | None:
    """Where the VM with this instanceUuid is; None when there is none that this user can see."""
    with translated(f"look for VM {instance_uuid}"):
        found = session.content.searchIndex.FindByUuid(None, instance_uuid, True, True)
    return Ref("VirtualMachine", found._moId) if found is not None else None
