"""What is awaited of a node before a guest session can be opened. (pure)"""

from __future__ import annotations

import pytest

from libcloud_vsphere_clone.guest.wait import Wait
from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.sessions.keyboard.transport import Keyboard
from libcloud_vsphere_clone.sessions.pull.transport import Pull
from libcloud_vsphere_clone.sessions.reach import awaited_of
from libcloud_vsphere_clone.sessions.ssh.transport import SSH
from libcloud_vsphere_clone.sessions.transports import find_transport
from libcloud_vsphere_clone.vcenter.rows import Ref, Row


def row(**marked: str | None) -> Row:
    """A node's row with these marks, by the names of their constants."""
    values = {marks.mark_path(getattr(marks, name.upper())): value for name, value in marked.items()}
    return Row(Ref("VirtualMachine", "vm-1"), values)


@pytest.mark.parametrize(
    ("mechanism", "wish", "new", "follows"),
    [
        ("linux-prep", "address", True, True),  # it may restart the network, or the guest
        ("linux-prep", "address", False, False),
        ("linux-prep", "customized", False, True),
        ("cloudinit-prep", "address", True, True),
        ("sysprep", "tools", True, True),
        ("cloud-init", "address", True, False),
        ("cloud-init", "customized", True, False),  # asked of cloud-init itself, in the session
        (None, "address", True, False),
    ],
)
def test_a_customization_by_vcenter_is_awaited(mechanism: str | None, wish: str, new: bool, follows: bool) -> None:
    awaited = awaited_of(row(customization=mechanism), SSH(), Wait(wish), new=new)
    assert (awaited.wait_for, awaited.customizing) == ("address", follows)


def test_each_transport_awaits_what_it_needs() -> None:
    awaited = {name: awaited_of(row(), find_transport(name), Wait(), new=True).wait_for for name in ("ssh", "tools")}
    assert awaited == {"ssh": "address", "tools": "tools"}
    assert (Keyboard.awaited, Pull.awaited) == (None, None)


def test_a_new_node_is_awaited_at_the_addresses_that_it_was_told() -> None:
    told = row(addresses="10.0.0.5,2001:db8::5")
    assert awaited_of(told, SSH(), Wait(), new=True).expected == ("10.0.0.5", "2001:db8::5")
    assert awaited_of(told, SSH(), Wait(), new=False).expected == ()  # it may have others by now
    assert awaited_of(row(), SSH(), Wait(), new=True).expected == ()
