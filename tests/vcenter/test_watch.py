"""One subscription for tasks that come and go, on real tasks of the lab that are driven by hand."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.jobs import PROGRESS_PATHS
from libcloud_vsphere_clone.vcenter.rows import Ref, Updates
from libcloud_vsphere_clone.vcenter.session import MOST_KEPT, Session
from libcloud_vsphere_clone.vcenter.subscription import Subscription
from libcloud_vsphere_clone.vcenter.watch import ResidentWatch, Watch
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


# What the session keeps from one short wait to the next


def state(session: Session, task: Any) -> object:
    """The state of a task as a wait of its own tells it."""
    with ResidentWatch(session, PATHS) as watch:
        row = watch.wait([ref_of(task)], timeout_s=10)[ref_of(task)]
    return row and row.get("info.state")


def collectors(lab: Lab) -> tuple[int, int]:
    left = lab.control.leftovers()
    return left.collectors, left.filters


def test_each_further_wait_costs_one_call_to_begin_with(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    tasks = [new_task() for _ in range(5)]
    calm_lab.reset_calls()
    assert state(session, tasks[0]) == "queued"
    begun = {"CreatePropertyCollector": 1, "CreateListView": 1, "CreateFilter": 1, "WaitForUpdatesEx": 1}
    assert calm_lab.calls().by_method == begun
    for task in tasks[1:]:
        calm_lab.reset_calls()
        assert state(session, task) == "queued"
        assert calm_lab.calls().by_method == {"ResetListView": 1, "WaitForUpdatesEx": 1}
    assert collectors(calm_lab) == (1, 1)
    assert [len(kept.rows) for kept in session._kept] == [1]  # what was looked at before is not kept


def test_the_same_task_again_is_told_as_it_is_by_then(session: Session, new_task: NewTask) -> None:
    task = new_task()
    assert state(session, task) == "queued"
    task.SetTaskState(state="running")
    assert state(session, task) == "running"


def test_a_kept_wait_that_knows_its_task_does_not_repeat_what_it_was_told_last(
    session: Session, new_task: NewTask
) -> None:
    task, other = new_task(), new_task()
    assert state(session, task) == "queued"
    assert state(session, other) == "queued"
    task.SetTaskState(state="running")
    assert state(session, task) == "running"


def test_waits_with_other_paths_have_another(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    task = new_task()
    assert state(session, task) == "queued"
    with ResidentWatch(session, {"Task": ("info.progress", "info.state")}) as watch:
        assert watch.wait([ref_of(task)], timeout_s=10)[ref_of(task)] is not None
    assert collectors(calm_lab) == (2, 2)


def test_an_unknown_task_at_the_beginning_is_none(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    task = new_task()
    with ResidentWatch(session, PATHS) as watch:
        rows = watch.wait([ref_of(task), GONE], timeout_s=10)
    row = rows[ref_of(task)]
    assert row is not None and row["info.state"] == "queued"
    assert rows[GONE] is None
    assert calm_lab.calls().by_method["CreateListView"] == 2


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_what_a_wait_broke_off_is_removed(
    calm_lab: Lab, session: Session, new_task: NewTask, failure: type[BaseException]
) -> None:
    task = new_task()
    assert state(session, task) == "queued"
    with pytest.raises(failure), ResidentWatch(session, PATHS) as watch:
        watch.wait([ref_of(task)], timeout_s=0)
        raise failure
    assert collectors(calm_lab) == (0, 0)
    assert state(session, task) == "queued"


def test_threads_have_one_each_and_few_are_kept(
    calm_lab: Lab, session: Session, new_task: NewTask, together: Callable[..., Any]
) -> None:
    task, at_once = new_task(), threading.Barrier(20)

    def wait() -> object:
        with ResidentWatch(session, PATHS) as watch:
            row = watch.wait([ref_of(task)], timeout_s=10)[ref_of(task)]
            at_once.wait(60)  # so that none is given back before all have one
        return row and row.get("info.state")

    assert [future.result() for future in together(wait)] == ["queued"] * 20
    assert collectors(calm_lab) == (MOST_KEPT, MOST_KEPT)
    session.close()
    assert collectors(calm_lab) == (0, 0)


@pytest.mark.parametrize("silent", [False, True])
def test_it_is_made_anew_after_its_session(calm_lab: Lab, session: Session, new_task: NewTask, silent: bool) -> None:
    task = new_task()
    assert state(session, task) == "queued"
    calm_lab.control.expire_sessions(silent=silent)
    assert state(session, task) == "queued"
    assert collectors(calm_lab) == (1, 1)
    calm_lab.control.expire_sessions(silent=silent)
    session.check_alive()
    calm_lab.reset_calls()
    assert state(session, task) == "queued"
    assert "ResetListView" not in calm_lab.calls().by_method  # it was known to be gone


def test_a_session_that_ends_during_the_wait_loses_nothing(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    tasks = [new_task(), new_task()]
    assert state(session, tasks[0]) == "queued"
    with ResidentWatch(session, PATHS) as watch:
        watch.wait([ref_of(tasks[1])], timeout_s=10)
        calm_lab.expire_sessions()
        tasks[1].SetTaskState(state="running")
        row = watch.wait([ref_of(tasks[1])], timeout_s=10)[ref_of(tasks[1])]
    assert row is not None and row["info.state"] == "running"
    assert collectors(calm_lab) == (1, 1)


def test_one_that_the_server_lost_is_made_anew(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    tasks = [new_task(), new_task()]
    assert state(session, tasks[0]) == "queued"
    session._kept[0].subscription._collector.DestroyPropertyCollector()
    assert state(session, tasks[1]) == "queued"
    session._kept[0].view.DestroyView()
    assert state(session, tasks[0]) == "queued"


def test_a_forked_child_leaves_its_parents_alone(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    task = new_task()
    assert state(session, task) == "queued"
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            assert state(session, task) == "queued"
            session.close()
            os._exit(7)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert collectors(calm_lab) == (1, 1)
    calm_lab.reset_calls()
    assert state(session, new_task()) == "queued"
    assert calm_lab.calls().by_method.get("CreatePropertyCollector", 0) == 0
