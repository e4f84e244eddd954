"""VMs whose guests the lab plays: what they report is put in by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import TaskTimeoutError, VsphereError
from libcloud_vsphere_clone.guest.readiness import watch_running
from libcloud_vsphere_clone.guest.wait import Wait
from libcloud_vsphere_clone.lab import Lab, LabControl
from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.vcenter.rows import Ref, Row
from libcloud_vsphere_clone.vcenter.session import Session
from tests.direct import Create, Direct, Later, acting_in_waits

LONG_S = 300.0
"""Longer than any test: what fails by itself fails before."""


class Guest:
    """A node that is on, and what its guest reports."""

    def __init__(self, control: LabControl, direct: Direct, node: Any) -> None:
        self.node, self.ref = node, Ref("VirtualMachine", node.extra["moid"])
        self._control, self.vm = control, direct.vm(self.ref.moid)
        (self._nic,) = direct.devices(self.vm, vim.vm.device.VirtualEthernetCard)

    def report(self, *addresses: str, **values: object) -> None:
        """Set the addresses of its only NIC, and other properties."""
        details = [{"ipAddress": text.split("/")[0], "prefixLength": 24} for text in addresses]
        net = {
            "macAddress": self._nic.macAddress,
            "deviceConfigId": self._nic.key,
            "connected": True,
            "ipAddress": [detail["ipAddress"] for detail in details],
            "ipConfig": {"ipAddress": details},
        }
        self.set(guest__net=[net], **values)

    def set(self, **values: object) -> None:
        self._control.change_vm(self.ref.moid, {name.replace("__", "."): value for name, value in values.items()})

    def customize(self, status: str | None = None, event: str | None = None, message: str = "") -> None:
        status = f"TOOLSDEPLOYPKG_{status}" if status else None
        self._control.tell_customization(self.ref.moid, status=status, event=event, message=message)

    def connect(self, connected: bool) -> None:
        self._control.connect_nics(self.ref.moid, connected=connected)

    def say(self, direct: Direct, text: str) -> None:
        """Write the key of guestinfo, as a guest does."""
        option = vim.option.OptionValue(key=marks.CUSTOMIZED, value=text)
        direct.wait(self.vm.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[option])))


MakeGuest = Callable[..., Guest]


@pytest.fixture
def session(driver: VsphereCloneNodeDriver) -> Session:
    return driver._session


@pytest.fixture
def guest(bare_lab: Lab, direct: Direct, create: Create) -> MakeGuest:
    """Make a node that is on."""
    return lambda name="web": Guest(bare_lab.control, direct, create(name, ex_power_on=True))


def failure(session: Session, guest: Guest, wait: Wait | None = None) -> VsphereError:
    """The error that ends a wait for one VM, long before its time is over."""
    [(ref, found)] = map(told, watch_running(session, {guest.ref: wait or Wait()}, timeout_s=LONG_S))
    assert ref == guest.ref
    assert isinstance(found, VsphereError)
    assert not isinstance(found, TaskTimeoutError)
    return found


@pytest.fixture
def later(bare_lab: Lab) -> Iterator[Later]:
    with acting_in_waits(bare_lab) as start:
        yield start


def told(outcome: tuple[Row, Any]) -> tuple[Ref, Any]:
    """An outcome of a wait, without the row."""
    return outcome[0].ref, outcome[1]
