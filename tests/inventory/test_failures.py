"""A read that fails is an error of our tree, whatever broke."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import ConnectionFailedError, NotPermittedError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import stub

READS: dict[str, Callable[[VsphereCloneNodeDriver], Any]] = {
    "list_nodes": lambda driver: driver.list_nodes(),
    "list_images": lambda driver: driver.list_images(),
    "list_locations": lambda driver: driver.list_locations(),
    "ex_list_groups": lambda driver: driver.ex_list_groups(),
    "ex_list_networks": lambda driver: driver.ex_list_networks(),
    "ex_list_datastores": lambda driver: driver.ex_list_datastores(),
    "ex_get_node": lambda driver: driver.ex_get_node("50000000-0000-4000-8000-000000000009"),
    "get_image": lambda driver: driver.get_image("vm-1"),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_privilege_that_is_missing(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, read: Callable[[VsphereCloneNodeDriver], Any]
) -> None:
    for method in ("RetrievePropertiesEx", "FindByUuid"):
        bare_lab.faults.add(method, fault="NoPermission", fields={"privilegeId": "System.Read"})
    with pytest.raises(NotPermittedError, match=r"could not .*System\.Read"):
        read(driver)


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_server_that_has_gone(
    bare_lab: Lab,
    driver: VsphereCloneNodeDriver,
    read: Callable[[VsphereCloneNodeDriver], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stub, "REPEAT_DELAYS_S", ())  # the waits have tests of their own
    for method in ("RetrievePropertiesEx", "FindByUuid", "CreateContainerView"):
        bare_lab.faults.add(method, when="reset-before", times=0)
    with pytest.raises(ConnectionFailedError, match="could not"):
        read(driver)
    bare_lab.faults.clear()
    driver.list_nodes()
