"""What is looked up of VMs whose guests do not answer. The lab plays the guests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import NotFoundError, TaskError
from libcloud_vsphere_clone.guest.debounce import Patience
from libcloud_vsphere_clone.guest.liveness import Lookout
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


def look_out(driver: VsphereCloneNodeDriver, node: Any, *, may_turn: bool = False) -> Lookout:
    vm = Ref("VirtualMachine", node.extra["moid"])
    return Lookout(driver._session, vm, Wait(), ["10.0.0.5", "10.0.1.5"], may_turn=may_turn)


def test_an_address_that_has_changed(driver: VsphereCloneNodeDriver, bare_lab: Lab, node: Any, report: Report) -> None:
    lookout = look_out(driver, node)
    assert lookout.address == "10.0.0.5"
    report()
    lookout.look()
    assert lookout.address == "10.0.0.5"  # a guest that reboots tells of none
    report("10.0.0.6")
    bare_lab.reset_calls()
    lookout.look()
    assert lookout.address == "10.0.0.6"
    assert bare_lab.calls().by_method == {"RetrievePropertiesEx": 1}


@pytest.mark.parametrize(("may_turn", "tried"), [(False, ["10.0.0.5"] * 3), (True, ["10.0.0.5", "10.0.1.5"] * 2)])
def test_other_addresses_are_tried_only_where_a_server_proves_whose_it_is(
    driver: VsphereCloneNodeDriver, node: Any, report: Report, may_turn: bool, tried: list[str]
) -> None:
    lookout = look_out(driver, node, may_turn=may_turn)
    report("10.0.0.5", "10.0.1.5")
    for address in tried:
        assert lookout.address == address
        lookout.look()


def test_a_vm_that_is_off_has_a_moment(driver: VsphereCloneNodeDriver, node: Any) -> None:
    now = [0.0]
    lookout = look_out(driver, node)
    lookout.patience = Patience(lambda: now[0])
    driver.stop_node(node, ex_hard=True)
    lookout.look()
    now[0] += 10
    with pytest.raises(TaskError, match=r"'looked-at' is poweredOff; start it with start_node"):
        lookout.look()


def test_a_vm_that_is_gone(driver: VsphereCloneNodeDriver, node: Any) -> None:
    lookout = look_out(driver, node)
    driver.destroy_node(node)
    with pytest.raises(NotFoundError, match="it was removed while its guest was waited for"):
        lookout.look()


def test_while_vcenter_is_away_the_guest_may_still_be_there(
    driver: VsphereCloneNodeDriver, bare_lab: Lab, node: Any
) -> None:
    lookout = look_out(driver, node)
    bare_lab.faults.add("RetrievePropertiesEx", when="reset-before", times=0)
    lookout.look()
    assert lookout.address == "10.0.0.5"
