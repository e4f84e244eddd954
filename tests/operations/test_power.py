"""Nodes started, stopped and rebooted."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from libcloud.compute.types import NodeState

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import InvalidRequestError, NotPermittedError, TaskError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.operations.power import _check_power_on, _listed
from libcloud_vsphere_clone.vcenter.rows import TYPE_KEY, Ref
from tests.direct import Direct
from tests.operations.conftest import QUESTION, Create, sent, state

TOOLS = {"guest.toolsRunningStatus": "guestToolsRunning"}


# Power


@pytest.mark.parametrize("place", ["cluster-drs", "cluster-nodrs", "esx-alone.lab"])
def test_a_node_is_switched_off_and_on_again(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct, place: str
) -> None:
    [location] = [found for found in driver.list_locations() if found.name == place]
    node = create_kept("switched", location=location)
    assert driver.stop_node(node) is True
    assert state(direct, node) == "poweredOff"
    assert driver.ex_get_node(node.id).state == NodeState.STOPPED
    assert driver.start_node(node) is True
    assert state(direct, node) == "poweredOn"


def test_a_node_that_is_on_or_off_already_is_sent_nothing(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create
) -> None:
    on, off = create_kept("on"), create_kept("off", ex_power_on=False)
    bare_lab.reset_calls()
    assert driver.start_node(on) is True
    assert driver.stop_node(off) is True
    assert sent(bare_lab) == {}


def test_a_stale_node_is_read_afresh(driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct) -> None:
    node = create_kept("stale", ex_power_on=False)
    driver.start_node(driver.ex_get_node(node.id))
    assert node.state == NodeState.STOPPED
    assert driver.stop_node(node) is True
    assert state(direct, node) == "poweredOff"


def test_a_node_that_is_off_in_the_meantime_is_stopped(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create
) -> None:
    node = create_kept("raced")
    off = {"requestedState": "poweredOff", "existingState": "poweredOff"}
    bare_lab.faults.add("PowerOffVM_Task", fault="InvalidPowerState", fields=off, when="task")
    assert driver.stop_node(node) is True


@pytest.mark.parametrize("verb", ["start_node", "stop_node", "reboot_node", "destroy_node"])
def test_ten_callers_that_ask_for_the_same_all_get_it(
    driver: VsphereCloneNodeDriver, create_kept: Create, verb: str
) -> None:
    node = create_kept("popular", ex_power_on=verb != "start_node")
    with ThreadPoolExecutor(10) as pool:
        futures = [pool.submit(getattr(driver, verb), node) for _ in range(10)]
    assert [future.result() for future in futures] == [True] * 10


def test_a_guest_with_tools_is_shut_down(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct
) -> None:
    node = create_kept("polite")
    bare_lab.control.change_vm(node.extra["moid"], TOOLS)
    bare_lab.reset_calls()
    assert driver.stop_node(node) is True
    assert sent(bare_lab) == {"ShutdownGuest": 1}
    assert state(direct, node) == "poweredOff"


def test_a_guest_that_takes_too_long_is_switched_off(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct
) -> None:
    node = create_kept("stubborn")
    bare_lab.control.change_vm(node.extra["moid"], TOOLS)
    bare_lab.delay_tasks({"ShutdownGuest": 60_000})
    bare_lab.reset_calls()
    started = time.monotonic()
    assert driver.stop_node(node, ex_timeout_s=0.5) is True
    assert 0.4 < time.monotonic() - started < 50  # the guest itself would take a minute
    assert sent(bare_lab) == {"ShutdownGuest": 1, "PowerOffVM_Task": 1}
    assert state(direct, node) == "poweredOff"


@pytest.mark.parametrize(
    ("verb", "task"), [("stop_node", "PowerOffVM"), ("reboot_node", "ResetVM"), ("destroy_node", "PowerOffVM")]
)
def test_a_question_that_holds_a_task_up_is_told(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, short_question: None, verb: str, task: str
) -> None:
    node = create_kept("asking")
    bare_lab.control.change_vm(node.extra["moid"], QUESTION)
    bare_lab.delay_tasks({task: 5000})  # in the end it is answered
    with pytest.raises(TaskError, match=r"asks 'retry or cancel\?' and waits; answer it in vCenter"):
        getattr(driver, verb)(node)


@pytest.mark.parametrize("verb", ["stop_node", "reboot_node", "destroy_node"])
def test_a_question_that_holds_nothing_up_does_no_harm(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, verb: str
) -> None:
    node = create_kept("asking")
    bare_lab.control.change_vm(node.extra["moid"], QUESTION)
    bare_lab.delay_tasks({"PowerOffVM": 500, "ResetVM": 500})
    assert getattr(driver, verb)(node) is True


@pytest.mark.parametrize("timeout_s", [0, 0.001])
def test_no_time_for_the_guest_is_time_for_the_switch(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct, timeout_s: float
) -> None:
    node = create_kept("hurried")
    bare_lab.delay_tasks({"PowerOffVM": 300})
    assert driver.stop_node(node, ex_timeout_s=timeout_s) is True
    assert state(direct, node) == "poweredOff"


def test_a_hard_stop_asks_no_guest(bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create) -> None:
    node = create_kept("pulled")
    bare_lab.control.change_vm(node.extra["moid"], TOOLS)
    bare_lab.reset_calls()
    assert driver.stop_node(node, ex_hard=True) is True
    assert sent(bare_lab) == {"PowerOffVM_Task": 1}


def test_tools_that_do_not_answer_are_no_tools(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct
) -> None:
    node = create_kept("deaf")
    bare_lab.control.change_vm(node.extra["moid"], TOOLS)
    bare_lab.faults.add("ShutdownGuest", fault="ToolsUnavailable")
    bare_lab.faults.add("RebootGuest", fault="ToolsUnavailable")
    bare_lab.reset_calls()
    assert driver.reboot_node(node) is True
    assert sent(bare_lab) == {"RebootGuest": 1, "ResetVM_Task": 1}
    assert driver.stop_node(node) is True
    assert state(direct, node) == "poweredOff"


def test_a_guest_that_may_not_be_shut_down_is_not_switched_off(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct
) -> None:
    node = create_kept("forbidden")
    bare_lab.control.change_vm(node.extra["moid"], TOOLS)
    bare_lab.faults.add(
        "ShutdownGuest", fault="NoPermission", fields={"privilegeId": "VirtualMachine.Interact.PowerOff"}
    )
    with pytest.raises(NotPermittedError) as caught:
        driver.stop_node(node)
    assert caught.value.privilege == "VirtualMachine.Interact.PowerOff"
    assert state(direct, node) == "poweredOn"


def test_a_node_without_tools_is_reset(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct
) -> None:
    node = create_kept("reset")
    bare_lab.reset_calls()
    assert driver.reboot_node(node) is True
    assert sent(bare_lab) == {"ResetVM_Task": 1}
    assert state(direct, node) == "poweredOn"


def test_a_node_that_is_off_cannot_be_rebooted(driver: VsphereCloneNodeDriver, create_kept: Create) -> None:
    with pytest.raises(TaskError, match="another power state"):
        driver.reboot_node(create_kept("dark", ex_power_on=False))


def test_a_power_on_that_fails_says_why(bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create) -> None:
    node = create_kept("starved", ex_power_on=False)
    bare_lab.faults.add("PowerOnMultiVM_Task", fault="InsufficientMemoryResourcesFault", when="task")
    with pytest.raises(Exception, match="InsufficientMemoryResourcesFault"):
        driver.start_node(node)


@pytest.mark.parametrize("verb", ["start_node", "stop_node", "reboot_node", "destroy_node"])
def test_unknown_options_are_refused(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, verb: str
) -> None:
    node = create_kept("spelled")
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="ex_forse"):
        getattr(driver, verb)(node, ex_forse=True)
    assert bare_lab.calls().total == 0


# What PowerOnMultiVM_Task answers, by hand: the simulator attempts everything


def test_a_power_on_that_was_attempted_is_fine() -> None:
    attempted = {"attempted": {"vm": Ref("VirtualMachine", "vm-9"), "task": Ref("Task", "task-9")}}
    _check_power_on(attempted, "power on vm-9")
    _check_power_on(None, "power on vm-9")
    _check_power_on("", "power on vm-9")
    assert _listed(attempted, "attempted") == [attempted["attempted"]]
    assert _listed({"attempted": [attempted["attempted"]] * 2}, "attempted") == [attempted["attempted"]] * 2


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ({"fault": {TYPE_KEY: "NoCompatibleHost"}, "localizedMessage": "No host fits."}, "No host fits."),
        ({"fault": {TYPE_KEY: "NoCompatibleHost"}}, "NoCompatibleHost"),
        (None, "no reason"),
    ],
)
def test_a_power_on_that_was_not_attempted_is_an_error(fault: Any, text: str) -> None:
    with pytest.raises(TaskError, match=f"did not attempt it: .*{text}"):
        _check_power_on({"notAttempted": {"vm": Ref("VirtualMachine", "vm-9"), "fault": fault}}, "power on vm-9")


def test_a_power_on_that_was_not_attempted_because_the_vm_is_on_is_fine() -> None:
    fault = {"fault": {TYPE_KEY: "InvalidPowerState", "existingState": "poweredOn"}}
    _check_power_on({"notAttempted": {"fault": fault}}, "power on vm-9")


def test_a_recommendation_is_not_a_running_vm() -> None:
    with pytest.raises(TaskError, match="DRS is manual"):
        _check_power_on({"recommendations": [{"key": "1"}, {"key": "2"}]}, "power on vm-9")
