"""Which transport gets into a node. (pure)"""

from __future__ import annotations

from typing import Any

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.sessions.base import Transport
from libcloud_vsphere_clone.sessions.keyboard.transport import Keyboard
from libcloud_vsphere_clone.sessions.pull.transport import Pull
from libcloud_vsphere_clone.sessions.ssh.transport import SSH
from libcloud_vsphere_clone.sessions.tools.transport import Tools
from libcloud_vsphere_clone.sessions.transports import TRANSPORTS, find_transport, suitable_transport
from libcloud_vsphere_clone.sessions.winrm.transport import WinRM
from libcloud_vsphere_clone.vcenter.rows import Ref, Row

NETWORK = [Ref("Network", "network-1")]


def row(**values: Any) -> Row:
    """A node's row; ``transport`` and ``customization`` are its marks."""
    names = {"transport": marks.mark_path(marks.TRANSPORT), "customization": marks.mark_path(marks.CUSTOMIZATION)}
    paths = {"guest_id": "config.guestId", **names}
    return Row(Ref("VirtualMachine", "vm-1"), {paths.get(word, word): value for word, value in values.items()})


def test_each_transport_is_found_by_its_name() -> None:
    found = [find_transport(name) for name in TRANSPORTS]
    assert [type(transport) for transport in found] == [SSH, Tools, WinRM, Keyboard, Pull]
    assert [transport.name for transport in found] == list(TRANSPORTS)


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
