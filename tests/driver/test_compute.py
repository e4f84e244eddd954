"""The driver's parameters are checked before anything is changed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from libcloud.compute.base import NodeAuthPassword, NodeImage, NodeSize
from libcloud.compute.deployment import ScriptDeployment

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.driver.convert import VsphereNetwork
from libcloud_vsphere_clone.errors import InvalidRequestError, NotFoundError, VsphereError
from libcloud_vsphere_clone.lab import Lab

NAMED: Any = SimpleNamespace(name="a driver")

BAD: dict[str, tuple[dict[str, Any], type[VsphereError], str]] = {
    "size by name": (
        {"size": "2cpu-4gib"},
        InvalidRequestError,
        r"size must be one of list_sizes\(\), got '2cpu-4gib'",
    ),
    "image by name": ({"image": "debian-12"}, InvalidRequestError, r"image must be one of list_images\(\)"),
    "size and image swapped": (
        {"size": NodeImage("uuid-1", "debian-12", NAMED), "image": NodeSize("s", "s", 1, 1, 0, 0, NAMED)},
        InvalidRequestError,
        r"(size|image) must be one of list_(sizes|images)\(\), got <Node(Image|Size)",
    ),
    "a network itself": (
        {"ex_networks": [VsphereNetwork("network-6", "VM Network", {})]},
        InvalidRequestError,
        r"names, paths, ids and Nic\(\.\.\.\)",
    ),
    "no image": ({"image": None}, InvalidRequestError, "needs an image"),
    "location by name": ({"location": "cluster-drs"}, InvalidRequestError, r"one of list_locations\(\)"),
    "networks as text": ({"ex_networks": "dvpg-web"}, InvalidRequestError, "must be a list of names"),
    "metadata as text": ({"ex_metadata": "abc"}, InvalidRequestError, "ex_metadata must be a mapping"),
    "metadata JSON does not know": ({"ex_metadata": {"a": float("inf")}}, InvalidRequestError, "must be JSON"),
    "metadata no JSON": ({"ex_metadata": {"a": {1}}}, InvalidRequestError, "ex_metadata must be JSON"),
    "user data as mapping": ({"ex_userdata": {"a": 1}}, InvalidRequestError, "ex_userdata must be text or bytes"),
    "auth as text": ({"auth": "secret"}, InvalidRequestError, "auth must be a NodeAuthSSHKey or a NodeAuthPassword"),
    "no CPU": ({"ex_cpus": 0}, InvalidRequestError, "ex_cpus must be a positive whole number"),
    "odd memory": ({"ex_memory_mib": 1025}, InvalidRequestError, "multiple of 4"),
    "shrunk disk": ({"ex_disk_gib": 1}, InvalidRequestError, "cannot shrink"),
    "long name": ({"name": "n" * 81}, InvalidRequestError, "81 characters"),
    "empty group": ({"ex_group": " "}, InvalidRequestError, "needs a name"),
    "the images folder": ({"ex_group": "jclouds-images"}, InvalidRequestError, "is the images folder"),
    "unknown datastore": ({"ex_datastore": "none"}, NotFoundError, "there are: local-1"),
    "user name": ({"auth": NodeAuthPassword("p"), "ex_username": "A B"}, InvalidRequestError, "can't be a user name"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_changes_nothing(driver: VsphereCloneNodeDriver, bare_lab: Lab, case: str) -> None:
    words, kind, message = BAD[case]
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    with pytest.raises(kind, match=message):
        driver.create_node(**{"name": "bad", "size": None, "image": image, "ex_group": "bad", **words})
    reads = {"RetrievePropertiesEx", "CreateContainerView", "FindByUuid"}
    assert set(bare_lab.calls().by_method) <= reads


@pytest.mark.parametrize(
    "words",
    [
        {"ssh_interface": "eth0"},
        {"deploy": None},
        {"deploy": "echo hi"},
        {"ex_power_on": False},
        {"max_tries": 0},
        {"timeout": "60"},
    ],
    ids=lambda words: next(iter(words)),
)
def test_bad_deployment_sends_nothing(driver: VsphereCloneNodeDriver, bare_lab: Lab, words: dict[str, Any]) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError):
        driver.deploy_node(**{"deploy": ScriptDeployment("true"), "name": "bad", "size": None, "image": image, **words})
    assert bare_lab.calls().total == 0


@pytest.mark.parametrize("look_up", [lambda d: d.ex_get_node(), lambda d: d.ex_get_node("id", name="name")])
def test_get_node_takes_either_id_or_name(
    driver: VsphereCloneNodeDriver, look_up: Callable[[VsphereCloneNodeDriver], object]
) -> None:
    with pytest.raises(InvalidRequestError, match="either an id or name="):
        look_up(driver)


def test_size_words_win_over_the_size(driver: VsphereCloneNodeDriver) -> None:
    size = next(size for size in driver.list_sizes() if size.id == "4cpu-8gib")
    node = driver.create_node("mixed", size, driver.ex_get_image_by_name("debian-12"), ex_cpus=3, ex_group="sizes")
    assert (node.extra["cpus"], node.extra["memory_mib"], node.extra["size"]) == (3, 8192, "4cpu-8gib")
    assert node.size is not None and node.size.id == "4cpu-8gib"


def test_repr_hides_the_password(driver: VsphereCloneNodeDriver, bare_lab: Lab) -> None:
    assert bare_lab.password not in repr(driver)
    assert "***" in repr(driver)
