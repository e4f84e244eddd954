"""One subscription for tasks that come and go, on real tasks of the lab that are driven by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.jobs import PROGRESS_PATHS
from libcloud_vsphere_clone.vcenter.rows import Ref, Updates
from libcloud_vsphere_clone.vcenter.session import Session
from libcloud_vsphere_clone.vcenter.subscription import Subscription
from libcloud_vsphere_clone.vcenter.watch import Watch
from tests.direct import await_calls

NewTask = Callable[[], Any]
PATHS = {"Task": PROGRESS_PATHS}
GONE = Ref("Task", "task-never-was")


@pytest.fixture(autouse=True)
def _nothing_is_left(calm_lab: Lab) -> Iterator[None]:
    yield
    left = calm_lab.control.leftovers()
    assert (left.collectors, left.filters, left.views) == (0, 0, 0)


def ref_of(task: Any) -> Ref:
    return Ref("Task", task._moId)


def test_the_present_state_is_told_at_once(session: Session, new_task: NewTask) -> None:
    queued, done = new_task(), new_task()
    done.SetTaskState(state="running")
    done.SetTaskState(state="success", result="made")
    with Watch(session, PATHS) as watch:
        rows = watch.wait([ref_of(queued), ref_of(done)], timeout_s=10)
    first, second = rows[ref_of(queued)], rows[ref_of(done)]
    assert first is not None and first["info.state"] == "queued"
    assert second is not None and (second["info.state"], second["info.result"]) == ("success", "made")


def test_even_without_any_time_the_present_state_is_read(session: Session, new_task: NewTask) -> None:
    done = new_task()
    done.SetTaskState(state="running")
    done.SetTaskState(state="success")
    with Watch(session, PATHS) as watch:
        row = watch.wait([ref_of(done)], timeout_s=0)[ref_of(done)]
    assert row is not None and row["info.state"] == "success"


def test_a_change_ends_the_wait(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    tasks = [new_task() for _ in range(3)]
    refs = [ref_of(task) for task in tasks]
    with Watch(session, PATHS) as watch:
        watch.wait(refs, timeout_s=60)
        calm_lab.reset_calls()
        with ThreadPoolExecutor(1) as threads:
            started = time.monotonic()
            waiting = threads.submit(watch.wait, refs, timeout_s=60)
            await_calls(calm_lab, "WaitForUpdatesEx", 1)
            tasks[1].SetTaskState(state="running")
            rows = waiting.result()
    assert time.monotonic() - started < 50  # it does not sit out its time
    assert [row["info.state"] for row in (rows[ref] for ref in refs) if row] == ["queued", "running", "queued"]


def test_the_time_ends_the_wait(session: Session, new_task: NewTask) -> None:
    ref = ref_of(new_task())
    with Watch(session, PATHS) as watch:
        watch.wait([ref], timeout_s=10)
        started = time.monotonic()
        row = watch.wait([ref], timeout_s=0.3)[ref]
    assert 0.2 < time.monotonic() - started < 8  # one long poll may take the session's ten seconds
    assert row is not None and row["info.state"] == "queued"


def test_tasks_join_and_leave_for_one_call(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    tasks = [new_task() for _ in range(4)]
    refs = [ref_of(task) for task in tasks]
    with Watch(session, PATHS) as watch:
        watch.wait(refs[:2], timeout_s=10)
        calm_lab.reset_calls()
        rows = watch.wait(refs[1:], timeout_s=10)
        assert calm_lab.calls().by_method["CreateFilter"] == 1
        watch.wait(refs[2:], timeout_s=0)  # fewer: nothing to tell the server
        assert calm_lab.calls().by_method["CreateFilter"] == 1
    assert set(rows) == set(refs[1:])
    assert all(row is not None and row["info.state"] == "queued" for row in rows.values())


def test_a_task_that_vcenter_has_forgotten_is_none(session: Session, new_task: NewTask) -> None:
    ref = ref_of(new_task())
    with Watch(session, PATHS) as watch:
        rows = watch.wait([ref, GONE], timeout_s=1)
        assert rows[GONE] is None
        assert rows[ref] is not None


def test_a_task_that_joins_and_is_forgotten_is_none(session: Session, new_task: NewTask) -> None:
    ref = ref_of(new_task())
    with Watch(session, PATHS) as watch:
        watch.wait([ref], timeout_s=1)
        rows = watch.wait([ref, GONE], timeout_s=1)
        assert rows[GONE] is None
        assert rows[ref] is not None


def test_a_task_that_goes_while_all_is_told_is_none(
    session: Session, new_task: NewTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake: nobody is fast enough to remove a task between the filter and the first answer."""
    ref = ref_of(new_task())
    monkeypatch.setattr(Subscription, "read", lambda self, wait_s: iter([Updates("1", [], [ref], False)]))
    with Watch(session, PATHS) as watch:
        assert watch.wait([ref], timeout_s=1) == {ref: None}


