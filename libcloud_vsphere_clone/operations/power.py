"""Nodes' VMs started, stopped and rebooted. Rows and references in, finished states out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from pyVmomi import vim

from ..errors import CONNECTION_ERRORS, TaskError, translated
from ..vcenter.rows import TYPE_KEY, Ref, Row
from ..vcenter.session import Session
from ..vcenter.tasks import wait_task
from ..vcenter.updates import watch_rows

log = logging.getLogger(__name__)


TASK_TIMEOUT_S = 600.0
"""Seconds for a task that should be quick: power, reconfigure, destroy."""

SWITCH_TIMEOUT_S = 300.0
"""Seconds the switch may take: a busy host writes a VM's state back first."""


def start_vm(session: Session, row: Row, datacenter: Ref, *, timeout_s: float) -> None:
    """Power the VM on, on a host that DRS chooses where there is DRS. On already is success.

    :param row: with ``runtime.powerState``, as it is just now.
    :raises TaskError: vCenter did not attempt it, only recommends it, or the VM asks a question.
    Source: Datacenter.PowerOnMultiVM_Task, ClusterPowerOnVmResult (vSphere Web Services API).
    """
    vm, action = row.ref, f"power on {row.ref.moid}"
    if row.get("runtime.powerState") == "poweredOn":
        return
    with translated(action):
        sent, task = time.monotonic(), session.managed(*datacenter).PowerOnMultiVM_Task([session.managed(*vm)])
    result = wait_task(session, task, action, timeout_s=timeout_s, kind="PowerOnMultiVM_Task", sent=sent)
    _check_power_on(result, action)
    for attempt in _listed(result, "attempted"):
        if isinstance(attempt.get("task"), Ref):
            started = session.managed(*attempt["task"])
            with _already_is_fine("poweredOn"):
                wait_task(session, started, action, timeout_s=timeout_s, asked_by=vm, kind="PowerOnVM_Task")


def stop_vm(session: Session, row: Row, *, hard: bool, timeout_s: float) -> None:
    """Power the VM off: by its guest where tools run, else by the switch.

    :param row: with ``runtime.powerState`` and ``guest.toolsRunningStatus``.
    :param timeout_s: seconds that the guest may take before it is switched off.
    Source: VirtualMachine.ShutdownGuest, PowerOffVM_Task (vSphere Web Services API).
    """
    if row.get("runtime.powerState") == "poweredOff":
        return
    if not hard and _tools_run(row) and _shut_down_guest(session, row.ref, timeout_s):
        return
    power_off_vm(session, row.ref, timeout_s=SWITCH_TIMEOUT_S)


def reboot_vm(session: Session, row: Row, *, timeout_s: float) -> None:
    """Reboot the VM: by its guest where tools run, else by the reset button.

    Source: VirtualMachine.RebootGuest, ResetVM_Task (vSphere Web Services API).
    """
    vm, action = session.managed(*row.ref), f"reboot {row['name']!r}"
    with translated(action):
        if _tools_run(row):
            try:
                vm.RebootGuest()
                return
            except vim.fault.ToolsUnavailable:
                log.info("%s: the tools do not answer; resetting it", action)
        sent, task = time.monotonic(), vm.ResetVM_Task()
    wait_task(session, task, action, timeout_s=timeout_s, asked_by=row.ref, kind="ResetVM_Task", sent=sent)


def power_off_vm(session: Session, vm: Ref, *, timeout_s: float) -> None:
    """Switch the VM off. Off already is success."""
    action = f"power off {vm.moid}"
    with _already_is_fine("poweredOff"):
        with translated(action):
            sent, task = time.monotonic(), start_again_if_lost(session.managed(*vm).PowerOffVM_Task)
        wait_task(session, task, action, timeout_s=timeout_s, asked_by=vm, kind="PowerOffVM_Task", sent=sent)


def start_again_if_lost(start: Callable[[], Any]) -> Any:
    """Start a task, and once more after a lost reply: off is off and gone is gone, however often."""
    try:
        return start()
    except CONNECTION_ERRORS as lost:
        log.info("sent again after a lost reply: %s", type(lost).__name__)
        return start()


@contextmanager
def _already_is_fine(state: str) -> Iterator[None]:
    """Leave off where the VM is in this power state: someone else was faster."""
    try:
        yield
    except TaskError as failure:
        if not isinstance(failure.fault, vim.fault.InvalidPowerState) or failure.fault.existingState != state:
            raise


def _shut_down_guest(session: Session, vm: Ref, timeout_s: float) -> bool:
    """Whether the guest shut down in time."""
    action = f"shut down the guest of {vm.moid}"
    try:
        with translated(action):
            session.managed(*vm).ShutdownGuest()
    except TaskError as failure:
        if not isinstance(failure.fault, vim.fault.ToolsUnavailable | vim.fault.InvalidPowerState):
            raise
        return False
    changes = watch_rows(session, {vm: ("runtime.powerState",)}, timeout_s=timeout_s)
    with translated(action), closing(changes):
        for rows in changes:
            row = rows[vm]
            if row is None or row.get("runtime.powerState") == "poweredOff":
                return True
    log.warning("the guest of %s did not shut down within %.0f s; switching it off", vm.moid, timeout_s)
    return False


def _tools_run(row: Row) -> bool:
    return row.get("guest.toolsRunningStatus") == "guestToolsRunning"


def _check_power_on(result: Any, action: str) -> None:
    """A finished task is not yet a powered-on VM: it may only have been considered."""
    for refused in _listed(result, "notAttempted"):
        reason = refused.get("fault") or {}
        fault = reason.get("fault") or {}
        if fault.get("existingState") == "poweredOn":
            continue  # someone else was faster
        text = reason.get("localizedMessage") or fault.get(TYPE_KEY) or "it gave no reason"
        raise TaskError(f"could not {action}: vCenter did not attempt it: {text}", action=action)
    if _listed(result, "recommendations"):
        raise TaskError(
            f"could not {action}: DRS is manual and only recommends a host; apply its recommendation in vCenter",
            action=action,
        )


def _listed(result: Any, field: str) -> list[dict[str, Any]]:
    value = result.get(field, []) if isinstance(result, dict) else []
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]
