"""Which transport gets into a node, and what is awaited before. (pure)"""

from __future__ import annotations

from typing import Any

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.guest.wait import Wait
from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.sessions.transports import (
    SSH,
    TRANSPORTS,
    Keyboard,
    Pull,
    Tools,
    Transport,
    WinRM,
    awaited_of,
    find_transport,
    suitable_transport,
)
from libcloud_vsphere_clone.vcenter.rows import Ref, Row

NETWORK = [Ref("Network", "network-1")]


def row(**values: Any) -> Row:
    """A node's row; ``transport`` and ``customization`` are its marks."""
    names = {"transport": marks.mark_path(marks.TRANSPORT), "customization": marks.mark_path(marks.CUSTOMIZATION)}
    paths = {"guest_id": "config.guestId", **names}
    return Row(Ref("VirtualMachine", "vm-1"), {paths.get(word, word): value for word, value in values.items()})


def test_names_are_those_of_the_marks() -> None:
    assert tuple(TRANSPORTS) == marks.TRANSPORTS
    assert [type(find_transport(name)) for name in TRANSPORTS] == [SSH, Tools, WinRM, Keyboard, Pull]


def test_a_transport_with_settings_stays_as_it_is() -> None:
    mine = Keyboard(layout="de")
    assert find_transport(mine) is mine


@pytest.mark.parametrize("wanted", ["SSH", "telnet", ""])
def test_an_unknown_transport_is_refused(wanted: str) -> None:
    with pytest.raises(InvalidRequestError, match="ex_transport must be one of ssh, tools, winrm, keyboard, pull, got"):
        find_transport(wanted)


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"network": NETWORK, "guest_id": "debian12_64Guest"}, SSH),
        ({"network": NETWORK}, SSH),
        ({"network": NETWORK, "guest_id": "windows2022srvNext_64Guest"}, WinRM),
        ({"network": NETWORK, "guest_id": "winNetEnterpriseGuest"}, WinRM),
        ({"network": NETWORK, "guest_id": "darwin22_64Guest"}, SSH),
        ({"network": [], "guest_id": "debian12_64Guest"}, Tools),
        ({"guest_id": "windows9_64Guest"}, Tools),
        ({"network": NETWORK, "transport": "tools"}, Tools),
        ({"network": NETWORK, "transport": "keyboard"}, Keyboard),
        ({"network": NETWORK, "guest_id": "windows9_64Guest", "transport": "ssh"}, SSH),
        ({"network": NETWORK, "transport": "pull"}, SSH),  # that was for its first boot
        ({"network": NETWORK, "transport": "carrier pigeon"}, SSH),
    ],
)
def test_what_suits_a_node(facts: dict[str, Any], kind: type[Transport]) -> None:
    assert type(suitable_transport(row(**facts))) is kind


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
    told = row(**{marks.mark_path(marks.ADDRESSES): "10.0.0.5,2001:db8::5"})
    assert awaited_of(told, SSH(), Wait(), new=True).expected == ("10.0.0.5", "2001:db8::5")
    assert awaited_of(told, SSH(), Wait(), new=False).expected == ()  # it may have others by now
    assert awaited_of(row(), SSH(), Wait(), new=True).expected == ()
