"""Faults, delays and dead sessions reach whoever talks to the lab."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from http.client import RemoteDisconnected
from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone.lab import Lab, LabControl, LabError

Connect = Callable[[Lab], Any]


@pytest.fixture
def lab_at_peace(bare_lab: Lab) -> Iterator[Lab]:
    """The run's lab without guests; what a test did to it is undone."""
    yield bare_lab
    bare_lab.faults.clear()
    bare_lab.delay_tasks({})
    bare_lab.control.restore_certificate()


def test_calls_are_counted(lab_at_peace: Lab, connect: Connect) -> None:
    client = connect(lab_at_peace)
    lab_at_peace.reset_calls()
    client.find("vm")
    counted = lab_at_peace.calls()
    assert counted.by_method == {"FindByInventoryPath": 1}
    assert counted.total == 1
    assert counted.bytes_out > 100
    assert lab_at_peace.control.logins().count >= 1


def test_a_fault_comes_instead_of_the_call(lab_at_peace: Lab, connect: Connect) -> None:
    client = connect(lab_at_peace)
    lab_at_peace.faults.add("FindByInventoryPath", fault="NoPermission", fields={"privilegeId": "System.Read"})
    with pytest.raises(vim.fault.NoPermission) as caught:
        client.find("vm")
    assert caught.value.privilegeId == "System.Read"
    assert client.find("vm") is not None
    (rule,) = lab_at_peace.faults.rules()
    assert rule["hits"] == 1


def test_a_task_ends_in_the_fault(lab_at_peace: Lab, connect: Connect) -> None:
    client = connect(lab_at_peace)
    lab_at_peace.faults.add("PowerOnVM_Task", fault="NoDiskSpace", target="name:legacy-web", when="task")
    with pytest.raises(vim.fault.NoDiskSpace):
        client.wait(client.find("vm/legacy/legacy-web").PowerOn())


def test_a_rule_ends_alone(lab_at_peace: Lab) -> None:
    one = lab_at_peace.faults.add("FindByUuid", fault="NoPermission")
    two = lab_at_peace.faults.add("FindByDnsName", fault="NoPermission", times=0, every=2)
    lab_at_peace.faults.remove(one)
    assert [rule["id"] for rule in lab_at_peace.faults.rules()] == [two]


def test_a_connection_is_reset(lab_at_peace: Lab, connect: Connect) -> None:
    client = connect(lab_at_peace)
    lab_at_peace.faults.add("FindByInventoryPath", when="reset-after")
    lab_at_peace.reset_calls()
    with pytest.raises((ConnectionResetError, RemoteDisconnected)):
        client.find("vm")
    assert lab_at_peace.calls().by_method == {"FindByInventoryPath": 1}


def test_tasks_take_longer(lab_at_peace: Lab, connect: Connect) -> None:
    client = connect(lab_at_peace)
    vm = client.find("vm/legacy/legacy-web")
    lab_at_peace.delay_tasks({"PowerOnVM": 300})
    began = time.monotonic()
    client.wait(vm.PowerOn())
    assert time.monotonic() - began > 0.3
    client.wait(vm.PowerOff())


def test_sessions_end(lab_at_peace: Lab, connect: Connect) -> None:
    client = connect(lab_at_peace)
    assert lab_at_peace.control.count_sessions() >= 1
    assert lab_at_peace.expire_sessions() >= 1
    assert lab_at_peace.control.count_sessions() == 0
    with pytest.raises(vim.fault.NotAuthenticated):
        client.find("vm")


def test_a_view_that_nobody_destroys_is_seen(lab_at_peace: Lab, connect: Connect) -> None:
    client = connect(lab_at_peace)
    before = lab_at_peace.control.leftovers().views
    view = client.content.viewManager.CreateContainerView(client.content.rootFolder, [vim.VirtualMachine], True)
    assert lab_at_peace.control.leftovers().views == before + 1
    view.Destroy()
    assert lab_at_peace.control.leftovers().views == before


def test_new_connections_see_another_certificate(lab_at_peace: Lab, connect: Connect) -> None:
    lab_at_peace.control.swap_certificate()
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(lab_at_peace)
    lab_at_peace.control.restore_certificate()
    connect(lab_at_peace)


def test_a_vm_can_be_put_into_a_state_that_the_simulator_never_reaches(lab_at_peace: Lab, connect: Connect) -> None:
    client = connect(lab_at_peace)
    vm = client.find("vm/legacy/legacy-db")
    control = lab_at_peace.control
    control.change_vm(vm._moId, {"runtime.connectionState": "orphaned"}, drop_config=True)
    assert client.read(vm, "runtime.connectionState") == "orphaned"
    assert client.read(vm, "config.guestId") is None
    control.change_vm(vm._moId, {"runtime.connectionState": "connected"}, drop_config=False)
    assert client.read(vm, "config.guestId") is not None


def test_the_lab_says_what_it_refuses(lab_at_peace: Lab) -> None:
    with pytest.raises(LabError, match="NoSuchFault"):
        lab_at_peace.faults.add("FindByUuid", fault="NoSuchFault")
    with pytest.raises(LabError, match="token"):
        LabControl(lab_at_peace.control_url, "guessed").calls()
    assert lab_at_peace.control_token not in repr(lab_at_peace.control)


def test_a_lab_that_is_gone_is_named() -> None:
    with pytest.raises(LabError, match="does the lab run"):
        LabControl("http://127.0.0.1:9", "token").check_health()


def test_what_was_typed(lab_at_peace: Lab, connect: Connect) -> None:
    client = connect(lab_at_peace)
    vm = client.find("vm/legacy/legacy-web")
    with pytest.raises(LabError, match="not found"):
        lab_at_peace.typed("vm-nowhere")
    assert lab_at_peace.typed(vm._moId) == ""
    spec = vim.vm.UsbScanCodeSpec(keyEvents=[vim.vm.UsbScanCodeSpec.KeyEvent(usbHidCode=0x40007)] * 3)
    with pytest.raises(vim.fault.InvalidPowerState):
        vm.PutUsbScanCodes(spec)
    client.wait(vm.PowerOn())
    try:
        lab_at_peace.control.limit_typing(vm._moId, [2])
        assert vm.PutUsbScanCodes(spec) == 2
        assert lab_at_peace.typed(vm._moId) == "aa"
        lab_at_peace.clear_typed(vm._moId)
        assert vm.PutUsbScanCodes(spec) == 3
        assert lab_at_peace.typed(vm._moId) == "aaa"
    finally:
        client.wait(vm.PowerOff())
        lab_at_peace.clear_typed(vm._moId)
