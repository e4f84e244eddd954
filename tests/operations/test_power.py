"""Nodes started, stopped, rebooted and destroyed, and what must survive that."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from libcloud.compute.types import NodeState
from pyVmomi import vim

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import InvalidRequestError, NotPermittedError, TaskError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.operations.power import _check_power_on, _listed, list_foreign_disks
from libcloud_vsphere_clone.vcenter.rows import TYPE_KEY, Ref
from tests.by_hand import build_disk, build_vm
from tests.direct import Direct

POWER = ("PowerOnMultiVM_Task", "PowerOffVM_Task", "ShutdownGuest", "RebootGuest", "ResetVM_Task", "Destroy_Task")
TOOLS = {"guest.toolsRunningStatus": "guestToolsRunning"}
Create = Callable[..., Any]


@pytest.fixture
def create(driver: VsphereCloneNodeDriver) -> Create:
    """Makes a node of ``debian-12``."""
    image = driver.ex_get_image_by_name("debian-12")
    return lambda name, **kwargs: driver.create_node(name, None, image, ex_group="kept", **kwargs)


@pytest.fixture
def short_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions are soon taken for such as nobody answers."""
    monkeypatch.setattr("libcloud_vsphere_clone.vcenter.jobs.QUESTION_S", 0.5)


def sent(lab: Lab) -> dict[str, int]:
    """The writes since the last reset."""
    return {method: count for method, count in lab.calls().by_method.items() if method in (*POWER, "ReconfigVM_Task")}


def state(direct: Direct, node: Any) -> str:
    return str(direct.read(direct.vm(node.extra["moid"]), "runtime.powerState"))


# Power


@pytest.mark.parametrize("place", ["cluster-drs", "cluster-nodrs", "esx-alone.lab"])
def test_off_and_on_again(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct, place: str
) -> None:
    [location] = [found for found in driver.list_locations() if found.name == place]
    node = create("switched", location=location)
    assert driver.stop_node(node) is True
    assert state(direct, node) == "poweredOff"
    assert driver.ex_get_node(node.id).state == NodeState.STOPPED
    assert driver.start_node(node) is True
    assert state(direct, node) == "poweredOn"


def test_on_already_and_off_already_send_nothing(bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create) -> None:
    on, off = create("on"), create("off", ex_power_on=False)
    bare_lab.reset_calls()
    assert driver.start_node(on) is True
    assert driver.stop_node(off) is True
    assert sent(bare_lab) == {}


def test_a_stale_node_is_read_afresh(driver: VsphereCloneNodeDriver, create: Create, direct: Direct) -> None:
    node = create("stale", ex_power_on=False)
    driver.start_node(driver.ex_get_node(node.id))
    assert node.state == NodeState.STOPPED
    assert driver.stop_node(node) is True
    assert state(direct, node) == "poweredOff"


def test_off_in_the_meantime_is_off(bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create) -> None:
    node = create("raced")
    off = {"requestedState": "poweredOff", "existingState": "poweredOff"}
    bare_lab.faults.add("PowerOffVM_Task", fault="InvalidPowerState", fields=off, when="task")
    assert driver.stop_node(node) is True


@pytest.mark.parametrize("verb", ["start_node", "stop_node", "reboot_node", "destroy_node"])
def test_ten_who_ask_for_the_same_all_get_it(driver: VsphereCloneNodeDriver, create: Create, verb: str) -> None:
    node = create("popular", ex_power_on=verb != "start_node")
    with ThreadPoolExecutor(10) as pool:
        futures = [pool.submit(getattr(driver, verb), node) for _ in range(10)]
    assert [future.result() for future in futures] == [True] * 10


def test_a_guest_with_tools_is_shut_down(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct
) -> None:
    node = create("polite")
    bare_lab.control.change_vm(node.extra["moid"], TOOLS)
    bare_lab.reset_calls()
    assert driver.stop_node(node) is True
    assert sent(bare_lab) == {"ShutdownGuest": 1}
    assert state(direct, node) == "poweredOff"


def test_a_guest_that_takes_too_long_is_switched_off(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct
) -> None:
    node = create("stubborn")
    bare_lab.control.change_vm(node.extra["moid"], TOOLS)
    bare_lab.delay_tasks({"ShutdownGuest": 60_000})
    bare_lab.reset_calls()
    started = time.monotonic()
    assert driver.stop_node(node, ex_timeout_s=0.5) is True
    assert 0.4 < time.monotonic() - started < 50  # the guest itself would take a minute
    assert sent(bare_lab) == {"ShutdownGuest": 1, "PowerOffVM_Task": 1}
    assert state(direct, node) == "poweredOff"


