from __future__ import annotations

import math

from libcloud_vsphere_clone.guest.debounce import Debounce


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_state_has_to_hold() -> None:
    clock = Clock()
    debounce = Debounce(clock)
    assert not debounce.has_held("off", True, 2)
    assert debounce.next_due == 102
    clock.now = 101.9
    assert not debounce.has_held("off", True, 2)
    clock.now = 102
    assert debounce.has_held("off", True, 2)
    assert debounce.next_due == math.inf


def test_a_break_begins_it_anew() -> None:
    clock = Clock()
    debounce = Debounce(clock)
    debounce.has_held("off", True, 2)
    clock.now = 101
    assert not debounce.has_held("off", False, 2)
    assert debounce.next_due == math.inf
    clock.now = 103
    assert not debounce.has_held("off", True, 2)
    assert debounce.next_due == 105


def test_states_are_apart_and_the_nearest_counts() -> None:
    debounce = Debounce(Clock())
    debounce.has_held("no tools", True, 60)
    debounce.has_held("off", True, 2)
    assert debounce.next_due == 102
    debounce.has_held("off", False, 2)
    assert debounce.next_due == 160


def test_no_time_is_held_at_once() -> None:
    assert Debounce(Clock()).has_held("settled", True, 0)
