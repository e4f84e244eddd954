"""What is looked up of VMs whose guests do not answer. The lab plays the guests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import NotFoundError, TaskError
from libcloud_vsphere_clone.guest.debounce import Debounce
from libcloud_vsphere_clone.guest.liveness import LivenessCheck
from libcloud_vsphere_clone.guest.wait import Wait
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.rows import Ref
from tests.direct import Create, Direct

Report = Callable[..., None]


@pytest.fixture
def node(create: Create) -> Any:
    return create("looked-at", ex_power_on=True)


@pytest.fixture
def report(bare_lab: Lab, direct: Direct, node: Any) -> Report:
    """Set the addresses of its only NIC."""
    [nic] = direct.devices(direct.vm(node.extra["moid"]), vim.vm.device.VirtualEthernetCard)

    def put(*addresses: str) -> None:
        net = {"macAddress": nic.macAddress, "deviceConfigId": nic.key, "ipAddress": list(addresses)}
        bare_lab.control.change_vm(node.extra["moid"], {"guest.net": [net]})

    return put


def liveness_of(driver: VsphereCloneNodeDriver, node: Any, *, try_others: bool = False) -> LivenessCheck:
    vm = Ref("VirtualMachine", node.extra["moid"])
    return LivenessCheck(driver._session, vm, Wait(), ["10.0.0.5", "10.0.1.5"], try_others=try_others)


def test_an_address_that_has_changed(driver: VsphereCloneNodeDriver, bare_lab: Lab, node: Any, report: Report) -> None:
    liveness = liveness_of(driver, node)
    assert liveness.address == "10.0.0.5"
    report()
    liveness.check()
    assert liveness.address == "10.0.0.5"  # a guest that reboots tells of none
    report("10.0.0.6")
    bare_lab.reset_calls()
    liveness.check()
    assert liveness.address == "10.0.0.6"
    assert bare_lab.calls().by_method == {"RetrievePropertiesEx": 1}


@pytest.mark.parametrize(("try_others", "tried"), [(False, ["10.0.0.5"] * 3), (True, ["10.0.0.5", "10.0.1.5"] * 2)])
def test_other_addresses_are_tried_only_where_a_server_proves_whose_it_is(
    driver: VsphereCloneNodeDriver, node: Any, report: Report, try_others: bool, tried: list[str]
) -> None:
    liveness = liveness_of(driver, node, try_others=try_others)
    report("10.0.0.5", "10.0.1.5")
    for address in tried:
        assert liveness.address == address
        liveness.check()


def test_a_vm_that_is_off_has_a_moment(driver: VsphereCloneNodeDriver, node: Any) -> None:
    now = [0.0]
    liveness = liveness_of(driver, node)
    liveness.debounce = Debounce(lambda: now[0])
    driver.stop_node(node, ex_hard=True)
    liveness.check()
    now[0] += 10
    with pytest.raises(TaskError, match=r"'looked-at' is poweredOff; start it with start_node"):
        liveness.check()


def test_a_vm_that_is_gone(driver: VsphereCloneNodeDriver, node: Any) -> None:
    liveness = liveness_of(driver, node)
    driver.destroy_node(node)
    with pytest.raises(NotFoundError, match="it was removed while its guest was waited for"):
        liveness.check()


def test_while_vcenter_is_away_the_guest_may_still_be_there(
    driver: VsphereCloneNodeDriver, bare_lab: Lab, node: Any
) -> None:
    liveness = liveness_of(driver, node)
    bare_lab.faults.add("RetrievePropertiesEx", when="reset-before", times=0)
    liveness.check()
    assert liveness.address == "10.0.0.5"
