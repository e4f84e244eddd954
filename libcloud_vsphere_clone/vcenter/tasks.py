"""Tasks awaited: managed objects of started tasks in, results or errors of our tree out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pyVmomi import vim, vmodl

from ..errors import CONNECTION_ERRORS, TaskError, TaskTimeoutError, error_from, translated
from .properties import fetch_row
from .rows import Ref, Row
from .session import Session
from .updates import watch_rows

log = logging.getLogger(__name__)

TASK_PATHS = ("info.state", "info.progress", "info.result")
"""Not ``info.error``: it may be of a fault type this pyVmomi lacks, so it is read only when needed."""

Progress = Callable[[int], None]


def wait_task(
    session: Session,
    task: Any,
    action: str,
    *,
    target: str = "",
    timeout_s: float,
    on_progress: Progress | None = None,
    asked_by: Ref | None = None,
) -> Any:
    """The task's result, once vCenter reports success.

    :param action: what the task does, to stand after "could not" in an error, e.g. ``clone 'debian-12'``.
    :param timeout_s: seconds for the whole wait, not per poll.
    :param on_progress: called with vCenter's percentage when it changes.
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
                raise TaskError(f"could not {action}: vCenter no longer knows its task", action=action, target=target)
            if on_progress is not None and isinstance(row.get("info.progress"), int):
                on_progress(row["info.progress"])
            if row.get("info.state") == "success":
                return row.get("info.result")
            if row.get("info.state") == "error":
                raise _failure(session, task, action, target)
            _check_question(rows.get(asked_by) if asked_by else None, action, target)
    raise TaskTimeoutError(
        f"could not {action} within {timeout_s:.0f} s: the task {ref.moid} is still running; wait longer with a "
        "larger time-out, or look at it in vCenter",
        action=action,
        target=target,
    )


def cancel_task(session: Session, task: Any, *, timeout_s: float) -> None:
    """Ask vCenter to cancel the task, and wait until it has ended one way or the other."""
    with suppress(vmodl.MethodFault, *CONNECTION_ERRORS):
        task.CancelTask()
    with suppress(TaskError):
        wait_task(session, task, "cancel a task", timeout_s=timeout_s)


def running_tasks(session: Session, ref: Ref, method: str) -> list[Any]:
    """The queued and running tasks of this kind on an object, e.g. ``VirtualMachine.clone``.

    Source: ManagedEntity.recentTask, TaskInfo.descriptionId (vSphere Web Services API).
    """
    row = fetch_row(session, ref, ("recentTask",)) or Row(ref)
    found = []
    for task in row.get("recentTask", []):
        info = fetch_row(session, task, ("info.descriptionId", "info.state")) or Row(task)
        if info.get("info.descriptionId") == method and info.get("info.state") in ("queued", "running"):
            found.append(session.managed(*task))
    return found


def _check_question(row: Row | None, action: str, target: str) -> None:
    """A question that nobody answers neither fails nor ends: it is an error, not a hang."""
    question = row.get("runtime.question") if row is not None else None
    if question:
        text = question.get("text", "") if isinstance(question, dict) else question
        raise TaskError(
            f"could not {action}: the VM asks {text!r} and waits; answer it in vCenter", action=action, target=target
        )


def _failure(session: Session, task: Any, action: str, target: str) -> Exception:
    fault = _task_fault(session, task)
    return error_from(fault, action, target) or TaskError(
        f"could not {action}: {fault}", action=action, target=target, fault=fault
    )


def _task_fault(session: Session, task: Any) -> Any:
    """The typed fault of a failed task; vCenter's text for it where this pyVmomi does not know its type."""
    try:
        return _typed_fault(session, task)
    except (AttributeError, KeyError, TypeError) as unknown:
        row = fetch_row(session, Ref("Task", task._moId), ("info.error",))
        error = row.get("info.error") if row else None
        text = error.get("localizedMessage") if isinstance(error, dict) else None
        return text or f"a fault of an unknown type ({unknown})"


def _typed_fault(session: Session, task: Any) -> Any:
    collector_types = vmodl.query.PropertyCollector
    spec = collector_types.FilterSpec(
        objectSet=[collector_types.ObjectSpec(obj=task)],
        propSet=[collector_types.PropertySpec(type=vim.Task, pathSet=["info.error"])],
    )
    contents = session.content.propertyCollector.RetrieveContents([spec])
    return contents[0].propSet[0].val
