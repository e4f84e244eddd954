"""Many real tasks at once, driven by hand: each ends its own way, and nothing else is said of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from libcloud_vsphere_clone.errors import ConnectionFailedError, NoPlacementError, TaskError, TaskTimeoutError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import jobs as jobs_module
from libcloud_vsphere_clone.vcenter import pace
from libcloud_vsphere_clone.vcenter.jobs import Job, run_jobs
from libcloud_vsphere_clone.vcenter.properties import fetch_rows
from libcloud_vsphere_clone.vcenter.rows import Ref
from libcloud_vsphere_clone.vcenter.session import Session

NewTask = Callable[[], Any]
LONG_S = 60.0
"""Longer than any of these takes."""


@pytest.fixture
def drive() -> Iterator[Callable[[Any, float], None]]:
    """Lets a task run and succeed after so many seconds."""
    timers: list[threading.Timer] = []

    def succeed(task: Any) -> None:
        task.SetTaskState(state="running")
        task.SetTaskState(state="success", result=task._moId)

    def start(task: Any, after_s: float) -> None:
        timers.append(threading.Timer(after_s, succeed, (task,)))
        timers[-1].start()

    yield start
    for timer in timers:
        timer.join(60)


def job(start: Callable[[], Any], timeout_s: float = LONG_S, **words: Any) -> Job:
    return Job("make it", start, timeout_s, **words)


def succeeding(new_task: NewTask, drive: Any, after_s: float = 0.05) -> Callable[[], Any]:
    def start() -> Any:
        task = new_task()
        drive(task, after_s)
        return task

    return start


def ended(new_task: NewTask, fault: Any = None) -> Callable[[], Any]:
    """Starts a task that has ended already."""

    def start() -> Any:
        task = new_task()
        task.SetTaskState(state="running")
        if fault is None:
            task.SetTaskState(state="success", result="made")
        else:
            task.SetTaskState(state="error", fault=fault)
        return task

    return start


def refused() -> Any:
    raise vim.fault.NoDiskSpace(datastore="shared-1")


def test_nothing_to_do_asks_nothing(calm_lab: Lab, session: Session) -> None:
    calm_lab.reset_calls()
    run_jobs(session, [], max_in_flight=8)
    assert calm_lab.calls().total == 0


@pytest.mark.parametrize("max_in_flight", [1, 2, 9])
def test_each_has_its_result(session: Session, new_task: NewTask, drive: Any, max_in_flight: int) -> None:
    jobs = [job(succeeding(new_task, drive)) for _ in range(5)]
    run_jobs(session, jobs, max_in_flight=max_in_flight)
    assert [one.error for one in jobs] == [None] * 5
    assert [one.result for one in jobs] == [one.task._moId for one in jobs]
    assert all(one.ended for one in jobs)


def test_no_more_are_started_than_allowed(session: Session, new_task: NewTask, drive: Any) -> None:
    jobs: list[Job] = []
    under_way: list[int] = []
    most, lock, three = 0, threading.Lock(), threading.Barrier(3)

    def start() -> Any:
        nonlocal most
        with lock:
            under_way.append(1)
            number = len(under_way)
            most = max(most, number - sum(one.ended for one in jobs))
        if number <= 3:
            three.wait(timeout=60)  # none goes on before three of them are here
        return succeeding(new_task, drive, 0.03)()

    jobs += [job(start) for _ in range(7)]
    run_jobs(session, jobs, max_in_flight=3)
    assert most == 3
    assert all(one.result for one in jobs)


def test_starts_are_sent_side_by_side_and_their_order_is_kept(session: Session, new_task: NewTask) -> None:
    begun: list[int] = []
    eight = threading.Barrier(8)

    def start(number: int) -> Any:
        begun.append(number)
        eight.wait(timeout=60)  # none goes on before eight of them are here
        return ended(new_task)()

    jobs = [job(partial(start, number)) for number in range(16)]
    run_jobs(session, jobs, max_in_flight=8)
    assert [one.error for one in jobs] == [None] * 16
    assert set(begun[:8]) == set(range(8))


def test_a_wave_of_known_length_is_looked_at_once(
    calm_lab: Lab, session: Session, new_task: NewTask, drive: Any
) -> None:
    for _ in range(4):  # what slows the machine makes a wave come apart: one of so many tries is not slowed
        jobs = [job(succeeding(new_task, drive, 1.0)) for _ in range(8)]
        calm_lab.reset_calls()
        run_jobs(session, jobs, max_in_flight=2)
        assert [one.error for one in jobs] == [None] * 8
        calls = calm_lab.calls().by_method
        looks = calls.get("RetrievePropertiesEx", 0)
        if looks >= 3 and calls["WaitForUpdatesEx"] < 8:
            break
    assert looks >= 3  # the rest of the first, and each of the others
    assert calls["WaitForUpdatesEx"] < 8


def test_a_look_that_was_early_is_followed_by_one_more_and_then_by_a_subscription(
    calm_lab: Lab, session: Session, new_task: NewTask, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "LATE_S", -0.3)  # so that each first look is early
    for again_s, subscriptions in ((0.5, 1), (0.01, 4)):
        monkeypatch.setattr(pace, "AGAIN_S", again_s)
        for _ in range(4):  # what slows the machine makes a wave come apart: one of so many tries is not slowed
            jobs = [job(succeeding(new_task, drive, 1.0)) for _ in range(4)]
            calm_lab.reset_calls()
            run_jobs(session, jobs, max_in_flight=1)
            assert [one.error for one in jobs] == [None] * 4
            calls = calm_lab.calls().by_method
            lists = calls.get("CreateListView", 0) + calls.get("ResetListView", 0)
            if lists == subscriptions:
                break
        assert lists == subscriptions


def test_one_failure_is_its_own(session: Session, new_task: NewTask) -> None:
    fault = vim.fault.NoDiskSpace(datastore="shared-1")
    starts = [ended(new_task), ended(new_task, fault), refused, ended(new_task)]
    jobs = [job(start) for start in starts]
    run_jobs(session, jobs, max_in_flight=2)
    assert [type(one.error) for one in jobs] == [type(None), NoPlacementError, NoPlacementError, type(None)]
    assert "could not make it" in str(jobs[1].error)
    assert [one.ended for one in jobs] == [True, True, False, True]


def test_a_bug_in_a_start_is_that_jobs_own(session: Session, new_task: NewTask) -> None:
    jobs = [job(lambda: 1 / 0), job(ended(new_task))]
    run_jobs(session, jobs, max_in_flight=1)
    assert [type(one.error) for one in jobs] == [ZeroDivisionError, type(None)]


def test_why_one_failed_cannot_be_read(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    jobs = [job(ended(new_task, vim.fault.NoDiskSpace(datastore="shared-1"))), job(ended(new_task))]
    calm_lab.faults.add("RetrieveProperties", when="reset-before", times=0)
    run_jobs(session, jobs, max_in_flight=2)
    assert [type(one.error) for one in jobs] == [ConnectionFailedError, type(None)]


@pytest.mark.parametrize("cancel", [False, True])
def test_each_has_a_deadline_of_its_own(calm_lab: Lab, session: Session, new_task: NewTask, cancel: bool) -> None:
    jobs = [job(new_task, 0.3, cancel_overdue=cancel), job(ended(new_task)), job(ended(new_task))]
    calm_lab.reset_calls()
    run_jobs(session, jobs, max_in_flight=1)
    assert [type(one.error) for one in jobs] == [TaskTimeoutError, type(None), type(None)]
    assert calm_lab.calls().by_method.get("CancelTask", 0) == int(cancel)
    assert not jobs[0].ended


def test_what_ended_before_anyone_looked_is_not_overdue(session: Session, new_task: NewTask) -> None:
    def slow_start() -> Any:
        time.sleep(0.3)
        return ended(new_task)()

    jobs = [job(ended(new_task), 0.1), job(slow_start)]
    run_jobs(session, jobs, max_in_flight=2)
    assert [one.error for one in jobs] == [None, None]


def test_a_task_that_vcenter_forgot_is_an_error(session: Session, new_task: NewTask) -> None:
    jobs = [job(lambda: session.managed("Task", "task-never-was")), job(ended(new_task))]
    run_jobs(session, jobs, max_in_flight=2)
    assert isinstance(jobs[0].error, TaskError)
    assert "no longer knows" in str(jobs[0].error)
    assert jobs[1].error is None


@pytest.fixture
def asking(calm_lab: Lab, session: Session) -> Iterator[Ref]:
    """A VM with a question."""
    rows = fetch_rows(session, {"VirtualMachine": ("name",)})
    vm = next(ref for ref, row in rows.items() if row["name"] == "legacy-db")
    question = {"id": "q1", "text": "moved or copied?", "choice": {}}
    calm_lab.control.change_vm(vm.moid, {"runtime.question": question})
    yield vm
    calm_lab.control.change_vm(vm.moid, {"runtime.question": None})


def test_a_question_that_nobody_answers_is_that_jobs_error(
    calm_lab: Lab, session: Session, new_task: NewTask, drive: Any, asking: Ref, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "QUESTION_S", 0.3)
    jobs = [job(new_task, 600, asked_by=asking), job(succeeding(new_task, drive, 1.0))]
    run_jobs(session, jobs, max_in_flight=2)
    assert isinstance(jobs[0].error, TaskError)
    assert "could not make it: the VM asks 'moved or copied?' and waits" in str(jobs[0].error)
    assert not jobs[0].ended
    assert jobs[1].error is None


def test_a_question_of_a_job_that_joins_the_others_is_seen(
    session: Session, new_task: NewTask, asking: Ref, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "QUESTION_S", 0.3)
    jobs = [job(ended(new_task)), job(new_task, 600, asked_by=asking), job(ended(new_task))]
    run_jobs(session, jobs, max_in_flight=1)
    assert [type(one.error) for one in jobs] == [type(None), TaskError, type(None)]


def test_a_question_that_is_answered_in_time_is_no_error(
    calm_lab: Lab, session: Session, new_task: NewTask, drive: Any, asking: Ref, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "QUESTION_S", LONG_S)  # a busy machine answers late

    def start() -> Any:
        threading.Timer(0.3, calm_lab.control.change_vm, (asking.moid, {"runtime.question": None})).start()
        return succeeding(new_task, drive, 0.6)()

    jobs = [job(start, asked_by=asking)]
    run_jobs(session, jobs, max_in_flight=1)
    assert jobs[0].error is None


def test_progress_is_told_when_it_changes(session: Session, new_task: NewTask) -> None:
    seen: list[int] = []
    threads: list[threading.Thread] = []
    deadline = time.monotonic() + LONG_S

    def start() -> Any:
        task = new_task()
        task.SetTaskState(state="running")
        threads.append(threading.Thread(target=advance, args=(task,)))
        threads[-1].start()
        return task

    def advance(task: Any) -> None:
        for percent in (10, 10, 60):
            task.UpdateProgress(percentDone=percent)
            while percent not in seen and time.monotonic() < deadline:
                time.sleep(0.01)
        task.SetTaskState(state="success")

    run_jobs(session, [job(start, on_progress=seen.append)], max_in_flight=1)
    threads[0].join(60)
    assert seen == sorted(set(seen))
    assert {10, 60, 100} <= set(seen)


def test_what_the_caller_raises_ends_it_all(session: Session, new_task: NewTask) -> None:
    def fail(_: int) -> None:
        raise RuntimeError("no terminal")

    with pytest.raises(RuntimeError):
        run_jobs(session, [job(ended(new_task), on_progress=fail)], max_in_flight=1)


def test_when_vcenter_is_lost_nothing_more_is_started(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    sent: list[int] = []

    def start() -> Any:
        sent.append(1)
        if len(sent) == 2:
            calm_lab.faults.add("*", when="reset-before", times=0)
        return new_task()

    jobs = [job(start) for _ in range(6)]
    run_jobs(session, jobs, max_in_flight=5)
    calm_lab.faults.clear()
    assert 2 <= len(sent) <= 5  # those on their way side by side
    errors = [one.error for one in jobs]
    assert [type(error) for error in errors] == [ConnectionFailedError] * 6
    assert len({id(error) for error in errors}) == 6  # each can be noted on by itself
    assert all("could not make it" in str(error) for error in errors)


def test_one_lost_reply_does_not_stop_the_others(session: Session, new_task: NewTask) -> None:
    def lost() -> Any:
        raise ConnectionResetError

    jobs = [job(ended(new_task)), job(lost), job(ended(new_task))]
    run_jobs(session, jobs, max_in_flight=3)
    assert [type(one.error) for one in jobs] == [type(None), ConnectionFailedError, type(None)]


def test_a_wait_that_is_refused_is_the_error_of_all(calm_lab: Lab, session: Session, new_task: NewTask) -> None:
    calm_lab.faults.add("CreateFilter", fault="NoPermission", times=0)
    jobs = [job(new_task) for _ in range(3)]
    run_jobs(session, jobs, max_in_flight=2)
    assert [one.task is None for one in jobs] == [False, False, True]
    assert all(isinstance(getattr(one.error, "fault", None), vmodl.MethodFault) for one in jobs)
