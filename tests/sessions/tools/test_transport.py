"""Guest operations as a way into real guests, chosen by an image's mark or for want of a network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from libcloud.compute.base import NodeAuthPassword, NodeImage
from libcloud.compute.deployment import ScriptDeployment
from pyVmomi import vim

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.tools.client import GuestToolsClient
from tests.direct import Direct

pytestmark = pytest.mark.guests

PASSWORD = NodeAuthPassword("Given-1-password")


@pytest.fixture
def marked(guests: VsphereCloneNodeDriver) -> Iterator[NodeImage]:
    """An image that tells how its guests are logged in to."""
    image = guests.ex_get_image_by_name("debian-11")
    yield guests.ex_configure_image(image, transport="tools", username="admin")
    guests.ex_configure_image(image, transport="", username="")


def test_an_image_tells_how_its_nodes_are_got_into(guests: VsphereCloneNodeDriver, lab: Lab, marked: NodeImage) -> None:
    said: list[str] = []
    script = ScriptDeployment("id -un; pwd")
    lab.reset_calls()
    node = guests.deploy_node(
        script,
        name="by-its-mark",
        size=None,
        image=marked,
        timeout=240,
        ex_group="doors",
        ex_on_stage=lambda _, what: said.append(what),
    )
    assert script.stdout == "admin\n/home/admin\n"
    assert "logging in through VMware Tools as admin" in said
    assert (
        lab.calls().by_method.get("CreatePropertyCollector", 0) <= 2
    )  # the clone, and the guest, if it is not there yet
    password = NodeAuthPassword(node.extra["password"])
    session = guests.ex_open_session(node, auth=password)  # the node has the image's marks
    session.close()
    assert isinstance(session, GuestToolsClient)
    assert session.username == "admin"


def test_a_key_does_not_do(guests: VsphereCloneNodeDriver, lab: Lab, marked: NodeImage, key_file: str) -> None:
    lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="'tools' logs in with a password"):
        guests.deploy_node(ScriptDeployment("true"), name="no", size=None, image=marked, ssh_key=key_file)
    assert lab.calls().total == 0


def test_a_node_without_a_network_is_got_into_by_guest_operations(
    guests: VsphereCloneNodeDriver, lab: Lab, key_file: str
) -> None:
    image = guests.ex_get_image_by_name("debian-12")
    node = guests.create_node("no-network", None, image, auth=PASSWORD, ex_group="doors")
    adapter_free(lab, node.extra["moid"])
    session = guests.ex_open_session(node, auth=PASSWORD, timeout=240)
    assert isinstance(session, GuestToolsClient)
    assert session.run("echo in")[:1] == ("in\n",)
    session.close()
    with pytest.raises(InvalidRequestError, match="'tools' logs in with a password"):
        guests.ex_open_session(node, ssh_key=key_file)


def adapter_free(lab: Lab, moid: str) -> None:
    """Take its network adapters from a VM."""
    direct = Direct(lab)
    try:
        vm = direct.vm(moid)
        remove = vim.vm.device.VirtualDeviceSpec.Operation.remove
        adapters = direct.devices(vm, vim.vm.device.VirtualEthernetCard)
        changes = [vim.vm.device.VirtualDeviceSpec(device=adapter, operation=remove) for adapter in adapters]
        direct.wait(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=changes)))
    finally:
        direct.close()
