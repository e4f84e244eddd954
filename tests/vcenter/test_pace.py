"""When a wave of tasks should be over; no lab, no clock."""

from __future__ import annotations

import pytest

from libcloud_vsphere_clone.vcenter.pace import FIRST_LOOK_S, LATE_S, SHORT_S, SPARE_S, Durations, Look, Pace
from libcloud_vsphere_clone.vcenter.rows import Ref, Row

MIDNIGHT = "2026-01-01T00:00:00"


def lasted(seconds: float, **changes: str) -> Row:
    row = Row(Ref("Task", "task-1"))
    row.update({"info.queueTime": f"{MIDNIGHT}Z", "info.completeTime": f"2026-01-01T00:00:{seconds:06.3f}Z"})
    row.update(changes)
    return row


def test_nobody_knows_before_one_has_ended() -> None:
    pace = Pace()
    assert pace.look_at([0.0]) is None
    pace.learn([Row(Ref("Task", "task-1"))], 60)  # without its times
    pace.learn([lasted(3, **{"info.completeTime": "soon"})], 60)
    assert pace.look_at([0.0]) is None


def test_a_wave_is_over_when_its_last_should_be() -> None:
    pace = Pace()
    pace.learn([lasted(3), lasted(3.2)], 60)
    assert pace.look_at([10.0, 10.1]) == pytest.approx(13.3 + LATE_S)
    assert pace.look_at([10.0, 10.4]) is None  # too far apart


def test_what_ended_last_counts() -> None:
    pace = Pace()
    pace.learn([lasted(9)], 60)
    pace.learn([], 60)
    pace.learn([lasted(1)], 60)
    assert pace.look_at([0.0]) == pytest.approx(1.05)


@pytest.mark.parametrize(("shortest_s", "longest_s"), [(0.02, 0.4), (20, 21), (1, 1.4)])
def test_slots_are_not_left_idle_for_long(shortest_s: float, longest_s: float) -> None:
    pace = Pace()
    pace.learn([lasted(shortest_s), lasted(longest_s)], 60)
    assert pace.look_at([0.0]) is None


def test_a_clock_that_was_set_forward_postpones_nothing() -> None:
    pace = Pace()
    pace.learn([lasted(3, **{"info.completeTime": "2026-01-01T07:00:03Z"})], 3.1)
    assert pace.look_at([10.0]) == pytest.approx(13.1 + LATE_S)


def test_clocks_that_were_set_back_do_no_harm() -> None:
    pace = Pace()
    pace.learn([lasted(0, **{"info.queueTime": "2026-01-01T00:00:05Z"})], 60)
    assert pace.look_at([0.0]) is None


def test_the_first_task_of_a_kind_is_looked_at_soon_and_twice_at_most() -> None:
    durations = Durations()
    durations.learn("Other_Task", lasted(0.1), 60)
    assert durations.look("Destroy_Task", 10.0) == Look(10.0 + FIRST_LOOK_S, FIRST_LOOK_S)
    clone = durations.look("CloneVM_Task", 10.0)
    assert clone is not None and clone.at > 10.0 + FIRST_LOOK_S


def test_a_short_task_is_looked_at_when_it_should_be_over() -> None:
    durations = Durations()
    durations.learn("Destroy_Task", lasted(0.1), 60)
    look = durations.look("Destroy_Task", 10.0)
    assert look is not None
    assert look.at == pytest.approx(10.11 + SPARE_S)
    assert look.again_s == pytest.approx(0.035 + SPARE_S)


def test_what_rises_is_believed_at_once_and_what_falls_by_half() -> None:
    durations = Durations()
    for lasting, expected in ((0.1, 0.1), (0.2, 0.2), (0.1, 0.15), (0.1, 0.125)):
        durations.learn("Destroy_Task", lasted(lasting), 60)
        look = durations.look("Destroy_Task", 0.0)
        assert look is not None and look.at == pytest.approx(1.1 * expected + SPARE_S)


def test_a_long_task_is_not_looked_at_until_such_tasks_are_short_again() -> None:
    durations = Durations()
    durations.learn("CloneVM_Task", lasted(40), 60)
    assert durations.look("CloneVM_Task", 0.0) is None
    durations.learn("CloneVM_Task", lasted(0.02), 60)
    assert durations.look("CloneVM_Task", 0.0) is None
    durations.learn("CloneVM_Task", lasted(0.02), 60)
    look = durations.look("CloneVM_Task", 0.0)
    assert look is not None and look.at < SHORT_S


def test_neither_a_wrong_clock_nor_missing_times_teach_much() -> None:
    durations = Durations()
    durations.learn("Destroy_Task", None, 60)
    durations.learn("Destroy_Task", Row(Ref("Task", "task-1")), 60)
    assert durations.look("Destroy_Task", 0.0) == Look(FIRST_LOOK_S, FIRST_LOOK_S)
    durations.learn("Destroy_Task", lasted(9), 0.1)
    look = durations.look("Destroy_Task", 0.0)
    assert look is not None and look.at == pytest.approx(0.11 + SPARE_S)
