"""Groups' folders, made when first needed by one caller of many, and removed when empty."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import InvalidRequestError, NotFoundError, NotPermittedError
from libcloud_vsphere_clone.inventory.nodes import fetch_nodes
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model.layout import FolderNames, find_group_folder
from libcloud_vsphere_clone.operations.folders import ensure_group_folder, remove_group_folder
from libcloud_vsphere_clone.vcenter.rows import Ref
from tests.direct import Direct

NAMES = FolderNames()


def test_ten_callers_at_once_make_one_folder(driver: VsphereCloneNodeDriver, direct: Direct) -> None:
    found = fetch_nodes(driver._session, NAMES)
    assert find_group_folder(found.tree, found.layout, "raced") is None
    with ThreadPoolExecutor(10) as pool:
        made = list(
            pool.map(
                lambda _: ensure_group_folder(driver._session, found.tree, found.layout, NAMES, "raced"), range(10)
            )
        )
    assert len(set(made)) == 1
    assert direct.children("vm").count("raced") == 1


@pytest.mark.parametrize("when", ["reset-before", "reset-after", "drop-body"])
def test_a_lost_reply_makes_no_second_folder(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, direct: Direct, when: str
) -> None:
    found = fetch_nodes(driver._session, NAMES)
    bare_lab.faults.add("CreateFolder", when=when)
    made = ensure_group_folder(driver._session, found.tree, found.layout, NAMES, f"lost-{when}")
    assert direct.find(f"vm/lost-{when}")._moId == made.moid


def test_a_folder_that_may_not_be_made_says_why(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    bare_lab.faults.add("CreateFolder", fault="NoPermission", fields={"privilegeId": "Folder.Create"})
    with pytest.raises(NotPermittedError, match=r"group 'mine'.*Folder\.Create"):
        driver.create_node("web", None, driver.ex_get_image_by_name("debian-12"), ex_group="mine")


def test_a_vm_in_the_way_of_a_group_is_said(driver: VsphereCloneNodeDriver, direct: Direct) -> None:
    vm = direct.clone(direct.find("vm/jclouds-images/debian-12"), direct.find("vm"), "in-the-way")
    try:
        with pytest.raises(InvalidRequestError, match="is no folder"):
            driver.create_node("web", None, driver.ex_get_image_by_name("debian-12"), ex_group="in-the-way")
    finally:
        direct.destroy(vm)


def test_a_nodes_folder_that_is_not_there_is_not_made(bare_lab: Lab, direct: Direct) -> None:
    with bare_lab.driver(ex_nodes_folder="tenants/blue") as driver:
        assert (driver.list_nodes(), driver.ex_list_groups()) == ([], [])
        with pytest.raises(NotFoundError, match="tenants/blue"):
            driver.create_node("web", None, driver.ex_get_image_by_name("debian-12"))
    assert direct.find("vm/tenants") is None


def test_a_folder_is_removed_only_when_empty(driver: VsphereCloneNodeDriver, direct: Direct) -> None:
    made = direct.find("vm").CreateFolder("short-lived")
    inner = made.CreateFolder("inner")
    folder = Ref("Folder", made._moId)
    with pytest.raises(InvalidRequestError, match="'short-lived' is kept: it is not empty"):
        remove_group_folder(driver._session, folder, "short-lived", timeout_s=10)
    direct.wait(inner.Destroy_Task())
    remove_group_folder(driver._session, folder, "short-lived", timeout_s=10)
    assert direct.find("vm/short-lived") is None
    remove_group_folder(driver._session, folder, "short-lived", timeout_s=10)  # gone already
