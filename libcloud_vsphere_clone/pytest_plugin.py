"""Fixtures for test suites that want a vCenter: ``vsphere_lab`` and ``vsphere_driver``.

Free for suites that don't use them: nothing is imported before a fixture runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from libcloud.compute.base import Node

    from .driver.compute import VsphereCloneNodeDriver
    from .lab import Lab


@pytest.fixture(scope="session")
def vsphere_lab() -> Iterator[Lab]:
    """A lab of this test run, with guests where a container engine runs.

    ``vsphere_lab.guests_unavailable`` says why they are missing, else it is None.
    """
    from .lab import Lab

    with Lab() as lab:
        yield lab


@pytest.fixture
def vsphere_driver(vsphere_lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    """A driver connected to the lab; nodes that the test left, its faults and its delays are gone after it."""
    driver = vsphere_lab.driver()
    try:
        before = {node.id for node in _managed_nodes(driver)}
        yield driver
        vsphere_lab.faults.clear()
        vsphere_lab.delay_tasks({})
        for node in _managed_nodes(driver):
            if node.id not in before:
                driver.destroy_node(node)
    finally:
        driver.close()


def _managed_nodes(driver: VsphereCloneNodeDriver) -> list[Node]:
    return [node for node in driver.list_nodes() if node.extra.get("managed")]
