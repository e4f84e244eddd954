"""The driver keeps Libcloud's contract: parameters, feature words, exceptions, and Libcloud's own conformance tests."""

from __future__ import annotations

import inspect
import json
import unittest
from typing import Any, ClassVar

import libcloud.test.compute as conformance
import pytest
from libcloud.common.types import InvalidCredsError, LibcloudError
from libcloud.compute.base import Node, NodeDriver, NodeImage, NodeSize

from libcloud_vsphere_clone import VsphereCloneNodeDriver, errors
from libcloud_vsphere_clone.lab import Lab

METHODS = [
    "create_node",
    "deploy_node",
    "destroy_node",
    "get_image",
    "list_images",
    "list_locations",
    "list_nodes",
    "list_sizes",
    "reboot_node",
    "start_node",
    "stop_node",
    "wait_until_running",
]


def _positional(function: object) -> list[tuple[str, object]]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    return [(p.name, p.default) for p in parameters if p.kind in kinds]


@pytest.mark.parametrize("method", METHODS)
def test_positional_parameters_and_defaults_are_the_bases(method: str) -> None:
    assert _positional(getattr(VsphereCloneNodeDriver, method)) == _positional(getattr(NodeDriver, method))


def test_constructor_takes_what_every_driver_takes() -> None:
    ours = _positional(VsphereCloneNodeDriver.__init__)
    assert ours == _positional(NodeDriver.__init__)


@pytest.mark.parametrize("method", METHODS)
def test_extras_are_keyword_only_and_say_so(method: str) -> None:
    parameters = inspect.signature(getattr(VsphereCloneNodeDriver, method)).parameters.values()
    extras = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    assert all(name.startswith("ex_") for name in extras)


def test_every_public_error_is_libclouds() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__ if inspect.isclass(getattr(errors, name))]
    assert kinds and all(issubclass(kind, LibcloudError) for kind in kinds)
    assert issubclass(errors.AuthenticationError, InvalidCredsError)
    assert issubclass(errors.InvalidRequestError, ValueError)
    assert issubclass(errors.TaskTimeoutError, TimeoutError)


def test_features_are_libclouds_words() -> None:
    assert VsphereCloneNodeDriver.features == {"create_node": ["ssh_key", "password", "generates_password"]}


class TestConformance(conformance.TestCaseMixin, unittest.TestCase):
    """Libcloud's own conformance tests, on the lab. They always take the first node: each test makes its own."""

    lab: ClassVar[Lab]

    @pytest.fixture(autouse=True)
    def _driver_with_a_node(self, bare_lab: Lab, request: pytest.FixtureRequest) -> object:
        group = f"conformance-{request.node.name}"
        # A nodes folder of its own, so that list_nodes()[0] is a node of this test.
        with bare_lab.driver() as seeding:
            folder = seeding._session.managed("Folder", _vm_folder(seeding)).CreateFolder(group)
            with bare_lab.driver(ex_nodes_folder=group) as self.driver:
                self.driver.create_node("first", None, self.driver.list_images()[0], ex_group="group")
                yield
                for node in self.driver.list_nodes():
                    self.driver.destroy_node(node)
            folder.Destroy_Task()


def _vm_folder(driver: VsphereCloneNodeDriver) -> str:
    from libcloud_vsphere_clone.inventory.locations import fetch_places
    from libcloud_vsphere_clone.model.layout import find_layout

    return find_layout(fetch_places(driver._session), driver._names).vm_folder.moid


def test_half_filled_objects_are_resolved_by_id(bare_lab: Lab) -> None:
    with bare_lab.driver() as driver:
        image = NodeImage(id=driver.ex_get_image_by_name("debian-12").id, name=None, driver=driver)  # type: ignore[arg-type]
        size = NodeSize("2cpu-4gib", None, None, None, None, None, driver)  # type: ignore[arg-type]
        node = driver.create_node("half", size, image, ex_group="contract")
        bare = Node(node.id, None, None, [], [], driver)  # type: ignore[arg-type]
        assert node.extra["memory_mib"] == 4096
        assert driver.destroy_node(bare)


def test_extra_is_json_everywhere(bare_lab: Lab) -> None:
    with bare_lab.driver() as driver:
        things: list[Any] = [*driver.list_nodes(), *driver.list_images(), *driver.list_locations()]
        things += [*driver.ex_list_groups(), *driver.ex_list_networks(), *driver.ex_list_datastores()]
        for thing in [*things, *driver.list_sizes()]:
            assert json.loads(json.dumps(thing.extra)) == thing.extra


def test_framework_words_are_ignored_and_others_refused(bare_lab: Lab) -> None:
    with bare_lab.driver(__pub_user="salt") as driver:
        assert driver.list_nodes(__pub_fun="list")
        with pytest.raises(errors.InvalidRequestError, match="does not take grup"):
            driver.list_nodes(grup="web")
    with pytest.raises(errors.InvalidRequestError, match="the constructor does not take hots"):
        VsphereCloneNodeDriver("user", "password", hots="vcenter")
