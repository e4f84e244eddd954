"""Sessions that end just before any of the calls of whatever goes on: the outcome is the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone.errors import NoPlacementError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.jobs import Job, run_jobs
from libcloud_vsphere_clone.vcenter.mirror import Mirror
from libcloud_vsphere_clone.vcenter.properties import fetch_rows, iterate_rows
from libcloud_vsphere_clone.vcenter.rows import Ref
from libcloud_vsphere_clone.vcenter.session import Session
from libcloud_vsphere_clone.vcenter.tasks import cancel_task, running_tasks, wait_task
from libcloud_vsphere_clone.vcenter.updates import watch_rows

from .conftest import BY_HAND

PATHS = {"VirtualMachine": ("name", "parent"), "Folder": ("name",), "Datacenter": ("name",)}
Work = Callable[[Session, Callable[[], Any]], object]


def listing(session: Session, _: object) -> object:
    return fetch_rows(session, PATHS)


def mixed_reading(session: Session, _: object) -> object:
    folder = Ref("Folder", session.content.rootFolder._moId)
    return fetch_rows(session, PATHS, objects=[folder], everywhere=("VirtualMachine",))


def streaming(session: Session, _: object) -> object:
    return {row.ref: row for row in iterate_rows(session, PATHS, everywhere=PATHS)}


def mirroring(session: Session, _: object) -> object:
    mirror = Mirror(session, PATHS)
    rows = [mirror.read() for _ in range(4)]
    mirror.close()
    return rows


def watching(session: Session, _: object) -> object:
    folder = Ref("Folder", session.content.rootFolder._moId)
    with closing(watch_rows(session, {folder: ("name",)}, timeout_s=20)) as changes:
        return next(changes)


def working(session: Session, new_task: Callable[[], Any]) -> object:
    """Three jobs, one after the other; the second fails."""

    def end(task: Any, fault: Any = None) -> Any:
        task.SetTaskState("running", None, None)
        task.SetTaskState("error" if fault else "success", None if fault else "made", fault)
        return task

    tasks = [end(new_task()), end(new_task(), vim.fault.NoDiskSpace(datastore="shared-1")), end(new_task())]
    jobs = [Job("make it", iter([task]).__next__, 30.0) for task in tasks]
    run_jobs(session, jobs, max_in_flight=1)
    return [(job.result, type(job.error)) for job in jobs]


def failing(session: Session, new_task: Callable[[], Any]) -> object:
    task = new_task()
    task.SetTaskState("running", None, None)
    task.SetTaskState("error", None, vim.fault.NoDiskSpace(datastore="shared-1"))
    with pytest.raises(NoPlacementError):
        wait_task(session, task, "make it", timeout_s=30)
    return None


def cancelling(session: Session, new_task: Callable[[], Any]) -> object:
    task = new_task()
    cancel_task(session, task, timeout_s=30)
    return [task for task in running_tasks(session, Ref("Folder", "group-d1"), "x") if task]


@pytest.mark.parametrize("silent", [False, True], ids=["told", "silent"])
@pytest.mark.parametrize("work", [listing, mixed_reading, streaming, mirroring, watching, working, failing, cancelling])
def test_a_session_may_end_before_any_call(
    calm_lab: Lab,
    session: Session,
    new_task: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
    work: Work,
    silent: bool,
) -> None:
    reply, left = session.stub._reply, -1
    calls = 0

    def expiring(method: str, *how: Any) -> Any:
        nonlocal calls
        calls += method not in BY_HAND
        if calls == left and method not in BY_HAND:
            calm_lab.control.expire_sessions(silent=silent)
        return reply(method, *how)

    monkeypatch.setattr(session.stub, "_reply", expiring)
    expected = work(session, new_task)
    usual = calls
    for left in range(1, usual + 1):
        calls = 0
        assert work(session, new_task) == expected, f"the session ended before call {left} of {usual}"
    calls, left = 0, -1
    work(session, new_task)
    assert calls <= usual
    left_over = calm_lab.control.leftovers()
    kept = int(work in (working, failing))  # for the next wait on tasks
    assert (left_over.collectors, left_over.filters) == (kept, kept)
    session.close()
    left_over = calm_lab.control.leftovers()
    assert (left_over.collectors, left_over.filters) == (0, 0)
