"""Groups destroyed: all that is ours goes, and nothing else."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import (
    GroupError,
    InvalidRequestError,
    NotFoundError,
    TaskError,
)
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import jobs, stub
from tests.direct import Direct, writes
from tests.driver.conftest import PASSWORD, CreateGroup, names_of


def test_a_group_is_destroyed_and_its_folder_stays(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    create_group(3, ex_power_on=True)
    create_group(2)
    bare_lab.reset_calls()
    assert driver.ex_destroy_group("web") is True
    calls = bare_lab.calls().by_method
    assert (calls["PowerOffVM_Task"], calls["Destroy_Task"]) == (3, 5)
    assert direct.children("vm/web") == []
    assert "web" in [group.name for group in driver.ex_list_groups()]
    assert driver.ex_destroy_group("web") is True


def test_a_question_that_holds_one_up_is_told(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "QUESTION_S", 0.5)
    asking, other = create_group(2, ex_power_on=True)
    question = {"id": "q1", "text": "retry or cancel?", "choice": {}}
    bare_lab.control.change_vm(asking.extra["moid"], {"runtime.question": question})
    bare_lab.faults.add("Destroy_Task", fault="InvalidPowerState", target=asking.extra["moid"], when="task")
    bare_lab.delay_tasks({"PowerOffVM": 5000})
    with pytest.raises(GroupError) as caught:
        driver.ex_destroy_group("web")
    bare_lab.delay_tasks({})
    [(name, error)] = caught.value.errors.items()
    assert name == asking.name != other.name
    assert "asks 'retry or cancel?' and waits" in str(error)


def test_what_is_not_ours_in_a_group_is_not_touched(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    [ours] = create_group(1)
    foreign = direct.clone(direct.vm(ours.extra["moid"]), direct.find("vm/web"), "copy-by-hand")
    below = direct.find("vm/web").CreateFolder("below")
    deeper = direct.clone(direct.vm(ours.extra["moid"]), below, "deeper")
    template = direct.clone(direct.vm(ours.extra["moid"]), direct.find("vm/web"), "a-template")
    template.MarkAsTemplate()
    try:
        with bare_lab.driver(ex_allow_unmanaged=True) as bold:
            assert bold.ex_destroy_group("web") is True
        assert direct.children("vm/web") == ["a-template", "below", "copy-by-hand"]
        assert direct.children("vm/web/below") == ["deeper"]
        with pytest.raises(InvalidRequestError, match="not empty"):
            driver.ex_destroy_group("web", ex_remove_folder=True)
        assert direct.children("vm/web/below") == ["deeper"]
        pool = direct.find("host/cluster-drs/Resources")
        template.MarkAsVirtualMachine(pool)
    finally:
        for vm in (foreign, deeper, template):
            direct.destroy(vm)
        direct.wait(below.Destroy_Task())


def test_an_empty_folder_is_removed_if_asked(
    driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    create_group(2, group="passing")
    assert driver.ex_destroy_group("passing", ex_remove_folder=True) is True
    assert direct.find("vm/passing") is None
    create_group(1, group="passing")
    assert driver.ex_destroy_group("passing", ex_remove_folder=True) is True


def test_no_folder_is_removed_while_a_clone_is_on_its_way(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    create_group(1, ex_names=["a"])
    bare_lab.delay_tasks({"CloneVM": 3000})
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(create_group, 1, ex_names=["b"])
        while not (direct.running_clones() or coming.done()):
            time.sleep(0.01)
        with pytest.raises(InvalidRequestError, match=r"a task VirtualMachine\.clone\w* is under way"):
            driver.ex_destroy_group("web", ex_remove_folder=True)
        coming.result()
    assert direct.children("vm/web") == ["b"]


def test_an_unknown_group_is_none(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    bare_lab.reset_calls()
    for call in (driver.ex_destroy_group, lambda name: driver.ex_run_script_on_group(name, "id", auth=PASSWORD)):
        with pytest.raises(NotFoundError, match=r"no group 'nowhere'.*ex_list_groups"):
            call("nowhere")
    with pytest.raises(InvalidRequestError, match="images folder"):
        driver.ex_destroy_group("jclouds-images")
    with pytest.raises(InvalidRequestError, match="ex_max_in_flight"):
        driver.ex_destroy_group("legacy", ex_max_in_flight=0)
    assert writes(bare_lab) == {}


def test_a_node_that_cannot_be_destroyed_remains_alone(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup
) -> None:
    stuck = create_group(4, ex_power_on=True)[2]
    bare_lab.faults.add("Destroy_Task", fault="ResourceInUse", when="task", target=stuck.extra["moid"], times=0)
    with pytest.raises(GroupError, match="1 of 4 nodes could not be destroyed") as caught:
        driver.ex_destroy_group("web")
    assert names_of(caught.value.nodes) == [stuck.name]
    assert {name: type(error) for name, error in caught.value.errors.items()} == {stuck.name: TaskError}
    assert names_of(driver.list_nodes(ex_group="web")) == [stuck.name]
    bare_lab.faults.clear()
    assert driver.ex_destroy_group("web") is True


def test_lost_replies_do_not_keep_a_group_alive(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    create_group(8, ex_power_on=True)
    for method in ("PowerOffVM_Task", "Destroy_Task"):
        bare_lab.faults.add(method, when="reset-after", every=3, times=0)
    assert driver.ex_destroy_group("web", ex_max_in_flight=3) is True
    assert direct.children("vm/web") == []


def test_a_vcenter_that_is_lost_while_destroying_is_not_waited_for_again_and_again(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stub, "REPEAT_DELAYS_S", (0.1,))
    nodes = create_group(6)
    for method in ("PowerOffVM_Task", "Destroy_Task", "CurrentTime"):
        bare_lab.faults.add(method, when="reset-before", times=0)
    bare_lab.reset_calls()
    with pytest.raises(GroupError) as caught:
        driver.ex_destroy_group("web")
    assert set(caught.value.errors) == set(names_of(nodes))
    assert bare_lab.calls().by_method["Destroy_Task"] <= 2 * len(nodes) + 2  # once side by side, then no more
    bare_lab.faults.clear()


def test_disks_that_were_attached_later_are_kept(
    driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    nodes = create_group(2)
    vm = direct.vm(nodes[0].extra["moid"])
    [disk] = direct.devices(vm, vim.vm.device.VirtualDisk)
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName="[shared-1] kept.vmdk", diskMode="persistent", thinProvisioned=True
    )
    volume = vim.vm.device.VirtualDisk(
        key=-1, controllerKey=disk.controllerKey, unitNumber=3, capacityInKB=1024, backing=backing
    )
    change = vim.vm.device.VirtualDeviceSpec(operation="add", fileOperation="create", device=volume)
    direct.wait(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])))
    browser = direct.read(direct.find("datastore/shared-1"), "browser")
    assert driver.ex_destroy_group("web") is True
    pattern = vim.host.DatastoreBrowser.SearchSpec(matchPattern=["kept*.vmdk"])
    found = direct.wait(browser.SearchDatastore_Task("[shared-1]", pattern))
    assert "kept.vmdk" in [file.path for file in found.file]
