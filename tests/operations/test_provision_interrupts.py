"""Ctrl-C while a node is made: nothing is left of it, or a note says what may be."""

from __future__ import annotations

import signal

import pytest

from libcloud_vsphere_clone.lab import Lab
from tests.direct import Direct, await_calls, writes
from tests.interrupts import Interrupted

MAKE_ONE = 'driver.create_node(f"cut-{os.getpid()}-{moments}", None, image, ex_group="cut")'


@pytest.mark.usefixtures("unharmed")
def test_ctrl_c_at_any_moment_leaves_nothing(bare_lab: Lab, direct: Direct, interrupted: Interrupted) -> None:
    bare_lab.delay_tasks({"CloneVM": 3000})  # no run is over before its moment
    series = [[0.001, 0.005, 0.01, 0.015, 0.25], [0.02, 0.025, 0.03, 0.04, 0.1]]
    processes = [interrupted(MAKE_ONE, [[moment] for moment in moments]) for moments in series]
    outcomes = [process.communicate(timeout=120) for process in processes]
    for (out, errors), moments in zip(outcomes, series, strict=True):
        assert (out.split(), errors) == (["interrupted"] * len(moments), "")
    direct.await_clones()
    assert direct.children("vm/cut") == []


@pytest.mark.usefixtures("unharmed")
def test_ctrl_c_after_the_clone_leaves_nothing_either(bare_lab: Lab, direct: Direct, interrupted: Interrupted) -> None:
    reads_before = 5  # of the image by its name two, for a placement and the plan one each, of the task; then the node
    bare_lab.faults.add("RetrievePropertiesEx", when="stall", delay_ms=2000, every=reads_before + 1)
    bare_lab.reset_calls()
    process = interrupted(MAKE_ONE, [[]])
    await_calls(bare_lab, "RetrievePropertiesEx", reads_before + 1)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert (out.split(), errors) == (["interrupted"], "")
    assert [rule["hits"] for rule in bare_lab.faults.rules()] == [1]
    assert writes(bare_lab)["Destroy_Task"] >= 1


@pytest.mark.usefixtures("driver")  # which removes what remained
def test_a_second_ctrl_c_says_what_may_remain(bare_lab: Lab, direct: Direct, interrupted: Interrupted) -> None:
    bare_lab.delay_tasks({"CloneVM": 20_000})
    bare_lab.faults.add("CancelTask", when="stall", delay_ms=20_000)
    bare_lab.reset_calls()
    process = interrupted(MAKE_ONE, [[]])
    await_calls(bare_lab, "WaitForUpdatesEx", 1)  # the clone's task is known, and waited for
    process.send_signal(signal.SIGINT)
    await_calls(bare_lab, "CancelTask", 1)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    direct.await_clones()
    assert out.startswith("interrupted|VM 'cut-")
    assert "may remain: KeyboardInterrupt" in out
    assert "may remain" in errors  # the log's
