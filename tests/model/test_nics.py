"""Adapters as callers describe them: what cannot be right is refused where it is written."""

from __future__ import annotations

import re
from typing import Any

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model.nics import MAC_COUNT, Nic, Route, choose_mac


def test_an_adapter_without_words_asks_dhcp() -> None:
    nic = Nic("VM Network")
    assert nic.is_plain
    assert (nic.addresses, nic.gateways, nic.name_servers, nic.mac_address) == ((), (), (), None)


def test_one_address_or_several_of_both_families() -> None:
    one = Nic(address="10.0.0.5/24", gateway="10.0.0.1")
    assert [str(address) for address in one.addresses] == ["10.0.0.5/24"]
    both = Nic(address=["10.0.0.5/24", "2001:db8::5/64"], gateway=["10.0.0.1", "fe80::1"], dns_servers="10.0.0.2")
    assert [address.version for address in both.addresses] == [4, 6]
    assert [str(gateway) for gateway in both.gateways] == ["10.0.0.1", "fe80::1"]
    assert not both.is_plain


@pytest.mark.parametrize("address", ["10.0.0.0/31", "10.0.0.1/31", "10.0.0.9/32", "2001:db8::/127", "2001:db8::9/128"])
def test_small_subnets_have_hosts_only(address: str) -> None:
    assert Nic(address=address).addresses


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"address": "10.0.0.5"}, r"needs its prefix length, such as 10\.0\.0\.5/24"),
        ({"address": "10.0.0.5/255.255.255.0"}, "prefix length"),
        ({"address": "10.0.0.5/33"}, "no address"),
        ({"address": "10.0.0/24"}, "no address"),
        ({"address": "10.0.0.0/24"}, "the subnet 10.0.0.0/24 itself"),
        ({"address": "10.0.0.255/24"}, "broadcast"),
        ({"address": "255.255.255.255/32"}, "broadcast"),
        ({"address": "2001:db8::/64"}, "itself"),
        ({"address": "127.0.0.1/8"}, "not the address of a host"),
        ({"address": "224.0.0.5/24"}, "not the address of a host"),
        ({"address": "0.0.0.0/32"}, "not the address of a host"),
        ({"address": "fe80::5%eth0/64"}, "not the address of a host"),
        ({"address": "10.0.0.5/24", "gateway": "10.0.1.1"}, r"not in a subnet of the adapter \(10.0.0.0/24\)"),
        ({"address": "10.0.0.5/24", "gateway": "10.0.0.5"}, "own address"),
        ({"address": "10.0.0.5/24", "gateway": "10.0.0.0"}, "subnet 10.0.0.0/24 itself"),
        ({"address": "10.0.0.5/24", "gateway": "10.0.0.255"}, "broadcast"),
        ({"address": "10.0.0.5/24", "gateway": "10.0.0.1/24"}, "leave the prefix length out"),
        ({"address": "10.0.0.5/24", "gateway": "gw"}, "no IP address"),
        ({"address": "10.0.0.5/24", "gateway": ["10.0.0.1", "10.0.0.2"]}, "one default gateway"),
        ({"address": "10.0.0.5/24", "gateway": "2001:db8::1"}, "no static IPv6 address"),
        ({"gateway": "10.0.0.1"}, "DHCP and router advertisements bring their own"),
        ({"dns_servers": ["ns1"]}, "no IP address"),
        ({"mac": "00:50:56:40:00:00"}, "outside 00:50:56:00:00:00 to 00:50:56:3f:ff:ff"),
        ({"mac": "02:00:00:00:00:01"}, "outside"),
        ({"mac": "01:50:56:00:00:01"}, "outside"),
        ({"mac": "00:50:56:00:01"}, "no MAC address"),
        ({"mac": "0050.5600.0001"}, "no MAC address"),
        ({"network": ""}, "network is a name"),
        ({"network": 7}, "network is a name"),
        ({"routes": ["10.9.0.0/16"]}, r"routes= takes Route"),
        ({"routes": Route("10.9.0.0/16", via="10.0.0.1")}, r"routes= takes a list of Route"),
        ({"address": "10.0.0.5/24", "routes": [Route("10.9.0.0/16", via="10.1.0.1")]}, "next hop 10.1.0.1 is not in"),
    ],
)
def test_an_adapter_that_cannot_be_right(words: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        Nic(**words)


@pytest.mark.parametrize(
    ("to", "via", "reason"),
    [
        ("0.0.0.0/0", "10.0.0.1", "default route; give it as gateway='10.0.0.1'"),
        ("::/0", "fe80::1", "default route"),
        ("10.9.0.1/16", "10.0.0.1", "host bits"),
        ("net", "10.0.0.1", "leads to a network"),
        ("10.9.0.0/16", "2001:db8::1", "IPv6 address; an IPv4 one"),
        ("10.9.0.0/16", "gw", "no IP address"),
    ],
)
def test_a_route_that_cannot_be_right(to: str, via: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        Route(to, via)


def test_a_next_hop_on_a_dhcp_network_cannot_be_checked() -> None:
    assert not Nic(routes=[Route("10.9.0.0/16", via="10.0.0.1")]).is_plain


def test_mac_addresses_in_every_spelling() -> None:
    assert Nic(mac="00-50-56-3F-FF-FF").mac_address == "00:50:56:3f:ff:ff"


def test_chosen_mac_addresses_are_those_that_callers_may_choose() -> None:
    taken: set[str] = set()
    for _ in range(50):
        taken.add(mac := choose_mac(taken))
        assert re.fullmatch("00:50:56:[0-3][0-9a-f]:[0-9a-f]{2}:[0-9a-f]{2}", mac)
        assert Nic(mac=mac).mac_address == mac
    assert len(taken) == 50


def test_the_odds_that_are_told() -> None:
    def chance(count: int) -> float:
        free = 1.0
        for number in range(count):
            free *= 1 - number / MAC_COUNT
        return 1 - free

    assert 0.001 < chance(100) < 0.0013
    assert 0.11 < chance(1000) < 0.12
