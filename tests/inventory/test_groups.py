"""Groups are folders: found, counted, and made when first needed, by one caller of many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import InvalidRequestError, NotFoundError, NotPermittedError
from libcloud_vsphere_clone.inventory.groups import fetch_group
from libcloud_vsphere_clone.inventory.nodes import fetch_nodes
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model.layout import FolderNames, find_group_folder, find_layout
from libcloud_vsphere_clone.operations.folders import ensure_group_folder, remove_group_folder
from libcloud_vsphere_clone.vcenter.rows import Ref
from tests.by_hand import GROUP, VM_FOLDER, build_folder, build_tree
from tests.direct import Direct

NAMES = FolderNames()


def test_a_group_is_found_by_its_name_as_people_write_it() -> None:
    tree = build_tree(None, slash := build_folder("group-v9", "a%2fb"))
    layout = find_layout(tree, NAMES)
    assert find_group_folder(tree, layout, "libcloud") == GROUP
    assert find_group_folder(tree, layout, "a/b") == slash.ref
    assert find_group_folder(tree, layout, "a%2fb") is None
    assert find_group_folder(tree, layout, "none") is None


def test_the_images_folder_is_no_group() -> None:
    tree = build_tree()
    with pytest.raises(InvalidRequestError, match="is the images folder"):
        find_group_folder(tree, find_layout(tree, NAMES), "jclouds-images")


@pytest.mark.parametrize("name", ["", "x" * 81])
def test_a_group_needs_a_name_that_vcenter_takes(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="group"):
        find_group_folder(build_tree(), find_layout(build_tree(), NAMES), name)


def test_listing_takes_two_round_trips_and_counts(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    for name in ("one", "two"):
        driver.create_node(name, None, image, ex_group="counted", ex_power_on=False)
    with bare_lab.driver() as fresh:
        bare_lab.reset_calls()
        groups = {group.name: group for group in fresh.ex_list_groups()}
        assert bare_lab.calls().total == 2
    assert groups["counted"].extra == {"path": "counted", "node_count": 2}
    assert (groups["legacy"].extra["node_count"], groups["infrastructure"].extra["node_count"]) == (2, 0)
    assert "jclouds-images" not in groups


def test_reading_makes_no_folder(driver: VsphereCloneNodeDriver, direct: Direct) -> None:
    before = direct.children("vm")
    assert driver.list_nodes(ex_group="never-made") == []
    assert direct.children("vm") == before


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


def test_a_nodes_folder_of_ones_own(bare_lab: Lab) -> None:
    with bare_lab.driver(ex_nodes_folder="infrastructure") as driver:
        assert driver.list_nodes() == []
        node = driver.create_node("web", None, driver.ex_get_image_by_name("debian-12"), ex_power_on=False)
        assert node.extra["path"] == "infrastructure/libcloud/web"
        assert [group.name for group in driver.ex_list_groups()] == ["libcloud"]
        assert driver.destroy_node(node)


def test_the_layouts_folder_is_the_vm_folder() -> None:
    assert find_layout(build_tree(), NAMES).nodes_folder == VM_FOLDER


# One group


def test_a_group_is_what_is_directly_in_its_folder(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, direct: Direct
) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    node = driver.create_node("one", None, image, ex_group="one-of", ex_power_on=False)
    below = direct.find("vm/one-of").CreateFolder("below")
    deeper = direct.clone(direct.vm(node.extra["moid"]), below, "deeper")
    try:
        bare_lab.reset_calls()
        folder, found = fetch_group(driver._session, NAMES, "one-of", ("config.files.vmPathName",))
        assert bare_lab.calls().by_method["RetrievePropertiesEx"] == 2
        assert folder.moid == direct.find("vm/one-of")._moId
        assert [row["name"] for row in found.rows] == ["one"]
        assert "config.files.vmPathName" in found.rows[0]
    finally:
        direct.destroy(deeper)
        direct.wait(below.Destroy_Task())


@pytest.mark.parametrize("name", ["nowhere", "legacy/", "Legacy"])
def test_a_group_that_is_not_there(driver: VsphereCloneNodeDriver, name: str) -> None:
    with pytest.raises(NotFoundError, match="no group"):
        fetch_group(driver._session, NAMES, name)


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
