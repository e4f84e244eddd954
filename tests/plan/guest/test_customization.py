"""The whole description of a guest: checked before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model.login import Login
from libcloud_vsphere_clone.plan.guest import customization
from libcloud_vsphere_clone.plan.guest.customization import Customization, check_apart
from libcloud_vsphere_clone.plan.guest.windows import Windows
from libcloud_vsphere_clone.plan.nics import Nic

STATIC = Nic("a", address="10.0.0.5/24", gateway="10.0.0.1")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"mechanism": "kickstart"}, "ex_customize must be one of cloud-init, cloudinit-prep"),
        ({"host_name": "web_1"}, "can't be a host name"),
        ({"host_name": "-web"}, "can't be a host name"),
        ({"host_name": "w" * 64}, "at most 63"),
        ({"host_name": "web.example.com"}, "the domain goes into ex_domain="),
        ({"host_name": 7}, "can't be a host name"),
        ({"domain": "example..com"}, "ex_domain"),
        ({"domain": "a." * 127 + "com"}, "at most 253"),
        ({"time_zone": "Mars/Olympus"}, "time zone database"),
        ({"time_zone": 1}, "time zone database"),
        ({"dns_servers": ["ns1.example.com"]}, "ex_dns: 'ns1.example.com' is no IP address"),
        ({"dns_servers": "10.0.0.2"}, "ex_dns must be a list"),
        ({"dns_search": ["ex ample"]}, "ex_dns_search"),
        ({"dns_search": "example.com"}, "ex_dns_search must be a list"),
        ({"nics": [STATIC, "b"]}, r"names, paths, ids and Nic\(...\)"),
        ({"nics": "VM Network"}, "must be a list of names"),
        ({"nics": [Nic("a")] * 11}, "at most 10 adapters"),
        ({"nics": [Nic("a", mac="00:50:56:00:00:01"), Nic("b", mac="00-50-56-00-00-01")]}, "is given to 2 adapters"),
        ({"nics": [STATIC, Nic("b", address="10.0.0.5/16")]}, "the address 10.0.0.5 is given to 2 adapters"),
        (
            {"nics": [STATIC, Nic("b", address="10.1.0.5/24", gateway="10.1.0.1")]},
            r"one default gateway for IPv4, here are 10\.0\.0\.1, 10\.1\.0\.1",
        ),
        ({"userdata": 7}, "ex_userdata must be text or bytes"),
        ({"first_boot_script": b"#!/bin/sh"}, "ex_first_boot_script must be the text"),
        ({"first_boot_script": " \n"}, "empty"),
        ({"spec_name": " "}, "ex_customization_spec"),
        ({"windows": {"organization": "x"}}, r"ex_windows takes Windows"),
    ],
)
def test_a_description_that_cannot_be_right(words: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        Customization(**words)


def test_a_gateway_of_each_family_may_be_on_different_adapters() -> None:
    nics = [STATIC, Nic("b", address="2001:db8::5/64", gateway="fe80::1")]
    assert Customization(nics=nics).has_network_wishes


@pytest.mark.parametrize("words", [{}, {"nics": [Nic("a"), Nic("b", mac="00:50:56:00:00:01")]}, {"host_name": "web"}])
def test_dhcp_everywhere_is_no_wish(words: dict[str, Any]) -> None:
    assert not Customization(**words).has_network_wishes


def test_time_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Customization(time_zone="Europe/Berlin").time_zone == "Europe/Berlin"
    monkeypatch.setattr(customization, "_time_zones", frozenset)  # a machine without the database
    assert Customization(time_zone="Mars/Olympus").time_zone == "Mars/Olympus"
    with pytest.raises(InvalidRequestError, match="ex_timezone"):
        Customization(time_zone="../../etc/passwd")


@pytest.mark.parametrize("word", ["userdata", "first_boot_script"])
def test_a_text_that_is_none(word: str) -> None:
    words: Any = {word: "s3cret \ud800"}
    with pytest.raises(InvalidRequestError, match=f"ex_{word} is no text.* UTF-8") as caught:
        Customization(**words)
    assert caught.value.__context__ is None  # an error of Python's would hold the text


def test_secrets_do_not_show() -> None:
    shown = repr(
        Customization(
            login=Login("root", password="s3cret"),
            userdata="password: s3cret",
            first_boot_script="echo s3cret",
            extra_config={"a": "s3cret"},
            windows=Windows(domain="a.b", domain_user="joe", domain_password="s3cret"),
        )
    )
    assert "s3cret" not in shown
    assert "joe" in shown


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ({"host_name": "web"}, {"host_name": "WEB"}, "the host name web"),
        ({"nics": [STATIC]}, {"nics": [Nic("a"), Nic("b", address="10.0.0.5/16")]}, "the address 10.0.0.5"),
        (
            {"nics": [Nic(address="2001:db8::5/64")]},
            {"nics": [Nic(address="2001:DB8:0::5/64")]},
            "the address 2001:db8::5",
        ),
        (
            {"nics": [Nic("a", mac="00:50:56:00:00:0A")]},
            {"nics": [Nic("a", mac="00-50-56-00-00-0a")]},
            "the MAC address 00:50:56:00:00:0a",
        ),
    ],
)
def test_what_only_one_node_can_have(first: dict[str, Any], second: dict[str, Any], what: str) -> None:
    one, other = Customization(**first), Customization(**second)
    check_apart([one])
    check_apart([one, Customization(), Customization(nics=[Nic(address="10.0.0.6/24")])])
    with pytest.raises(InvalidRequestError, match=f"2 nodes cannot share {what}; .*ex_each"):
        check_apart([one, Customization(), other])


def test_a_network_can_be_shared() -> None:
    check_apart([Customization(domain="example.com", dns_servers=["10.0.0.2"], nics=[Nic("a")])] * 9)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"organization": ""}, "organization"),
        ({"product_key": "12345"}, "XXXXX-"),
        ({"workgroup": "A", "domain": "a.b"}, "give one of them"),
        ({"workgroup": "W" * 16}, "workgroup"),
        ({"workgroup": "a/b"}, "workgroup"),
        ({"domain": "a..b", "domain_user": "u", "domain_password": "p"}, "domain name"),
        ({"domain": "a.b"}, "together"),
        ({"domain": "a.b", "domain_user": "u"}, "together"),
        ({"domain_user": "u", "domain_password": "p"}, "together"),
        ({"organizational_unit": "OU=a"}, "place in a domain"),
        ({"auto_logon_count": -1}, "auto_logon_count"),
        ({"time_zone": "110"}, "time_zone"),
        ({"run_once": "dir"}, "run_once"),
        ({"run_once": [""]}, "run_once"),
        ({"license_mode": "perCore"}, "license_mode"),
        ({"license_mode": "perServer"}, "go together"),
        ({"license_users": 5}, "go together"),
        ({"full_name": "a\x1bb"}, "full_name holds control characters"),
        ({"domain": "a.b", "domain_user": "u", "domain_password": "p\x01"}, "domain_password holds control characters"),
        ({"run_once": ["dir\ud800"]}, "run_once holds control characters"),
        ({"product_key": 5}, "product_key must be a text"),
        ({"workgroup": 5}, "workgroup"),
        ({"run_once": None}, "run_once"),
    ],
)
def test_windows_words_that_cannot_be_right(words: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        Windows(**words)
