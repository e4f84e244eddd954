"""Tasks awaited: managed objects of started tasks in, results or errors of our tree out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pyVmomi import vim, vmodl

from ..errors import CONNECTION_ERRORS, TaskError, TaskTimeoutError, VsphereError, error_from, translated
from .properties import fetch_row, fetch_rows
from .rows import TYPE_KEY, Ref, Row
from .session import Session
from .types import to_fault
from .updates import watch_rows

log = logging.getLogger(__name__)

TASK_PATHS = ("info.state", "info.result")
"""Not ``info.error``: it may be of a fault type this pyVmomi lacks, so it is read only when needed."""

Progress = Callable[[int], None]
"""Called with vCenter's percentage of a task."""


def wait_task(
    session: Session,
    task: Any,
    action: str,
    *,
    target: str = "",
    timeout_s: float,
    asked_by: Ref | None = None,
) -> Any:
    """The task's result, once vCenter reports success.

    :param action: what the task does, to stand after "could not" in an error, e.g. ``clone 'debian-12'``.
    :param timeout_s: seconds for the whole wait, not per poll.
    :param asked_by: a VM whose question would block the task for ever.
    :returns: TaskInfo.result; a Ref for the new VM of a clone.
    :raises TaskTimeoutError: still queued or running; the task is left alone.
    :raises VsphereError: it failed, as ``errors.py`` maps the fault; ``.fault`` is vCenter's own.
    Source: PropertyCollector.WaitForUpdatesEx, Task.info, VirtualMachine.runtime.question (vSphere Web Services API).
    """
    ref = Ref("Task", task._moId)
    targets: dict[Ref, tuple[str, ...]] = {ref: TASK_PATHS}
    if asked_by is not None:
        targets[asked_by] = ("runtime.question",)
    with translated(action, target):
        for rows in watch_rows(session, targets, timeout_s=timeout_s):
            row = rows[ref]
            if row is None:
                raise task_gone(action, target)
            if row.get("info.state") == "success":
                return row.get("info.result")
            if row.get("info.state") == "error":
                raise task_failure(session, task, action, target)
            _check_question(rows.get(asked_by) if asked_by else None, action, target)
    raise task_overdue(ref, action, target, timeout_s)


def cancel_task(session: Session, task: Any, *, timeout_s: float) -> None:
    """Ask vCenter to cancel the task, and wait until it has ended, one way or the other.

    :raises TaskTimeoutError: it goes on.
    """
    start_cancel(task)
    ref = Ref("Task", task._moId)
    with translated("cancel a task", ref.moid):
        for rows in watch_rows(session, {ref: ("info.state",)}, timeout_s=timeout_s):
            row = rows[ref]
            if row is None or row.get("info.state") in ("success", "error"):
                return
    raise TaskTimeoutError(f"the task {ref.moid} was still running {timeout_s:.0f} s after it was cancelled")


def start_cancel(task: Any) -> None:
    """Ask vCenter to cancel the task. It may refuse, or be done already.

    Source: Task.CancelTask (vSphere Web Services API).
    """
    with suppress(VsphereError, vmodl.MethodFault, *CONNECTION_ERRORS):
        task.CancelTask()


def running_tasks(session: Session, ref: Ref, *methods: str) -> list[Any]:
    """The queued and running tasks of these kinds on an object, e.g. ``VirtualMachine.clone``."""
    kinds = fetch_running_kinds(session, ref)
    return [session.managed(*task) for task, kind in kinds.items() if kind in methods]


def fetch_running_kinds(session: Session, ref: Ref) -> dict[Ref, str]:
    """``{task: its kind}`` of the queued and running tasks of an object, or of all with the TaskManager's. Two reads.

    Source: ManagedEntity.recentTask, TaskManager.recentTask, TaskInfo.descriptionId (vSphere Web Services API).
    """
    row = fetch_row(session, ref, ("recentTask",)) or Row(ref)
    recent = row.get("recentTask")
    if not recent:
        return {}
    infos = fetch_rows(session, {"Task": ("info.descriptionId", "info.state")}, objects=recent, everywhere=()).values()
    running = [info for info in infos if info.get("info.state") in ("queued", "running")]
    return {info.ref: str(info.get("info.descriptionId", "")) for info in running}


def _check_question(row: Row | None, action: str, target: str) -> None:
    """A question that nobody answers neither fails nor ends: it is an error, not a hang."""
    question = row.get("runtime.question") if row is not None else None
    if question:
        text = question.get("text", "") if isinstance(question, dict) else question
        raise TaskError(
            f"could not {action}: the VM asks {text!r} and waits; answer it in vCenter", action=action, target=target
        )


def task_gone(action: str, target: str) -> TaskError:
    """The error of a task that vCenter has forgotten."""
    return TaskError(f"could not {action}: vCenter no longer knows its task", action=action, target=target)


def task_overdue(ref: Ref, action: str, target: str, timeout_s: float) -> TaskTimeoutError:
    """The error of a task that goes on after its deadline."""
    return TaskTimeoutError(
        f"could not {action} within {timeout_s:.0f} s: the task {ref.moid} is still running; wait longer with a "
        "larger time-out, or look at it in vCenter",
        action=action,
        target=target,
    )


def task_failure(session: Session, task: Any, action: str, target: str) -> Exception:
    """The error of a failed task; its fault is read first."""
    fault = _task_fault(session, task)
    return error_from(fault, action, target) or TaskError(
        f"could not {action}: {fault}", action=action, target=target, fault=fault
    )


def _task_fault(session: Session, task: Any) -> Any:
    """The fault of a failed task; only its type and text where this pyVmomi cannot read it."""
    try:
        return _typed_fault(session, task)
    except (AttributeError, LookupError, TypeError, ValueError):
        ref = Ref("Task", task._moId)
        row = fetch_row(session, ref, ("info.error",)) or Row(ref)
        error = row.get("info.error") or {}
        kind = (error.get("fault") or {}).get(TYPE_KEY, "MethodFault")
        return to_fault(kind, error.get("localizedMessage") or "the task failed")


def _typed_fault(session: Session, task: Any) -> Any:
    collector_types = vmodl.query.PropertyCollector
    spec = collector_types.FilterSpec(
        objectSet=[collector_types.ObjectSpec(obj=task)],
        propSet=[collector_types.PropertySpec(type=vim.Task, pathSet=["info.error"])],
    )
    contents = session.content.propertyCollector.RetrieveContents([spec])
    return contents[0].propSet[0].val
