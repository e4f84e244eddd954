"""Nodes destroyed, and what must survive that."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import InvalidRequestError, TaskError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.operations.power import list_foreign_disks
from libcloud_vsphere_clone.vcenter.rows import TYPE_KEY
from tests.by_hand import build_disk, build_vm
from tests.direct import Direct
from tests.operations.conftest import Create, sent, state


def test_destroying_removes_all_that_the_clone_brought(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct
) -> None:
    node = create_kept("short-lived", ex_disk_gib=12)
    assert "short-lived.vmdk" in files(direct, "short-lived")
    bare_lab.reset_calls()
    assert driver.destroy_node(node) is True
    assert sent(bare_lab) == {"PowerOffVM_Task": 1, "Destroy_Task": 1}
    assert files(direct, "short-lived") == []
    assert "debian-12.vmdk" in files(direct, "debian-12")
    assert driver.destroy_node(node) is True


def test_a_node_that_is_gone_in_the_meantime_is_destroyed(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create
) -> None:
    gone = {"obj": {"type": "VirtualMachine", "value": "vm-9"}}
    for method in ("PowerOffVM_Task", "Destroy_Task"):
        for when in ("before", "task"):
            node = create_kept(f"gone-{method}-{when}")
            rule = bare_lab.faults.add(method, fault="ManagedObjectNotFound", fields=gone, when=when)
            assert driver.destroy_node(node) is True
            bare_lab.faults.remove(rule)


@pytest.mark.parametrize("method", ["PowerOffVM_Task", "Destroy_Task"])
@pytest.mark.parametrize("when", ["reset-before", "reset-after", "drop-body"])
def test_a_lost_reply_is_no_failure(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct, method: str, when: str
) -> None:
    node = create_kept("unheard")
    bare_lab.faults.add(method, when=when)
    assert driver.destroy_node(node) is True
    assert direct.children("vm/kept") == []


def test_a_node_that_is_started_meanwhile_is_switched_off_again(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct
) -> None:
    node = create_kept("restless")
    on = {"requestedState": "poweredOff", "existingState": "poweredOn"}
    bare_lab.faults.add("Destroy_Task", fault="InvalidPowerState", fields=on, when="task")
    assert driver.destroy_node(node) is True
    assert direct.children("vm/kept") == []


def test_a_destroy_that_fails_is_an_error(bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create) -> None:
    node = create_kept("stuck", ex_power_on=False)
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
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct
) -> None:
    node = create_kept("with-a-volume")
    file = attach_volume(direct, node)
    bare_lab.reset_calls()
    assert driver.destroy_node(node) is True
    assert sent(bare_lab) == {"PowerOffVM_Task": 1, "ReconfigVM_Task": 1, "Destroy_Task": 1}
    assert "volume.vmdk" in files(direct, "legacy-db")
    assert files(direct, "with-a-volume") == []
    remove_volume(direct, file)


def test_a_snapshot_that_holds_a_volume_forbids_it(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct
) -> None:
    node = create_kept("held")
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


def test_a_snapshot_alone_forbids_nothing(driver: VsphereCloneNodeDriver, create_kept: Create, direct: Direct) -> None:
    node = create_kept("remembered", ex_power_on=False)
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
def test_marks_and_directories_decide_which_disks_are_foreign(
    own_keys: str | None, file: str, expected: list[str]
) -> None:
    assert foreign(own_keys, build_disk(fileName=file)) == expected


def test_a_disk_without_a_file_is_not_foreign() -> None:
    raw = build_disk(2001)
    del raw["backing"]["fileName"]
    assert foreign("2000", build_disk(fileName="[shared-1] web/web.vmdk"), raw) == []