QUESTION = {"runtime.question": {"id": "q1", "text": "retry or cancel?", "choice": {}}}


@pytest.mark.parametrize(
    ("verb", "task"), [("stop_node", "PowerOffVM"), ("reboot_node", "ResetVM"), ("destroy_node", "PowerOffVM")]
)
def test_a_question_that_holds_a_task_up_is_told(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, short_question: None, verb: str, task: str
) -> None:
    node = create("asking")
    bare_lab.control.change_vm(node.extra["moid"], QUESTION)
    bare_lab.delay_tasks({task: 5000})  # in the end it is answered
    with pytest.raises(TaskError, match=r"asks 'retry or cancel\?' and waits; answer it in vCenter"):
        getattr(driver, verb)(node)


@pytest.mark.parametrize("verb", ["stop_node", "reboot_node", "destroy_node"])
def test_a_question_that_holds_nothing_up_does_no_harm(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, verb: str
) -> None:
    node = create("asking")
    bare_lab.control.change_vm(node.extra["moid"], QUESTION)
    bare_lab.delay_tasks({"PowerOffVM": 500, "ResetVM": 500})
    assert getattr(driver, verb)(node) is True


@pytest.mark.parametrize("timeout_s", [0, 0.001])
def test_no_time_for_the_guest_is_time_for_the_switch(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct, timeout_s: float
) -> None:
    node = create("hurried")
    bare_lab.delay_tasks({"PowerOffVM": 300})
    assert driver.stop_node(node, ex_timeout_s=timeout_s) is True
    assert state(direct, node) == "poweredOff"


def test_hard_asks_no_guest(bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create) -> None:
    node = create("pulled")
    bare_lab.control.change_vm(node.extra["moid"], TOOLS)
    bare_lab.reset_calls()
    assert driver.stop_node(node, ex_hard=True) is True
    assert sent(bare_lab) == {"PowerOffVM_Task": 1}


def test_tools_that_do_not_answer_are_no_tools(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct
) -> None:
    node = create("deaf")
    bare_lab.control.change_vm(node.extra["moid"], TOOLS)
    bare_lab.faults.add("ShutdownGuest", fault="ToolsUnavailable")
    bare_lab.faults.add("RebootGuest", fault="ToolsUnavailable")
    bare_lab.reset_calls()
    assert driver.reboot_node(node) is True
    assert sent(bare_lab) == {"RebootGuest": 1, "ResetVM_Task": 1}
    assert driver.stop_node(node) is True
    assert state(direct, node) == "poweredOff"


def test_a_guest_that_may_not_be_shut_down_is_not_switched_off(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct
) -> None:
    node = create("forbidden")
    bare_lab.control.change_vm(node.extra["moid"], TOOLS)
    bare_lab.faults.add(
        "ShutdownGuest", fault="NoPermission", fields={"privilegeId": "VirtualMachine.Interact.PowerOff"}
    )
    with pytest.raises(NotPermittedError) as caught:
        driver.stop_node(node)
    assert caught.value.privilege == "VirtualMachine.Interact.PowerOff"
    assert state(direct, node) == "poweredOn"


def test_a_node_without_tools_is_reset(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct
) -> None:
    node = create("reset")
    bare_lab.reset_calls()
    assert driver.reboot_node(node) is True
    assert sent(bare_lab) == {"ResetVM_Task": 1}
    assert state(direct, node) == "poweredOn"


def test_a_node_that_is_off_cannot_be_rebooted(driver: VsphereCloneNodeDriver, create: Create) -> None:
    with pytest.raises(TaskError, match="another power state"):
        driver.reboot_node(create("dark", ex_power_on=False))


def test_a_power_on_that_fails_says_why(bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create) -> None:
    node = create("starved", ex_power_on=False)
    bare_lab.faults.add("PowerOnMultiVM_Task", fault="InsufficientMemoryResourcesFault", when="task")
    with pytest.raises(Exception, match="InsufficientMemoryResourcesFault"):
        driver.start_node(node)


