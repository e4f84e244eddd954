"""Work on several things at once: in order, no more at once than allowed, and left at once when interrupted."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from functools import partial
from types import FrameType

import pytest

from libcloud_vsphere_clone.parallel import as_they_come, in_parallel


def test_results_keep_the_order_of_the_things() -> None:
    def work(number: int) -> int:
        time.sleep((5 - number) / 100)
        return number * number

    assert in_parallel(work, range(5), threads=5, name="test") == [0, 1, 4, 9, 16]
    assert in_parallel(work, [], threads=5, name="test") == []


def test_no_more_at_once_than_threads() -> None:
    busy, most = 0, 0
    lock, three = threading.Lock(), threading.Barrier(3)

    def work(_: int) -> None:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        three.wait(timeout=60)  # none goes on before three of them are here
        time.sleep(0.01)
        with lock:
            busy -= 1

    in_parallel(work, range(21), threads=3, name="test")
    assert most == 3


def test_one_thing_needs_no_thread() -> None:
    assert in_parallel(lambda _: threading.current_thread(), [1], threads=9, name="test") == [threading.main_thread()]


def test_an_error_is_raised_when_all_are_done() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 0:
            raise ValueError("the first")
        time.sleep(0.02)
        done.append(number)

    with pytest.raises(ValueError, match="the first"):
        in_parallel(work, range(4), threads=2, name="test")
    assert sorted(done) == [1, 2, 3]


def test_after_an_interrupt_nothing_is_begun_or_waited_for() -> None:
    begun: list[int] = []
    both, leave = threading.Barrier(2), threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        if both.wait(timeout=60) == 0:
            interrupt_the_main_thread()
        assert leave.wait(60), "those at work were waited for"

    with pytest.raises(KeyboardInterrupt):
        in_parallel(work, range(5), threads=2, name="test")
    leave.set()
    join_those_at_work()
    assert sorted(begun) == [0, 1]


def join_those_at_work() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("test-"):
            thread.join(60)


def interrupt_the_main_thread() -> None:
    """Ctrl-C, once the main thread waits for the others: one that strikes a weak reference's callback is lost."""
    main = threading.main_thread().ident
    while not any(frame.f_code is wait.__code__ for frame in frames(sys._current_frames().get(main or 0))):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def frames(inmost: FrameType | None) -> Iterator[FrameType]:
    """A thread's frames, from the inmost outwards."""
    while inmost is not None:
        yield inmost
        inmost = inmost.f_back


def test_things_that_come_later_are_begun_as_they_come() -> None:
    first_is_done = threading.Event()

    def come() -> Iterator[int]:
        yield 1
        assert first_is_done.wait(60), "the first was not begun before the second came"
        yield 2

    def work(number: int) -> int:
        first_is_done.set()
        return number

    assert as_they_come(work, come(), threads=2, name="test") == [1, 2]


def test_those_at_work_may_have_some_time_after_an_interrupt(noticed: threading.Event) -> None:
    done: list[int] = []
    both, leave = threading.Barrier(2), threading.Event()

    def work(number: int, go_on: Callable[[], object]) -> None:
        both.wait(timeout=60)
        if number == 0:
            interrupt_the_main_thread()
        assert noticed.wait(60)
        go_on()
        done.append(number)

    with pytest.raises(KeyboardInterrupt):
        in_parallel(partial(work, go_on=partial(time.sleep, 0.3)), range(9), threads=2, name="test", grace_s=60)
    assert sorted(done) == [0, 1]
    noticed.clear()
    with pytest.raises(KeyboardInterrupt):
        in_parallel(partial(work, go_on=partial(leave.wait, 60)), range(9), threads=2, name="test", grace_s=0.1)
    assert sorted(done) == [0, 1]
    leave.set()
    join_those_at_work()
