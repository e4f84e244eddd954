"""The guests' guestinfo channel: VMware Tools' commands in real guests, and cloud-init's use of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from libcloud.compute.base import Node, NodeAuthPassword
from libcloud.compute.deployment import ScriptDeployment

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab

pytestmark = pytest.mark.guests


@pytest.fixture
def driver(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    with lab.driver() as driver:
        yield driver
        for node in driver.list_nodes(ex_group="guestinfo"):
            driver.destroy_node(node)


def _run(driver: VsphereCloneNodeDriver, script: str, image: str = "debian-12") -> tuple[Node, ScriptDeployment]:
    deployment = ScriptDeployment(f"#!/bin/sh\n{script}\n")
    node = driver.deploy_node(
        name="talks",
        size=None,
        image=driver.ex_get_image_by_name(image),
        deploy=deployment,
        auth=NodeAuthPassword("vsphere-lab") if "static" in image else None,
        ex_group="guestinfo",
    )
    return node, deployment


SCRIPT = """\
vmware-rpctool "info-get guestinfo.nothing"; echo $?
vmware-rpctool "info-set guestinfo.x two words"; echo $?
su nobody -s /bin/sh -c 'vmtoolsd --cmd "info-get guestinfo.x"'; echo $?
vmware-rpctool 2>/dev/null; echo $?
"""


@pytest.mark.parametrize("image", ["debian-12", "debian-12-static"])
def test_statuses_and_outputs_are_those_of_open_vm_tools(driver: VsphereCloneNodeDriver, image: str) -> None:
    _, script = _run(driver, SCRIPT, image)
    assert script.stdout == "1\n\n0\ntwo words\n0\n1\n"
    assert script.stderr == "No value found\n"


def test_cloud_init_reads_by_the_channel_and_clears_the_password(driver: VsphereCloneNodeDriver) -> None:
    script = (
        "cloud-init status --wait >/dev/null; vmware-rpctool 'info-get guestinfo.userdata'; "
        "cloud-init query subplatform; vmware-rpctool 'info-get guestinfo.local-ipv4'"
    )
    node, done = _run(driver, script)
    assert str(done.stdout).splitlines() == ["---", "guestinfo (guestinfo.metadata)", node.private_ips[0]]
