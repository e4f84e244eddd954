"""What an image tells about its guests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from libcloud.compute.base import NodeAuthPassword, NodeImage

from libcloud_vsphere_clone import InvalidRequestError, Lab, NotFoundError, NotPermittedError, VsphereCloneNodeDriver
from libcloud_vsphere_clone.model import marks
from tests.direct import Direct, writes


@pytest.fixture
def image(driver: VsphereCloneNodeDriver, direct: Direct) -> Iterator[NodeImage]:
    """A template of the test's own."""
    copy = direct.clone(direct.find("vm/jclouds-images/debian-12"), direct.find("vm/jclouds-images"), "told")
    copy.MarkAsTemplate()
    yield driver.ex_get_image_by_name("told")
    direct.destroy(copy)


def test_an_image_tells_what_was_written_on_it(
    driver: VsphereCloneNodeDriver, image: NodeImage, bare_lab: Lab, direct: Direct
) -> None:
    assert (image.extra["login"], image.extra["transport"]) == (None, None)
    bare_lab.reset_calls()
    told = driver.ex_configure_image(image, customize="linux-prep", username="debian", transport="tools")
    assert writes(bare_lab) == {"ReconfigVM_Task": 1}
    assert told.id == image.id
    expected = ("linux-prep", "the image's mark", "debian", "tools")
    keys = ("customization", "customization_reason", "login", "transport")
    assert tuple(told.extra[key] for key in keys) == expected
    assert tuple(driver.get_image(image.id).extra[key] for key in keys) == expected
    assert told.extra["kind"] == "template"
    cleared = driver.ex_configure_image(image, customize="", username="", transport="")
    assert not {marks.GUEST, marks.LOGIN, marks.TRANSPORT} & direct.extra_config(direct.find(PATH)).keys()
    assert cleared.extra["customization"] == "cloud-init"
    assert cleared.extra["login"] is None


PATH = "vm/jclouds-images/told"


def test_a_template_stays_one_when_it_cannot_be_changed(
    driver: VsphereCloneNodeDriver, image: NodeImage, bare_lab: Lab
) -> None:
    bare_lab.faults.add("ReconfigVM_Task", fault="NoPermission", when="before")
    with pytest.raises(NotPermittedError, match="configure image 'told'") as caught:
        driver.ex_configure_image(image, customize="none", resource_pool="tenants")
    assert not getattr(caught.value, "__notes__", [])
    assert driver.get_image(image.id).extra["kind"] == "template"
    bare_lab.faults.add("MarkAsTemplate", fault="NoPermission", when="before")
    with pytest.raises(NotPermittedError, match="mark it as one in vCenter"):
        driver.ex_configure_image(image, customize="none")
    assert driver.ex_configure_image(image, transport="ssh").extra["kind"] == "vm"


def test_what_is_left_out_stays(driver: VsphereCloneNodeDriver, image: NodeImage) -> None:
    driver.ex_configure_image(image, customize="none", username="debian")
    told = driver.ex_configure_image(image, transport="winrm")
    assert (told.extra["customization"], told.extra["login"], told.extra["transport"]) == ("none", "debian", "winrm")


def test_a_node_takes_its_login_from_the_image(
    driver: VsphereCloneNodeDriver, image: NodeImage, direct: Direct
) -> None:
    driver.ex_configure_image(image, customize="none", username="debian", transport="tools")
    node = driver.create_node("quiet", None, image, auth=NodeAuthPassword("x"), ex_group="made", ex_power_on=False)
    options = direct.extra_config(direct.vm(node.extra["moid"]))
    assert (node.extra["customization"], node.extra["customization_reason"]) == ("none", "the image's mark")
    assert marks.GUEST not in options
    assert (options[marks.LOGIN], options[marks.TRANSPORT]) == ("debian", "tools")  # for sessions later on


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({}, "say what to write"),
        ({"customize": "kickstart"}, "customize must be one of cloud-init"),
        ({"username": "Not A Name"}, "can't be a user name"),
        ({"transport": "telnet"}, "transport must be one of ssh, tools, winrm, keyboard, pull"),
    ],
)
def test_words_that_cannot_be_right_send_nothing(
    driver: VsphereCloneNodeDriver, bare_lab: Lab, words: dict[str, Any], reason: str
) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match=reason):
        driver.ex_configure_image(image, **words)
    assert bare_lab.calls().total == 0


def test_only_images_are_configured(driver: VsphereCloneNodeDriver, bare_lab: Lab) -> None:
    node = driver.create_node("no-image", None, driver.ex_get_image_by_name("debian-12"), ex_power_on=False)
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="is no image"):
        driver.ex_configure_image(NodeImage(str(node.id), "no-image", driver), customize="none")
    with pytest.raises(NotFoundError, match="no image"):
        driver.ex_configure_image(NodeImage("50000000-0000-4000-8000-000000000999", "gone", driver), customize="none")
    assert writes(bare_lab) == {}
