"""Groups are folders: found by name, counted, and never made by a read."""

from __future__ import annotations

import pytest

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import NotFoundError
from libcloud_vsphere_clone.inventory.groups import fetch_group
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model.layout import FolderNames
from tests.direct import Direct

NAMES = FolderNames()


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


def test_a_nodes_folder_of_ones_own(bare_lab: Lab) -> None:
    with bare_lab.driver(ex_nodes_folder="infrastructure") as driver:
        assert driver.list_nodes() == []
        node = driver.create_node("web", None, driver.ex_get_image_by_name("debian-12"), ex_power_on=False)
        assert node.extra["path"] == "infrastructure/libcloud/web"
        assert [group.name for group in driver.ex_list_groups()] == ["libcloud"]
        assert driver.destroy_node(node)


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
