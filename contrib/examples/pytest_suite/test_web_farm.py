"""A project's own tests on a vCenter that exists while they run. Copy it, and replace ``make_farm`` by your code.

The fixtures come with the package: ``vsphere_lab`` is the lab of the test run, ``vsphere_driver`` a driver connected to
it; the nodes that a test leaves are destroyed after it. Run it with: pytest contrib/examples/pytest_suite
"""
# ruff: noqa: S101

from __future__ import annotations

from typing import Any

import pytest
from libcloud.compute.base import Node, NodeDriver

from libcloud_vsphere_clone import Lab, NoPlacementError


def make_farm(driver: NodeDriver, count: int, **create_words: Any) -> list[Node]:
    """The code under test: so many web servers, or none. It knows Libcloud and nothing of vSphere."""
    image = next(image for image in driver.list_images() if image.name == "debian-12")
    size = min(driver.list_sizes(), key=lambda size: size.ram)
    made: list[Node] = []
    try:
        for number in range(1, count + 1):
            made.append(driver.create_node(name=f"web-{number}", size=size, image=image, **create_words))
    except Exception:
        for node in made:
            node.destroy()
        raise
    return made


def test_a_farm_has_as_many_nodes_as_asked_for(vsphere_driver: Any) -> None:
    make_farm(vsphere_driver, 2, ex_group="farm", ex_power_on=False)
    assert sorted(node.name for node in vsphere_driver.list_nodes(ex_group="farm")) == ["web-1", "web-2"]


def test_no_half_a_farm_is_left(vsphere_driver: Any, vsphere_lab: Lab) -> None:
    # The second clone finds the datastore full.
    vsphere_lab.faults.add("CloneVM_Task", fault="NoDiskSpace", when="task", every=2)
    with pytest.raises(NoPlacementError):
        make_farm(vsphere_driver, 3, ex_group="farm", ex_power_on=False)
    vsphere_lab.faults.clear()
    assert vsphere_driver.list_nodes(ex_group="farm") == []


def test_the_farm_survives_the_end_of_its_session(vsphere_driver: Any, vsphere_lab: Lab) -> None:
    make_farm(vsphere_driver, 1, ex_group="farm", ex_power_on=False)
    assert vsphere_lab.expire_sessions() > 0
    assert len(vsphere_driver.list_nodes(ex_group="farm")) == 1
