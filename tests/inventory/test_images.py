"""Everything in the images folder is an image, and is found by id, name or path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from libcloud.compute.base import NodeImage

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import AmbiguousNameError, InvalidRequestError, NotFoundError
from libcloud_vsphere_clone.inventory.images import IMAGE_PATHS
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.properties import supported_paths
from tests.direct import Direct

SEEDED = ["archive/debian-11", "debian-12", "debian-12-static"]


def paths(driver: VsphereCloneNodeDriver) -> list[str]:
    return sorted(image.extra["path"] for image in driver.list_images())


def test_listing_takes_three_round_trips_and_then_two(bare_lab: Lab) -> None:
    with bare_lab.driver() as driver:
        bare_lab.reset_calls()
        assert paths(driver) == SEEDED
        assert bare_lab.calls().total <= 3
        bare_lab.reset_calls()
        driver.list_images()
        assert bare_lab.calls().total == 2


def test_an_image_says_what_it_is(driver: VsphereCloneNodeDriver) -> None:
    image = driver.ex_get_image_by_name("debian-12-static")
    extra = image.extra
    assert (extra["kind"], extra["cpus"], extra["memory_mib"], extra["disks_gib"]) == ("template", 2, 2048, [8.0])
    assert (extra["customization"], extra["cluster"], extra["datastores"]) == ("none", "cluster-drs", ["shared-1"])
    assert extra["guest_id"] == "debian12_64Guest"
    assert "root password" in extra["description"]
    assert json.loads(json.dumps(extra)) == extra
    assert driver.get_image(image.id).extra == extra


@pytest.fixture
def master(direct: Direct) -> Iterator[Any]:
    """A pre-set-up master: a VM in the images folder that is no template, and runs."""
    vm = direct.clone(direct.find("vm/jclouds-images/debian-12"), direct.find("vm/jclouds-images/archive"), "debian-12")
    direct.wait(vm.PowerOnVM_Task())
    yield vm
    direct.destroy(vm)


def test_a_running_master_is_an_image_and_no_node(driver: VsphereCloneNodeDriver, master: Any) -> None:
    image = driver.ex_get_image_by_name("archive/debian-12")
    assert (image.extra["kind"], image.extra["power_state"]) == ("vm", "poweredOn")
    assert image.extra["moid"] not in [node.extra["moid"] for node in driver.list_nodes()]
    node = driver.create_node("from-a-master", None, image, ex_power_on=False)
    assert (node.extra["managed"], node.extra["image"]) == (True, image.id)


def test_a_name_in_two_folders_needs_its_path(driver: VsphereCloneNodeDriver, master: Any) -> None:
    with pytest.raises(AmbiguousNameError) as caught:
        driver.ex_get_image_by_name("debian-12")
    assert set(caught.value.paths) == {"/archive/debian-12", "/debian-12"}
    found = [driver.ex_get_image_by_name(path) for path in caught.value.paths]
    assert {f"/{image.extra['path']}" for image in found} == set(caught.value.paths)


def test_a_path_of_one_folder_wins_over_a_name_in_another(driver: VsphereCloneNodeDriver) -> None:
    assert driver.ex_get_image_by_name("archive/debian-11").name == "debian-11"
    assert driver.ex_get_image_by_name("debian-11").extra["path"] == "archive/debian-11"


def test_an_image_that_is_not_there_says_which_are(driver: VsphereCloneNodeDriver) -> None:
    with pytest.raises(NotFoundError, match="archive/debian-11, debian-12, debian-12-static"):
        driver.ex_get_image_by_name("windows")
    with pytest.raises(NotFoundError, match="4242"):
        driver.get_image("00000000-0000-4000-8000-000000004242")
    with pytest.raises(NotFoundError, match="debian-12"):
        driver.get_image("debian-12")


def test_a_node_is_no_image(driver: VsphereCloneNodeDriver) -> None:
    node = driver.ex_get_node(name="legacy-web")
    with pytest.raises(InvalidRequestError, match="not in the folder 'jclouds-images'"):
        driver.get_image(str(node.id))


def test_an_image_without_config_is_not_cloned(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    image = driver.ex_get_image_by_name("debian-11")
    bare_lab.control.change_vm(image.extra["moid"], drop_config=True)
    try:
        assert paths(driver) == SEEDED[1:]
        for known in (image, NodeImage(image.id, "debian-11", driver)):
            with pytest.raises(InvalidRequestError, match="no configuration"):
                driver.create_node("web", None, known)
    finally:
        bare_lab.control.change_vm(image.extra["moid"], drop_config=False)


def test_a_folder_further_down_may_be_the_images_folder(bare_lab: Lab) -> None:
    with bare_lab.driver(ex_images_folder="jclouds-images/archive") as driver:
        assert paths(driver) == ["debian-11"]


def test_no_images_folder_says_what_to_do(bare_lab: Lab) -> None:
    with bare_lab.driver(ex_images_folder="golden") as driver:
        with pytest.raises(NotFoundError, match="ex_images_folder="):
            driver.list_images()
        assert [group.name for group in driver.ex_list_groups()].count("golden") == 0


def test_every_path_exists_in_the_api() -> None:
    assert list(IMAGE_PATHS) == supported_paths("VirtualMachine", IMAGE_PATHS, "vim.version.v8_0_3_0")
