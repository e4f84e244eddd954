"""Ctrl-C while a group is made: no node is left, or a note says which may be."""

from __future__ import annotations

import signal
import time

import pytest

from libcloud_vsphere_clone.lab import Lab
from tests.direct import Direct, await_calls, writes
from tests.interrupts import Interrupted

MAKE_SIX = 'driver.ex_create_nodes_in_group("cut", 6, None, image, ex_max_in_flight=3)'


@pytest.mark.usefixtures("unharmed")
def test_ctrl_c_at_any_moment_leaves_no_node(bare_lab: Lab, direct: Direct, interrupted: Interrupted) -> None:
    bare_lab.delay_tasks({"CloneVM": 500})  # two rounds: no run is over before its moment, on a busy machine neither
    series = [[0.005, 0.03, 0.05, 0.35], [0.02, 0.04, 0.25, 0.6]]
    processes = [interrupted(MAKE_SIX, [[moment] for moment in moments], "-W", "error") for moments in series]
    for process in processes:
        out, errors = process.communicate(timeout=120)
        assert (out.split(), errors) == (["interrupted"] * 4, "")
    direct.await_clones()
    assert direct.children("vm/cut") == []


@pytest.mark.usefixtures("unharmed")
def test_ctrl_c_while_starts_are_on_their_way_leaves_no_node(
    bare_lab: Lab, direct: Direct, interrupted: Interrupted
) -> None:
    bare_lab.delay_tasks({"CloneVM": 20_000})  # no slot is free for a fourth, should the interrupt come late
    bare_lab.faults.add("CloneVM_Task", when="stall", delay_ms=1200, times=0)
    bare_lab.reset_calls()
    process = interrupted(MAKE_SIX, [[]], "-W", "error")
    await_calls(bare_lab, "CloneVM_Task", 3)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert (out.split(), errors) == (["interrupted"], "")  # and no note: nothing may remain
    assert writes(bare_lab)["CloneVM_Task"] == 3  # at once, and no more
    assert direct.children("vm/cut") == []


@pytest.mark.usefixtures("driver")  # which removes what remained
def test_a_second_ctrl_c_says_what_may_remain(bare_lab: Lab, direct: Direct, interrupted: Interrupted) -> None:
    bare_lab.delay_tasks({"CloneVM": 3000})
    bare_lab.faults.add("CancelTask", when="stall", delay_ms=20_000, times=0)
    bare_lab.reset_calls()
    process = interrupted(MAKE_SIX, [[]], "-W", "error")
    await_calls(bare_lab, "CloneVM_Task", 3)
    process.send_signal(signal.SIGINT)
    await_calls(bare_lab, "CancelTask", 3)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert time.monotonic() - started < 15  # the threads at work are not waited for
    words = out.strip().split("|")
    assert words[0] == "interrupted"
    assert len(words) == 4  # three were in flight
    assert all("may remain: KeyboardInterrupt" in word for word in words[1:])
    direct.await_clones()  # or they would be made in the next test