def test_it_is_made_anew_when_the_session_ends(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    tasks = [new_task(), new_task()]
    refs = [ref_of(task) for task in tasks]
    with Watch(session, PATHS) as watch:
        watch.wait(refs, timeout_s=10)
        calm_lab.expire_sessions()
        tasks[0].SetTaskState(state="running")
        rows = watch.wait(refs, timeout_s=10)
    first = rows[refs[0]]
    assert first is not None and first["info.state"] == "running"


@pytest.mark.parametrize("method", ["CreatePropertyCollector", "CreateFilter", "WaitForUpdatesEx"])
@pytest.mark.parametrize("when", ["reset-before", "reset-after"])
def test_a_lost_reply_is_lived_with(calm_lab: Lab, session: Session, new_task: NewTask, method: str, when: str) -> None:
    refs = [ref_of(new_task()), ref_of(new_task())]
    calm_lab.faults.add(method, when=when)
    try:
        with Watch(session, PATHS) as watch:
            watch.wait(refs[:1], timeout_s=10)
            rows = watch.wait(refs, timeout_s=10)
        assert all(row is not None and row["info.state"] == "queued" for row in rows.values())
    finally:
        session.close()  # a collector that was made and never told of ends with it


def test_a_vcenter_that_is_gone_is_given_up(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    ref = ref_of(new_task())
    rule = calm_lab.faults.add("*", when="reset-before", times=0)
    with Watch(session, PATHS) as watch, pytest.raises(OSError):
        watch.wait([ref], timeout_s=10)
    calm_lab.faults.remove(rule)


def test_no_answer_in_time_is_not_asked_for_again(calm_lab: Lab, connect: Any, new_task: NewTask) -> None:
    ref = ref_of(new_task())
    impatient = connect(timeout_s=1.5)
    calm_lab.faults.add("CreatePropertyCollector", when="stall")  # until the client gives up
    with Watch(impatient, PATHS) as watch, pytest.raises(TimeoutError):
        watch.wait([ref], timeout_s=10)
    assert calm_lab.calls().by_method["CreatePropertyCollector"] == 1
    impatient.close()  # and with it goes the collector that nobody was told of


def test_tasks_can_be_read_without_a_subscription(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    tasks = [new_task() for _ in range(3)]
    refs = [ref_of(task) for task in tasks]
    with Watch(session, PATHS) as watch:
        watch.wait(refs[:1], timeout_s=10)
        calm_lab.reset_calls()
        rows = watch.read([*refs, GONE])
        assert calm_lab.calls().total == 1
        assert rows.pop(GONE) is None
        assert all(row is not None and row["info.state"] == "queued" for row in rows.values())
        tasks[0].SetTaskState(state="running")
        after = watch.wait(refs, timeout_s=10)
    assert [row["info.state"] for row in after.values() if row is not None] == ["running", "queued", "queued"]
