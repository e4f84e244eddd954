"""Customizations in the lab end as tests want them to, and whoever watches is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone.lab import Lab, LabError
from tests.direct import Direct

custom: Any = vim.vm.customization


@pytest.fixture
def lab_with_customizations(bare_lab: Lab) -> Iterator[Lab]:
    yield bare_lab
    bare_lab.control.spare_customizations()


@pytest.fixture
def customized_clone(direct: Direct) -> Iterator[Any]:
    """Makes clones with a customization, which is at its end, or goes on, when the clone is made."""
    made = []

    def make(name: str) -> Any:
        address = custom.IPSettings(ip=custom.FixedIp(ipAddress="10.0.0.5"), subnetMask="255.255.255.0")
        spec = custom.Specification(
            identity=custom.LinuxPrep(hostName=custom.FixedName(name=name), domain="example.org"),
            globalIPSettings=custom.GlobalIPSettings(),
            nicSettingMap=[custom.AdapterMapping(adapter=address)],
        )
        place = vim.vm.RelocateSpec(pool=direct.find("host/cluster-drs/Resources"))
        clone = vim.vm.CloneSpec(location=place, powerOn=True, customization=spec)
        image = direct.find("vm/jclouds-images/debian-12")
        made.append(direct.wait(image.CloneVM_Task(direct.find("vm"), name, clone)))
        return made[-1]

    yield make
    for vm in made:
        direct.destroy(vm)


def status(direct: Direct, vm: Any) -> str:
    return str(direct.read(vm, "guest.customizationInfo").customizationStatus)


def events(direct: Direct, vm: Any) -> list[Any]:
    """The VM's customization events, the latest first."""
    entity = vim.event.EventFilterSpec.ByEntity(entity=vm, recursion="self")
    found = direct.content.eventManager.QueryEvents(vim.event.EventFilterSpec(entity=entity))
    return [event for event in found if isinstance(event, vim.event.CustomizationEvent)]


def test_customizations_succeed(direct: Direct, customized_clone: Any) -> None:
    vm = customized_clone("fine")
    assert status(direct, vm) == "TOOLSDEPLOYPKG_SUCCEEDED"
    assert isinstance(events(direct, vm)[0], vim.event.CustomizationSucceeded)
    assert direct.read(vm, "guest.ipAddress") == "10.0.0.5"


def test_the_next_ones_fail(lab_with_customizations: Lab, direct: Direct, customized_clone: Any) -> None:
    lab_with_customizations.control.fail_customizations("CustomizationNetworkSetupFailed", "No such network.", times=2)
    for name in ("one", "two"):
        vm = customized_clone(name)
        while status(direct, vm) != "TOOLSDEPLOYPKG_FAILED" or len(events(direct, vm)) < 2:
            pass
        assert direct.read(vm, "guest.customizationInfo").errorMsg == "No such network."
        kinds = {type(event): event.fullFormattedMessage for event in events(direct, vm)}
        assert kinds[vim.event.CustomizationNetworkSetupFailed] == "No such network."
        assert vim.event.CustomizationStartedEvent in kinds
    assert status(direct, customized_clone("three")) == "TOOLSDEPLOYPKG_SUCCEEDED"


def test_a_failure_takes_its_time(lab_with_customizations: Lab, direct: Direct, customized_clone: Any) -> None:
    lab_with_customizations.control.fail_customizations(delay_ms=60_000)
    vm = customized_clone("slow")
    assert status(direct, vm) == "TOOLSDEPLOYPKG_RUNNING"


def test_the_rules_end(lab_with_customizations: Lab, direct: Direct, customized_clone: Any) -> None:
    lab_with_customizations.control.fail_customizations(times=5)
    lab_with_customizations.control.spare_customizations()
    assert status(direct, customized_clone("spared")) == "TOOLSDEPLOYPKG_SUCCEEDED"


@pytest.mark.parametrize("event", ["CustomizationFault", "VmPoweredOnEvent", "Nothing"])
def test_only_customization_events(bare_lab: Lab, event: str) -> None:
    with pytest.raises(LabError, match="is no customization event"):
        bare_lab.control.fail_customizations(event)


def test_adapters_are_disconnected_and_connected(bare_lab: Lab, direct: Direct, customized_clone: Any) -> None:
    vm = customized_clone("unplugged")
    for connected in (False, True):
        bare_lab.control.connect_nics(vm._moId, connected=connected)
        [nic] = direct.devices(vm, vim.vm.device.VirtualEthernetCard)
        assert nic.connectable.connected is connected
        assert [seen.connected for seen in direct.read(vm, "guest.net")] == [connected]


def test_unknown_vms(bare_lab: Lab) -> None:
    with pytest.raises(LabError, match="not found"):
        bare_lab.control.tell_customization("vm-99999", status="TOOLSDEPLOYPKG_FAILED")
    with pytest.raises(LabError, match="not found"):
        bare_lab.control.connect_nics("vm-99999", connected=True)
