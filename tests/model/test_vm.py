"""What is a node, what may be written to, and which id a VM has."""

from __future__ import annotations

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.model.layout import FolderNames, find_layout
from libcloud_vsphere_clone.model.vm import check_writable, has_config, vm_id, why_no_node
from libcloud_vsphere_clone.vcenter.rows import Row
from tests.by_hand import IMAGES, ROOT, build_folder, build_tree, build_vm

NO_CONFIG = {"config.instanceUuid": None, "config.template": None, "runtime.connectionState": "orphaned"}


def reason(row: Row) -> str | None:
    tree = build_tree(None, build_folder("group-v9", "archive", IMAGES))
    return why_no_node(row, tree, find_layout(tree, FolderNames()))


@pytest.mark.parametrize(
    ("vm", "expected"),
    [
        (build_vm("vm-9", "web"), None),
        (build_vm("vm-9", "web", values={"runtime.powerState": "poweredOff"}), None),
        (build_vm("vm-9", "web", values=NO_CONFIG), None),
        (build_vm("vm-9", "web", IMAGES), "images folder"),
        (build_vm("vm-9", "web", build_folder("group-v9", "archive", IMAGES).ref), "images folder"),
        (build_vm("vm-9", "web", values={"config.template": True}), "template"),
        (build_vm("vm-9", "web", values={**NO_CONFIG, "summary.config.template": True}), "template"),
        (build_vm("vm-9", "web", values={"config.managedBy.extensionKey": "com.vmware.vim.eam"}), "system VM"),
        (build_vm("vm-9", "web", values={'config.extraConfig["HDCS.agent"].value': "true"}), "system VM"),
        (build_vm("vm-9", "web", values={"config.ftInfo.role": 1}), None),
        (build_vm("vm-9", "web", values={"config.ftInfo.role": 2}), "shadow"),
        (build_vm("vm-9", "web", ROOT), "nodes folder"),
    ],
)
def test_place_and_kind_decide_what_is_a_node(vm: Row, expected: str | None) -> None:
    found = reason(vm)
    assert found is None if expected is None else expected in str(found)


def refuse(vm: Row, **allow: bool) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        check_writable(vm, build_tree(), allow_unmanaged=allow.get("unmanaged", False), action="stop")
    return str(caught.value)


def test_only_what_the_driver_made_is_writable() -> None:
    mark = marks.mark_path(marks.ID)
    own, unreadable = build_vm("vm-9", "web", values={mark: "uuid-of-vm-9"}), build_vm("vm-9", "web")
    unreadable.unreadable = frozenset({mark})
    check_writable(own, build_tree(), allow_unmanaged=False, action="stop")
    assert "did not create it" in refuse(build_vm("vm-9", "web"))
    assert "did not create it" in refuse(build_vm("vm-9", "web", values={mark: "uuid-of-vm-8"}))
    assert "may not read the marks" in refuse(unreadable)
    check_writable(unreadable, build_tree(), allow_unmanaged=True, action="stop")


def test_a_vm_without_config_is_never_writable() -> None:
    assert "orphaned" in refuse(build_vm("vm-9", "web", values=NO_CONFIG), unmanaged=True)


def test_a_vm_whose_id_is_unreadable_is_not_one_without_config() -> None:
    vm = build_vm("vm-9", "web", values={"config.instanceUuid": None})
    vm.unreadable = frozenset({"config.instanceUuid"})
    assert "may not read the marks" in refuse(vm)


def test_a_vm_is_known_by_the_best_id_it_tells() -> None:
    bare = {"config.instanceUuid": None}
    assert vm_id(build_vm("vm-9", "web")) == "uuid-of-vm-9"
    assert vm_id(build_vm("vm-9", "web", values={**bare, "summary.config.instanceUuid": "remembered"})) == "remembered"
    assert vm_id(build_vm("vm-9", "web", values=bare)) == "vm-9"


def test_an_unreadable_config_is_there() -> None:
    vm = build_vm("vm-9", "web", values={"config.instanceUuid": None})
    assert not has_config(vm)
    vm.unreadable = frozenset({"config.instanceUuid"})
    assert has_config(vm)
