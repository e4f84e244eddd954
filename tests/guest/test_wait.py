from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.guest.wait import WAIT_FOR, Wait, build_wait, expected_of

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "word": ({"wait_for": "ip"}, "ex_wait_for must be one of ssh, customized, address, tools; got 'ip'"),
    "interface": ({"ssh_interface": "eth0"}, "ssh_interface must be public_ips or private_ips, got 'eth0'"),
    "network": ({"address_filter": "10.0.0.0/40"}, "networks such as 10.0.0.0/8, got '10.0.0.0/40'"),
    "network type": ({"address_filter": [8]}, "ex_address_filter must be text or a list of texts"),
    "address": ({"expected": "web-1"}, "ex_expected must be IP addresses, got 'web-1'"),
    "address type": ({"expected": 10}, "ex_expected must be text or a list of texts, got 10"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_options_of_a_wait_are_refused(case: str) -> None:
    words, message = BAD[case]
    with pytest.raises(InvalidRequestError) as caught:
        build_wait(**words)
    assert message in str(caught.value)


@pytest.mark.parametrize("word", WAIT_FOR)
def test_what_needs_an_address(word: str) -> None:
    assert Wait(word).needs_address is (word in ("ssh", "address"))
    assert Wait(word).follows_customization is (word == "customized")
    assert Wait(word, customizing=True).follows_customization


@pytest.mark.parametrize(
    ("words", "address", "counts"),
    [
        ({}, "10.0.0.5", True),
        ({}, "fd00::5", False),
        ({"only_ipv4": False}, "fd00::5", True),
        ({"expected": "fd00::5/64"}, "fd00::5", True),
        ({"address_filter": "10.0.0.0/8"}, "10.0.0.5", True),
        ({"address_filter": "10.0.0.0/8"}, "192.168.0.5", False),
        ({"address_filter": ["10.0.0.0/8", "192.168.0.5"]}, "192.168.0.5", True),
        ({"address_filter": "fd00::/8", "only_ipv4": False}, "10.0.0.5", False),
        ({"address_filter": "fd00::/8", "only_ipv4": False}, "fd00::5", True),
    ],
)
def test_which_addresses_count(words: dict[str, Any], address: str, counts: bool) -> None:
    assert build_wait(**words).admits(ipaddress.ip_address(address)) is counts


def test_expected_addresses_lose_their_prefix() -> None:
    assert build_wait(expected=["10.0.0.5/24", " fd00::0:5 "]).expected == ("10.0.0.5", "fd00::5")
    assert Wait("tools").expecting("10.0.0.5") == Wait("tools", expected=("10.0.0.5",))


def test_expected_addresses_of_one_node_among_many() -> None:
    assert expected_of("a", None) == []
    assert expected_of("a", "10.0.0.5") == ["10.0.0.5"]
    assert expected_of("a", {"a": ["10.0.0.5", "fd00::5"], "b": "10.0.0.6"}) == ["10.0.0.5", "fd00::5"]
    assert expected_of("c", {"a": "10.0.0.5"}) == []
