"""Many tasks at once: jobs in, each with its result or its error out, with one subscription for all of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pyVmomi import vmodl

from ..errors import CONNECTION_ERRORS, ConnectionFailedError, VsphereError, error_of, translated
from ..parallel import in_parallel
from .pace import MOST_APART_S, TIME_PATHS, Durations, Look, Pace
from .rows import Ref, Row
from .session import Session
from .task_errors import fetch_failure, task_blocked, task_gone, task_overdue
from .watch import ResidentWatch, Watch

Progress = Callable[[int], None]
"""Called with vCenter's percentage of a task."""

END_PATHS = ("info.state", "info.result", *TIME_PATHS)
PROGRESS_PATHS = ("info.state", "info.result", "info.progress")
"""Not ``info.error``: it may be of a fault type this pyVmomi lacks, so it is read only when needed."""

SENDERS = 8
"""Starts on their way at once: each is a call, and a far vCenter makes a queue of calls one after the other long."""

QUESTION_S = 5.0
"""Seconds that a task may go on while its VM asks something: some questions block nothing, and some are answered."""

REPLY_S = 5.0
"""Seconds that starts on their way have to be answered after an interrupt: what is known needs no search."""


@dataclass(eq=False)
class Job:
    """One task: how it is started, and how it went.

    :param action: what it does, to stand after "could not" in an error.
    :param start: starts the task and returns it; one call.
    :param timeout_s: seconds from its start.
    :param on_progress: called with vCenter's percentage when it changes, and with 100 when it is done.
    :param cancel_overdue: ask vCenter to cancel the task when it is overdue; it is not waited for.
    :param asked_by: a VM whose question would block the task for ever.
    :param sent: when its start was sent, by ``time.monotonic``, where that is done already.
    :param kind: the method that starts it, by which the session knows how long such tasks take; empty for those that
        are not short anywhere.
    """

    action: str
    start: Callable[[], Any]
    timeout_s: float
    on_progress: Progress | None = None
    cancel_overdue: bool = False
    asked_by: Ref | None = None
    kind: str = ""
    task: Any = None
    result: Any = None
    error: Exception | None = None
    sent: float = 0.0
    started: float = 0.0
    progress: int | None = None
    asked_since: float | None = None
    ended: bool = False  # vCenter has said so

    @property
    def ref(self) -> Ref:
        """The task's reference, once it is started."""
        return Ref("Task", self.task._moId)

    @property
    def due(self) -> float:
        """When it is given up, by ``time.monotonic``."""
        overdue = self.started + self.timeout_s
        return overdue if self.asked_since is None else min(overdue, self.asked_since + QUESTION_S)


def run_jobs(session: Session, jobs: Sequence[Job], *, max_in_flight: int) -> None:
    """Start all jobs, never more at once than ``max_in_flight``, and wait until each has a result or an error.

    They are sent in their order, ``SENDERS`` side by side, so neighbours may arrive in another one. Where tasks of a
    kind are over in a moment, as the session knows, they are looked at when they should be; so is a wave of tasks whose
    length is known from the last one. Each is looked at once again if that was early. It is no polling: where both find
    nothing over, the tasks are subscribed to, with what the session keeps for that, as they always are when the caller
    wants to know of progress.

    One job's failure is its own: it is in ``job.error``, as ``errors.py`` maps it, and the others go on. When vCenter
    itself is lost, no further job is started, and all that have not ended have that for their error. A task that is
    overdue has a TaskTimeoutError; unless ``cancel_overdue``, it is left running, and so is one that a question blocks.
    Only an interrupt, or what ``on_progress`` raises, is raised; a start that is on its way then has ``REPLY_S`` to be
    answered.
    Source: TaskInfo, VirtualMachine.runtime.question (vSphere Web Services API).
    """
    waiting, running = deque(jobs), dict[Ref, Job]()
    told = any(job.on_progress for job in jobs)
    paths = {"Task": PROGRESS_PATHS if told else END_PATHS, "VirtualMachine": ("runtime.question",)}
    with ResidentWatch(session, paths) as watch:
        pace = Pace()
        try:
            _start_some(session, waiting, running, max_in_flight)
            look = None if told else _first_look(session.durations, running.values())
            while running:
                has_ended = _take_ended(session, watch, running, look.at if look else None, pace)
                if look is not None and not has_ended and look.again_s is not None:
                    look = Look(time.monotonic() + look.again_s)
                    continue
                if has_ended and running:
                    _take_rest(session, watch, running, pace)
                is_wave = has_ended and bool(waiting) and not told
                _start_some(session, waiting, running, max_in_flight)
                starts = [job.started for job in running.values()]
                look_at = pace.look_at(starts) if is_wave and starts else None
                look = Look(look_at, pace.again_s) if look_at is not None else None
        except VsphereError as lost:
            for job in (*running.values(), *waiting):
                job.error = error_of(job.action, lost)


def _first_look(durations: Durations, jobs: Collection[Job]) -> Look | None:
    """When to look at these jobs, which have just been started; None where they have to be subscribed to.

    How long the first tasks of a kind take is tried out with a single one: a group's are likely to be long.
    """
    if len(jobs) > 1 and not all(durations.is_known(job.kind) for job in jobs):
        return None
    looks = [durations.look(job.kind, job.sent) if job.kind else None for job in jobs]
    known = [look for look in looks if look is not None]
    return max(known, key=lambda look: look.at) if known and len(known) == len(looks) else None


