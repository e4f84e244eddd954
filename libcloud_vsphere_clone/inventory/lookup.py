"""One VM by its id: instanceUuid and a hint where it was in, its row and the tree out."""

from __future__ import annotations

from ..errors import NotFoundError, translated
from ..vcenter.properties import fetch_rows
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from .tree import TREE_PATHS, Tree


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

    One round trip when ``moid`` is still right, two more otherwise.

    :param what: ``node`` or ``image``, for the error.
    :param moid: the managed object id it had when last seen.
    :param tree_paths: what the tree shall hold; default ``TREE_PATHS``.
    :raises NotFoundError: no VM has it, or this user cannot see it.
    Source: SearchIndex.FindByUuid with instanceUuid (vSphere Web Services API).
    """
    around = tree_paths or TREE_PATHS
    hint = Ref("VirtualMachine", moid) if moid else locate_vm(session, instance_uuid)
    while hint is not None:
        every = {"VirtualMachine": tuple({"config.instanceUuid": None, **dict.fromkeys(paths)}), **around}
        rows = fetch_rows(session, every, objects=[hint], everywhere=around)
        row = rows.get(hint)
        if row is not None and row.get("config.instanceUuid") == instance_uuid:
            return row, Tree(rows)
        hint = locate_vm(session, instance_uuid) if hint.moid == moid else None
        moid = None
    raise NotFoundError(what, instance_uuid, "it was removed, or this user cannot see it")


def locate_vm(session: Session, instance_uuid: str) -> Ref | None:
    """Where the VM with this instanceUuid is; None when there is none that this user can see."""
    with translated(f"look for VM {instance_uuid}"):
        found = session.content.searchIndex.FindByUuid(None, instance_uuid, True, True)
    return Ref("VirtualMachine", found._moId) if found is not None else None