@pytest.mark.parametrize("verb", ["start_node", "stop_node", "reboot_node", "destroy_node"])
def test_words_that_nobody_knows_are_refused(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, verb: str
) -> None:
    node = create("spelled")
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="ex_forse"):
        getattr(driver, verb)(node, ex_forse=True)
    assert bare_lab.calls().total == 0


# What PowerOnMultiVM_Task answers, by hand: the simulator attempts everything


def test_attempted_only_is_fine() -> None:
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
def test_not_attempted_is_an_error(fault: Any, text: str) -> None:
    with pytest.raises(TaskError, match=f"did not attempt it: .*{text}"):
        _check_power_on({"notAttempted": {"vm": Ref("VirtualMachine", "vm-9"), "fault": fault}}, "power on vm-9")


def test_not_attempted_because_it_is_on_is_fine() -> None:
    fault = {"fault": {TYPE_KEY: "InvalidPowerState", "existingState": "poweredOn"}}
    _check_power_on({"notAttempted": {"fault": fault}}, "power on vm-9")


def test_a_recommendation_is_not_a_running_vm() -> None:
    with pytest.raises(TaskError, match="DRS is manual"):
        _check_power_on({"recommendations": [{"key": "1"}, {"key": "2"}]}, "power on vm-9")


# Destroying


def test_destroying_removes_all_that_the_clone_brought(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct
) -> None:
    node = create("short-lived", ex_disk_gib=12)
    assert "short-lived.vmdk" in files(direct, "short-lived")
    bare_lab.reset_calls()
    assert driver.destroy_node(node) is True
    assert sent(bare_lab) == {"PowerOffVM_Task": 1, "Destroy_Task": 1}
    assert files(direct, "short-lived") == []
    assert "debian-12.vmdk" in files(direct, "debian-12")
    assert driver.destroy_node(node) is True


def test_gone_in_the_meantime_is_gone(bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create) -> None:
    gone = {"obj": {"type": "VirtualMachine", "value": "vm-9"}}
    for method in ("PowerOffVM_Task", "Destroy_Task"):
        for when in ("before", "task"):
            node = create(f"gone-{method}-{when}")
            rule = bare_lab.faults.add(method, fault="ManagedObjectNotFound", fields=gone, when=when)
            assert driver.destroy_node(node) is True
            bare_lab.faults.remove(rule)


@pytest.mark.parametrize("method", ["PowerOffVM_Task", "Destroy_Task"])
@pytest.mark.parametrize("when", ["reset-before", "reset-after", "drop-body"])
def test_a_lost_reply_is_no_failure(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct, method: str, when: str
) -> None:
    node = create("unheard")
    bare_lab.faults.add(method, when=when)
    assert driver.destroy_node(node) is True
    assert direct.children("vm/kept") == []


def test_a_node_that_someone_starts_meanwhile_is_switched_off_again(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct
) -> None:
    node = create("restless")
    on = {"requestedState": "poweredOff", "existingState": "poweredOn"}
    bare_lab.faults.add("Destroy_Task", fault="InvalidPowerState", fields=on, when="task")
    assert driver.destroy_node(node) is True
    assert direct.children("vm/kept") == []


def test_a_destroy_that_fails_is_an_error(bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create) -> None:
    node = create("stuck", ex_power_on=False)
    bare_lab.faults.add("Destroy_Task", fault="ResourceInUse", when="task")
    with pytest.raises(TaskError, match="ResourceInUse"):
        driver.destroy_node(node)
    assert driver.ex_get_node(node.id).name == "stuck"


def test_what_is_not_ours_is_destroyed_only_when_allowed(bare_lab: Lab, direct: Direct) -> None:
    vm = direct.clone(direct.find("vm/legacy/legacy-web"), direct.find("vm/legacy"), "legacy-old")
    with bare_lab.driver() as careful, bare_lab.driver(ex_allow_unmanaged=True) as bold:
        node = careful.ex_get_node(name="legacy-old")
        bare_lab.reset_calls()
        with pytest.raises(InvalidRequestError, match="ex_allow_unmanaged"):
            careful.destroy_node(node)
        assert sent(bare_lab) == {}
        assert bold.start_node(node)
        assert bold.destroy_node(node)
    assert direct.find("vm/legacy/legacy-old") is None
    assert vm._moId == node.extra["moid"]