def _start_some(session: Session, waiting: deque[Job], running: dict[Ref, Job], max_in_flight: int) -> None:
    """:raises VsphereError: vCenter is lost: what is sent to it now would only have to be looked for later."""
    while waiting and len(running) < max_in_flight:
        batch = [waiting.popleft() for _ in range(min(len(waiting), max_in_flight - len(running)))]
        try:
            _send(session, batch)
        finally:
            running.update((job.ref, job) for job in batch if job.task is not None)


def _send(session: Session, batch: Sequence[Job]) -> None:
    """Start these jobs, several at once; after vCenter is lost, no further one.

    :raises VsphereError: it is lost.
    """
    losses: list[VsphereError] = []

    def send(job: Job) -> None:
        if losses:
            job.error = error_of(job.action, losses[0])
            return
        try:
            _start(session, job)
        except VsphereError as lost:
            losses.append(lost)

    in_parallel(send, batch, threads=SENDERS, name="start", grace_s=REPLY_S)
    for lost in losses:
        raise lost


def _start(session: Session, job: Job) -> None:
    """Start the job, or set its error.

    :raises VsphereError: vCenter does not answer any more.
    """
    try:
        job.sent = job.sent or time.monotonic()
        with translated(job.action):
            job.task = job.start()
            job.started = time.monotonic()
    except ConnectionFailedError as lost:
        job.error = lost
        with translated("reach vCenter again"):
            session.check_alive()
    except Exception as failure:
        job.error = failure


def _take_ended(session: Session, watch: Watch, running: dict[Ref, Job], look_at: float | None, pace: Pace) -> bool:
    """Wait for a change, or for the time to look; take those off the list that have ended or are overdue.

    :returns: whether there are any.
    """
    nearest = min(job.due for job in running.values())
    targets = {*running, *(job.asked_by for job in running.values() if job.asked_by is not None)}
    with translated("wait for tasks"):
        if look_at is None:
            rows = watch.wait(targets, timeout_s=max(0.0, nearest - time.monotonic()))
        else:
            time.sleep(max(0.0, min(look_at, nearest) - time.monotonic()))
            rows = watch.read(targets)
    ended = [job for job in running.values() if _take(session, job, rows)]
    for job in ended:
        del running[job.ref]
    if ended:
        longest_s = time.monotonic() - min(job.started for job in ended)
        pace.learn([row for job in ended if (row := rows[job.ref]) is not None], longest_s)
        for job in ended:
            session.durations.learn(job.kind, rows[job.ref], longest_s)
    return bool(ended)


def _take_rest(session: Session, watch: Watch, running: dict[Ref, Job], pace: Pace) -> None:
    """Those of a wave that should be over in a moment, before others take the slots of the first that have ended."""
    look_at = pace.look_at([job.started for job in running.values()])
    soon = time.monotonic() + 2 * pace.spare_s  # how far apart they end is not known from the first alone
    if look_at is None or look_at > soon + MOST_APART_S:
        time.sleep(pace.spare_s)
    else:
        _take_ended(session, watch, running, max(look_at, soon), pace)


def _take(session: Session, job: Job, rows: Mapping[Ref, Row | None]) -> bool:
    """Whether the job has ended or is given up; its result or error is set then."""
    row = rows[job.ref]
    state = row.get("info.state") if row is not None else None
    job.ended = row is None or state in ("success", "error")
    if row is None:
        job.error = task_gone(job.action)
    elif state == "success":
        job.result = row.get("info.result")
        _tell(job, 100)
    elif state == "error":
        job.error = _failure(session, job)
    elif not _give_up(job, rows):
        _tell(job, row.get("info.progress"))
        return False
    return True


def _give_up(job: Job, rows: Mapping[Ref, Row | None]) -> bool:
    """Whether the job has had its time; its error is set then."""
    asker = rows.get(job.asked_by) if job.asked_by is not None else None
    question = asker.get("runtime.question") if asker is not None else None
    now = time.monotonic()
    job.asked_since = (job.asked_since or now) if question else None
    if now < job.due:
        return False
    if question:
        job.error = task_blocked(job.action, question)
        return True
    job.error = task_overdue(job.action, job.ref, job.timeout_s)
    if job.cancel_overdue:
        start_cancel(job.task)
    return True


def _failure(session: Session, job: Job) -> Exception:
    """Why the task failed; or why that could not be read."""
    try:
        with translated(job.action):
            return fetch_failure(session, job.ref, job.action)
    except VsphereError as unread:
        return unread


def start_cancel(task: Any) -> None:
    """Ask vCenter to cancel the task. It may refuse, or be done already.

    Source: Task.CancelTask (vSphere Web Services API).
    """
    with suppress(VsphereError, vmodl.MethodFault, *CONNECTION_ERRORS):
        task.CancelTask()


def _tell(job: Job, progress: int | None) -> None:
    if job.on_progress is not None and progress not in (None, job.progress):
        job.progress = progress
        job.on_progress(progress or 0)
