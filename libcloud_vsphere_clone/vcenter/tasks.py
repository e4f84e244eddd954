"""Tasks awaited: managed objects of started tasks in, results or errors of our tree out."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from ..errors import TaskTimeoutError, translated
from .jobs import Job, run_jobs, start_cancel
from .properties import fetch_row, fetch_rows
from .rows import Ref, Row
from .session import Session
from .updates import watch_rows


def wait_task(
    session: Session,
    task: Any,
    action: str,
    *,
    timeout_s: float,
    asked_by: Ref | None = None,
    kind: str = "",
    sent: float = 0.0,
) -> Any:
    """The task's result, once vCenter reports success.

    :param action: what the task does, to stand after "could not" in an error, e.g. ``clone 'debian-12'``.
    :param timeout_s: seconds for the whole wait, not per poll.
    :param asked_by: a VM whose question would block the task for ever.
    :param kind: the method that started it, where it may be over in a moment; ``sent``: when, by ``time.monotonic``.
    :returns: TaskInfo.result; a Ref for the new VM of a clone.
    :raises TaskTimeoutError: still queued or running; the task is left alone.
    :raises VsphereError: it failed, as ``errors.py`` maps the fault; ``.fault`` is vCenter's own.
    """
    job = Job(action, lambda: task, timeout_s, asked_by=asked_by, kind=kind, sent=sent)
    run_jobs(session, [job], max_in_flight=1)
    if job.error is not None:
        raise job.error
    return job.result


def cancel_task(session: Session, task: Any, *, timeout_s: float) -> None:
    """Ask vCenter to cancel the task, and wait until it has ended, one way or the other.

    :raises TaskTimeoutError: it goes on.
    """
    start_cancel(task)
    ref = Ref("Task", task._moId)
    changes = watch_rows(session, {ref: ("info.state",)}, timeout_s=timeout_s)
    with translated("cancel a task", ref.moid), closing(changes):
        for rows in changes:
            row = rows[ref]
            if row is None or row.get("info.state") in ("success", "error"):
                return
    raise TaskTimeoutError(f"the task {ref.moid} was still running {timeout_s:.0f} s after it was cancelled")


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
