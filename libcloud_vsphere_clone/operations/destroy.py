"""Nodes' VMs removed: what they need to be looked at first, and what is detached and kept. Rows in, errors out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pyVmomi import vim, vmodl

from ..errors import ConnectionFailedError, InvalidRequestError, TaskError, VsphereError, translated
from ..model import marks
from ..vcenter.jobs import Job, run_jobs
from ..vcenter.rows import TYPE_KEY, Ref, Row
from ..vcenter.session import Session
from ..vcenter.tasks import wait_task
from .power import power_off_vm, start_again_if_lost

DISK_PATHS = (
    "config.hardware.device",
    "config.files.vmPathName",
    "snapshot.rootSnapshotList",
    marks.mark_path(marks.DISKS),
)
"""What ``destroy_node`` asks of a node beyond what a node shows."""


def destroy_node_vm(session: Session, row: Row, *, timeout_s: float) -> list[str]:
    """Remove a node's VM, after detaching disks that its clone did not bring. Their files are returned.

    :param row: with ``NODE_PATHS`` and ``DISK_PATHS``.
    :raises InvalidRequestError: there are such disks, and a snapshot forbids to detach them; nothing was sent.
    """
    foreign = list_foreign_disks(row)
    files = [disk["backing"]["fileName"] for disk in foreign]
    if foreign and row.get("snapshot.rootSnapshotList"):
        raise InvalidRequestError(
            f"cannot destroy node {row['name']!r}: it would delete attached disks that its clone did not bring "
            f"({', '.join(files)}), and its snapshots forbid detaching them; remove the snapshots first"
        )
    with _gone_already_is_fine():
        if row.get("runtime.powerState") != "poweredOff":
            power_off_vm(session, row.ref, timeout_s=timeout_s)
        if foreign:
            _detach(session, row, foreign, timeout_s)
        destroy_vm(session, row.ref, timeout_s=timeout_s, powered_off=True)
    return files


def destroy_vm(session: Session, vm: Ref, *, timeout_s: float, powered_off: bool = False) -> None:
    """Delete the VM and every disk attached to it. Gone already is success.

    :param powered_off: it was off when last seen.
    """
    with _gone_already_is_fine():
        if not powered_off:
            power_off_vm(session, vm, timeout_s=timeout_s)
        try:
            _destroy(session, vm, timeout_s)
        except TaskError as failure:
            if not isinstance(failure.fault, vim.fault.InvalidPowerState):
                raise
            power_off_vm(session, vm, timeout_s=timeout_s)  # someone has started it meanwhile
            _destroy(session, vm, timeout_s)


def destroy_all(session: Session, rows: Sequence[Row], *, timeout_s: float, max_in_flight: int) -> dict[Ref, Exception]:
    """Remove nodes' VMs, many side by side: all switched off, then all destroyed. An error for each that remains.

    What needs more care, such as attached disks, or what went wrong the quick way, is destroyed by itself.

    :param rows: with ``NODE_PATHS`` and ``DISK_PATHS``.
    """
    plain = [row for row in rows if not list_foreign_disks(row)]
    on = [row for row in plain if row.get("runtime.powerState") != "poweredOff"]
    run_jobs(session, [_job(session, row, "PowerOffVM_Task", timeout_s) for row in on], max_in_flight=max_in_flight)
    jobs = {row.ref: _job(session, row, "Destroy_Task", timeout_s) for row in plain}
    run_jobs(session, list(jobs.values()), max_in_flight=max_in_flight)
    quick = {ref: job.error for ref, job in jobs.items()}
    left = [row for row in rows if row.ref not in quick or quick[row.ref] is not None]
    return _destroy_singly(session, left, quick, timeout_s)


def _destroy_singly(
    session: Session, rows: Sequence[Row], quick: Mapping[Ref, Exception | None], timeout_s: float
) -> dict[Ref, Exception]:
    """An error for each that remains; once vCenter is lost, what the quick way said of the rest holds."""
    errors: dict[Ref, Exception] = {}
    lost = False
    for row in rows:
        error = (quick.get(row.ref) if lost else None) or _try_destroy(session, row, timeout_s)
        lost = lost or isinstance(error, ConnectionFailedError)
        if error is not None:
            errors[row.ref] = error
    return errors


def _job(session: Session, row: Row, method: str, timeout_s: float) -> Job:
    is_switch = method.startswith("Power")
    action = f"{'power off' if is_switch else 'destroy'} {row.get('name')!r}"
    start = getattr(session.managed(*row.ref), method)
    return Job(
        action, lambda: start_again_if_lost(start), timeout_s, asked_by=row.ref if is_switch else None, kind=method
    )


def _try_destroy(session: Session, row: Row, timeout_s: float) -> Exception | None:
    try:
        destroy_node_vm(session, row, timeout_s=timeout_s)
    except VsphereError as failure:
        return failure
    return None


def list_foreign_disks(row: Row) -> list[dict[str, Any]]:
    """The disks that the clone did not bring: volumes that someone attached later.

    A disk counts as the clone's own only when its device key is in the mark and its file is in the VM's directory:
    taking one for foreign leaves a file behind, taking one for own deletes data of others.
    """
    own_keys = marks.read_mark(row, marks.DISKS)
    home = _directory(row.get("config.files.vmPathName", ""))
    return [
        disk
        for disk in row.get("config.hardware.device", [])
        if isinstance(disk, dict) and disk.get(TYPE_KEY) == "VirtualDisk" and disk.get("backing", {}).get("fileName")
        if _directory(disk["backing"]["fileName"]) != home
        or (own_keys is not None and str(disk["key"]) not in own_keys.split(","))
    ]


def _destroy(session: Session, vm: Ref, timeout_s: float) -> None:
    """Source: ManagedEntity.Destroy_Task (vSphere Web Services API)."""
    action = f"destroy {vm.moid}"
    with translated(action):
        sent, task = time.monotonic(), start_again_if_lost(session.managed(*vm).Destroy_Task)
    wait_task(session, task, action, timeout_s=timeout_s, kind="Destroy_Task", sent=sent)


@contextmanager
def _gone_already_is_fine() -> Iterator[None]:
    """Leave off where the VM is gone: someone else was faster."""
    try:
        yield
    except VsphereError as failure:
        if not isinstance(failure.fault, vmodl.fault.ManagedObjectNotFound):
            raise


def _directory(datastore_path: str) -> str:
    """``[shared-1] web-1/web-1.vmdk`` → ``web-1``: Storage DRS may put a disk on another datastore than its VM."""
    return datastore_path.partition("] ")[2].rpartition("/")[0]


def _detach(session: Session, row: Row, disks: Iterable[dict[str, Any]], timeout_s: float) -> None:
    """Take disks off the VM without deleting their files: a remove without a file operation.

    Source: VirtualDeviceConfigSpec.fileOperation (vSphere Web Services API).
    """
    changes = [
        vim.vm.device.VirtualDeviceSpec(
            operation="remove",
            device=vim.vm.device.VirtualDisk(
                key=int(disk["key"]),
                controllerKey=int(disk["controllerKey"]),
                unitNumber=int(disk["unitNumber"]),
                capacityInKB=int(disk.get("capacityInKB") or 0),
            ),
        )
        for disk in disks
    ]
    action = f"detach {len(changes)} disks from {row['name']!r}"
    with translated(action):
        task = session.managed(*row.ref).ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=changes))
    wait_task(session, task, action, timeout_s=timeout_s, kind="ReconfigVM_Task")