def attach_volume(direct: Direct, node: Any) -> str:
    """A disk that was made in another VM's directory and attached to the node."""
    file = "[shared-1] legacy-db/volume.vmdk"
    disk = vim.vm.device.VirtualDisk(
        key=-1,
        controllerKey=1000,
        unitNumber=5,
        capacityInKB=1024,
        backing=vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName=file, diskMode="persistent"),
    )
    add = vim.vm.device.VirtualDeviceSpec(operation="add", fileOperation="create", device=disk)
    direct.wait(direct.vm(node.extra["moid"]).ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[add])))
    return file


def remove_volume(direct: Direct, file: str) -> None:
    manager = direct.content.fileManager
    direct.wait(manager.DeleteDatastoreFile_Task(file, direct.find("")))


def files(direct: Direct, folder: str) -> list[str]:
    """The names of the files in a folder of shared-1; none if there is no folder."""
    browser = direct.read(direct.find("datastore/shared-1"), "browser")
    everything = vim.host.DatastoreBrowser.SearchSpec(matchPattern=["*"])
    try:
        found = direct.wait(browser.SearchDatastore_Task(f"[shared-1] {folder}", everything))
    except vim.fault.FileNotFound:
        return []
    return sorted(file.path for file in found.file)


def test_an_attached_volume_survives(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct
) -> None:
    node = create("with-a-volume")
    file = attach_volume(direct, node)
    bare_lab.reset_calls()
    assert driver.destroy_node(node) is True
    assert sent(bare_lab) == {"PowerOffVM_Task": 1, "ReconfigVM_Task": 1, "Destroy_Task": 1}
    assert "volume.vmdk" in files(direct, "legacy-db")
    assert files(direct, "with-a-volume") == []
    remove_volume(direct, file)


def test_a_snapshot_that_holds_a_volume_forbids_it(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct
) -> None:
    node = create("held")
    file = attach_volume(direct, node)
    vm = direct.vm(node.extra["moid"])
    direct.wait(vm.CreateSnapshot_Task("before", "", False, False))
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="remove the snapshots first") as caught:
        driver.destroy_node(node)
    assert file in str(caught.value)
    assert sent(bare_lab) == {}
    assert state(direct, node) == "poweredOn"
    direct.wait(vm.RemoveAllSnapshots_Task())
    assert driver.destroy_node(node) is True
    assert "volume.vmdk" in files(direct, "legacy-db")
    remove_volume(direct, file)


def test_a_snapshot_alone_forbids_nothing(driver: VsphereCloneNodeDriver, create: Create, direct: Direct) -> None:
    node = create("remembered", ex_power_on=False)
    direct.wait(direct.vm(node.extra["moid"]).CreateSnapshot_Task("before", "", False, False))
    assert driver.destroy_node(node) is True


def foreign(own_keys: str | None, *disks: dict[str, Any]) -> list[str]:
    row = build_vm(
        "vm-9",
        "web",
        values={
            "config.files.vmPathName": "[shared-1] web/web.vmx",
            marks.mark_path(marks.DISKS): own_keys,
            "config.hardware.device": [{TYPE_KEY: "VirtualCdrom", "key": "3000"}, *disks],
        },
    )
    return [disk["key"] for disk in list_foreign_disks(row)]


@pytest.mark.parametrize(
    ("own_keys", "file", "expected"),
    [
        ("2000", "[shared-1] web/web.vmdk", []),
        ("2000,2001", "[shared-1] web/web-000001.vmdk", []),  # after a snapshot
        ("2000", "[shared-2] web/web.vmdk", []),  # moved by Storage DRS
        (None, "[shared-1] web/web.vmdk", []),  # not ours: its directory decides
        (None, "[shared-1] volumes/data.vmdk", ["2000"]),
        ("2000", "[shared-1] volumes/data.vmdk", ["2000"]),
        ("2001", "[shared-1] web/web_1.vmdk", ["2000"]),  # made beside it later
        ("20000", "[shared-1] web/web_1.vmdk", ["2000"]),
        ("2000", "[shared-1] web/sub/data.vmdk", ["2000"]),
    ],
)
def test_which_disks_are_foreign(own_keys: str | None, file: str, expected: list[str]) -> None:
    assert foreign(own_keys, build_disk(fileName=file)) == expected


def test_a_disk_without_a_file_is_nobodys() -> None:
    raw = build_disk(2001)
    del raw["backing"]["fileName"]
    assert foreign("2000", build_disk(fileName="[shared-1] web/web.vmdk"), raw) == []
