"""Network config version 2: what it says, and what the real cloud-init makes of it for each kind of guest."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from libcloud_vsphere_clone.model.nics import Nic, Route
from libcloud_vsphere_clone.plan.guest.network_config import build_network_config
from tests.plan.guest.setups import build_setup

NICS = [
    Nic(
        "a",
        address=["10.0.0.5/24", "2001:db8::5/64"],
        gateway=["10.0.0.1", "fe80::1"],
        routes=[Route("10.9.0.0/16", via="10.0.0.254"), Route("2001:db8:9::/48", via="2001:db8::9")],
        dns_servers=["10.0.0.3"],
        mac="00:50:56:00:00:01",
    ),
    Nic("b", mac="00:50:56:00:00:02"),
    Nic("c", address="192.168.7.9/28", mac="00:50:56:00:00:03"),
]


def build(nics: list[Nic], **wishes: Any) -> dict[str, Any]:
    return build_network_config(build_setup("cloud-init", nics, **wishes))


def test_addresses_gateways_routes_and_servers() -> None:
    config = build(NICS, dns=["10.0.0.2", "10.0.0.3"], dns_search=["lab.example.com"])
    assert config["version"] == 2
    first, second, third = (config["ethernets"][name] for name in ("eth0", "eth1", "eth2"))
    assert first == {
        "match": {"macaddress": "00:50:56:00:00:01"},
        "set-name": "eth0",
        "dhcp4": False,
        "dhcp6": False,
        "addresses": ["10.0.0.5/24", "2001:db8::5/64"],
        "gateway4": "10.0.0.1",
        "gateway6": "fe80::1",
        "routes": [{"to": "10.9.0.0/16", "via": "10.0.0.254"}, {"to": "2001:db8:9::/48", "via": "2001:db8::9"}],
        "nameservers": {"addresses": ["10.0.0.3", "10.0.0.2"], "search": ["lab.example.com"]},
    }
    assert (second["dhcp4"], "addresses" in second) == (True, False)
    assert third["addresses"] == ["192.168.7.9/28"]
    assert not {"gateway4", "gateway6", "routes"} & third.keys()


def test_servers_may_be_address_objects() -> None:
    config = build([Nic(mac="00:50:56:00:00:02")], dns=[ip_address("10.0.0.2")])
    assert config["ethernets"]["eth0"]["nameservers"] == {"addresses": ["10.0.0.2"]}


def test_nothing_is_said_that_nobody_wants() -> None:
    assert build([Nic(mac="00:50:56:00:00:02")])["ethernets"]["eth0"] == {
        "match": {"macaddress": "00:50:56:00:00:02"},
        "set-name": "eth0",
        "dhcp4": True,
    }
    assert build([Nic(mac="00:50:56:00:00:02")], dns_search=["a.b"])["ethernets"]["eth0"]["nameservers"] == {
        "search": ["a.b"]
    }


MADE: dict[str, tuple[str, ...]] = {
    "netplan": ("macaddress: 00:50:56:00:00:01", "set-name: eth0", "- 10.0.0.5/24", "gateway6: fe80::1"),
    "networkd": (
        *("MACAddress=00:50:56:00:00:01", "Name=eth0", "Address=2001:db8::5/64", "Gateway=10.0.0.1", "Gateway=fe80::1"),
        *("Destination=10.9.0.0/16", "DNS=10.0.0.3 10.0.0.2", "Domains=lab.example.com", "DHCP=ipv4"),
    ),
    "eni": ("iface eth0 inet static", "address 10.0.0.5/24", "gateway 10.0.0.1", "iface eth1 inet dhcp"),
    "sysconfig": ("HWADDR=00:50:56:00:00:01", "IPADDR=10.0.0.5", "GATEWAY=10.0.0.1", "IPV6_DEFAULTGW=fe80::1"),
    "network-manager": ("mac-address=00:50:56:00:00:01", "address1=10.0.0.5/24", "gateway=10.0.0.1", "gateway=fe80::1"),
}
"""What each writer must have made of ``NICS``."""


@pytest.fixture(scope="module")
def made(net_convert: Callable[[dict[str, Any]], dict[str, str]]) -> dict[str, str]:
    return net_convert(build(NICS, dns=["10.0.0.2"], dns_search=["lab.example.com"]))


@pytest.mark.guests
@pytest.mark.parametrize("kind", MADE)
def test_cloud_inits_writers_understand_it(made: dict[str, str], kind: str) -> None:
    missing = [text for text in MADE[kind] if text not in made[kind]]
    assert not missing, made[kind]
    assert "::/64" not in made[kind]  # what cloud-init 22.4 makes of a route to ::/0


@pytest.mark.guests
def test_an_adapter_is_matched_by_a_name_that_it_gets(made: dict[str, str]) -> None:
    """Without set-name, networkd would be told to look for an adapter called like the entry, and find none."""
    assert "set-name: eth1" in made["netplan"]
    assert "Name=eth1" in made["networkd"]
