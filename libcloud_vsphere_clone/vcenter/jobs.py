"""Many tasks at once: jobs in, each with its result or its error out, with one subscription for all of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConnectionFailedError, VsphereError, error_of, translated
from .rows import Ref, Row
from .session import Session
from .task_watch import TaskWatch
from .tasks import Progress, start_cancel, task_failure, task_gone, task_overdue

END_PATHS = ("info.state", "info.result")
PROGRESS_PATHS = (*END_PATHS, "info.progress")

COALESCE_S, COALESCE_SHARE = 0.3, 0.05
"""Tasks that began together tend to end together. A pause after the first that ends, this long at most and this share
of what it took, lets one answer tell of many."""


@dataclass(eq=False)
class Job:
    """One task: how it is started, and how it went.

    :param action: what it does, to stand after "could not" in an error.
    :param start: starts the task and returns it; one call.
    :param timeout_s: seconds from its start.
    :param on_progress: called with vCenter's percentage when it changes, and with 100 when it is done.
    :param cancel_overdue: ask vCenter to cancel the task when it is overdue; it is not waited for.
    """

    action: str
    start: Callable[[], Any]
    timeout_s: float
    on_progress: Progress | None = None
    cancel_overdue: bool = False
    task: Any = None
    result: Any = None
    error: Exception | None = None
    started: float = 0.0
    progress: int | None = None
    ended: bool = False  # vCenter has said so

    @property
    def ref(self) -> Ref:
        """The task's reference, once it is started."""
        return Ref("Task", self.task._moId)


def run_jobs(session: Session, jobs: Sequence[Job], *, max_in_flight: int) -> None:
    """Start all jobs, never more at once than ``max_in_flight``, and wait until each has a result or an error.

    One job's failure is its own: it is in ``job.error``, as ``errors.py`` maps it, and the others go on. When vCenter
    itself is lost, no further job is started, and all that have not ended have that for their error. A task that is
    overdue has a TaskTimeoutError; unless ``cancel_overdue``, it is left running. Only an interrupt, or what
    ``on_progress`` raises, is raised.
    """
    waiting, running = deque(jobs), dict[Ref, Job]()
    paths = PROGRESS_PATHS if any(job.on_progress for job in jobs) else END_PATHS
    with TaskWatch(session, paths, growing=len(jobs) > max_in_flight) as watch:
        try:
            _start_some(session, waiting, running, max_in_flight)
            while running:
                _take_ended(session, watch, running)
                _start_some(session, waiting, running, max_in_flight)
        except VsphereError as lost:
            for job in (*running.values(), *waiting):
                job.error = error_of(job.action, lost)


def _start_some(session: Session, waiting: deque[Job], running: dict[Ref, Job], max_in_flight: int) -> None:
    """:raises VsphereError: vCenter is lost: what is sent to it now would only have to be looked for later."""
    while waiting and len(running) < max_in_flight:
        job = waiting.popleft()
        try:
            with translated(job.action):
                job.task = job.start()
        except ConnectionFailedError as lost:
            job.error = lost
            with translated("reach vCenter again"):
                session.check_alive()
        except Exception as failure:
            job.error = failure
        else:
            job.started = time.monotonic()
            running[job.ref] = job


def _take_ended(session: Session, watch: TaskWatch, running: dict[Ref, Job]) -> None:
    """Wait for a change, and take those off the list that have ended or are overdue."""
    nearest = min(job.started + job.timeout_s for job in running.values())
    with translated("wait for tasks"):
        rows = watch.wait(running.keys(), timeout_s=max(0.0, nearest - time.monotonic()))
    ended = [job for job in running.values() if _take(session, job, rows[job.ref])]
    for job in ended:
        del running[job.ref]
    if ended and running:
        longest_s = max(time.monotonic() - job.started for job in ended)
        time.sleep(min(COALESCE_S, longest_s * COALESCE_SHARE))


def _take(session: Session, job: Job, row: Row | None) -> bool:
    """Whether the job has ended or is overdue; its result or error is set then."""
    state = row.get("info.state") if row is not None else None
    job.ended = row is None or state in ("success", "error")
    if row is None:
        job.error = task_gone(job.action, "")
    elif state == "success":
        job.result = row.get("info.result")
        _tell(job, 100)
    elif state == "error":
        job.error = _failure(session, job)
    elif time.monotonic() >= job.started + job.timeout_s:
        job.error = task_overdue(job.ref, job.action, "", job.timeout_s)
        if job.cancel_overdue:
            start_cancel(job.task)
    else:
        _tell(job, row.get("info.progress"))
        return False
    return True


def _failure(session: Session, job: Job) -> Exception:
    """Why the task failed; or why that could not be read."""
    try:
        with translated(job.action):
            return task_failure(session, job.task, job.action, "")
    except VsphereError as unread:
        return unread


def _tell(job: Job, progress: int | None) -> None:
    if job.on_progress is not None and progress not in (None, job.progress):
        job.progress = progress
        job.on_progress(progress or 0)
