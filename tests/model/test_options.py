"""The options of a new node: checked before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model import option_checks
from libcloud_vsphere_clone.model.login import Login
from libcloud_vsphere_clone.model.nics import Nic
from libcloud_vsphere_clone.model.options import NodeOptions, check_nothing_shared
from libcloud_vsphere_clone.model.windows import Windows
from libcloud_vsphere_clone.plan.guest.setup import needs_macs
from tests.plan.guest.setups import build_setup

STATIC = Nic("a", address="10.0.0.5/24", gateway="10.0.0.1")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"customize": "kickstart"}, "ex_customize must be one of cloud-init, cloudinit-prep"),
        ({"hostname": "web_1"}, "can't be a host name"),
        ({"hostname": "-web"}, "can't be a host name"),
        ({"hostname": "w" * 64}, "at most 63"),
        ({"hostname": "web.example.com"}, "the domain goes into ex_domain="),
        ({"hostname": 7}, "can't be a host name"),
        ({"domain": "example..com"}, "ex_domain"),
        ({"domain": "a." * 127 + "com"}, "at most 253"),
        ({"timezone": "Mars/Olympus"}, "time zone database"),
        ({"timezone": 1}, "time zone database"),
        ({"dns": ["ns1.example.com"]}, "ex_dns: 'ns1.example.com' is no IP address"),
        ({"dns": "10.0.0.2"}, "ex_dns must be a list"),
        ({"dns_search": ["ex ample"]}, "ex_dns_search"),
        ({"dns_search": "example.com"}, "ex_dns_search must be a list"),
        ({"networks": [STATIC, 7]}, r"names, paths, ids and Nic\(...\)"),
        ({"networks": "VM Network"}, "must be a list of names"),
        ({"networks": [Nic("a")] * 11}, "at most 10 adapters"),
        (
            {"networks": [Nic("a", mac="00:50:56:00:00:01"), Nic("b", mac="00-50-56-00-00-01")]},
            "is given to 2 adapters",
        ),
        ({"networks": [STATIC, Nic("b", address="10.0.0.5/16")]}, "the address 10.0.0.5 is given to 2 adapters"),
        (
            {"networks": [STATIC, Nic("b", address="10.1.0.5/24", gateway="10.1.0.1")]},
            r"one default gateway for IPv4, here are 10\.0\.0\.1, 10\.1\.0\.1",
        ),
        ({"userdata": 7}, "ex_userdata must be text or bytes"),
        ({"first_boot_script": b"#!/bin/sh"}, "ex_first_boot_script must be the text"),
        ({"first_boot_script": " \n"}, "empty"),
        ({"customization_spec": " "}, "ex_customization_spec"),
        ({"windows": {"organization": "x"}}, r"ex_windows takes Windows"),
    ],
)
def test_a_description_that_cannot_be_right(words: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        NodeOptions(**words)


def test_a_gateway_of_each_family_may_be_on_different_adapters() -> None:
    nics = [STATIC, Nic("b", address="2001:db8::5/64", gateway="fe80::1")]
    assert needs_macs("cloud-init", NodeOptions(networks=nics), nics)


@pytest.mark.parametrize("words", [{}, {"networks": [Nic("a"), Nic(mac="00:50:56:00:00:01")]}, {"hostname": "web"}])
def test_dhcp_everywhere_is_no_wish(words: dict[str, Any]) -> None:
    options = NodeOptions(**words)
    assert not needs_macs("cloud-init", options, options.nics)


def test_time_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert NodeOptions(timezone="Europe/Berlin").timezone == "Europe/Berlin"
    monkeypatch.setattr(option_checks, "_time_zones", frozenset)  # a machine without the database
    assert NodeOptions(timezone="Mars/Olympus").timezone == "Mars/Olympus"
    with pytest.raises(InvalidRequestError, match="ex_timezone"):
        NodeOptions(timezone="../../etc/passwd")


@pytest.mark.parametrize("word", ["userdata", "first_boot_script"])
def test_a_text_that_is_none(word: str) -> None:
    words: Any = {word: "s3cret \ud800"}
    with pytest.raises(InvalidRequestError, match=f"ex_{word} is no text.* UTF-8") as caught:
        NodeOptions(**words)
    assert caught.value.__context__ is None  # an error of Python's would hold the text


def test_secrets_do_not_show() -> None:
    shown = repr(
        build_setup(
            "sysprep",
            login=Login("root", password="s3cret"),
            userdata="password: s3cret",
            first_boot_script="echo s3cret",
            host_key_config={"a": "s3cret"},
            stored_spec="s3cret",
            windows=Windows(domain="a.b", domain_user="joe", domain_password="s3cret"),
        )
    )
    assert "s3cret" not in shown
    assert "joe" in shown


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ({"hostname": "web"}, {"hostname": "WEB"}, "the host name web"),
        ({"networks": [STATIC]}, {"networks": [Nic("a"), Nic("b", address="10.0.0.5/16")]}, "the address 10.0.0.5"),
        (
            {"networks": [Nic(address="2001:db8::5/64")]},
            {"networks": [Nic(address="2001:DB8:0::5/64")]},
            "the address 2001:db8::5",
        ),
        (
            {"networks": [Nic("a", mac="00:50:56:00:00:0A")]},
            {"networks": [Nic("a", mac="00-50-56-00-00-0a")]},
            "the MAC address 00:50:56:00:00:0a",
        ),
    ],
)
def test_what_only_one_node_can_have(first: dict[str, Any], second: dict[str, Any], what: str) -> None:
    one, other = NodeOptions(**first), NodeOptions(**second)
    check_nothing_shared([one])
    check_nothing_shared([one, NodeOptions(), NodeOptions(networks=[Nic(address="10.0.0.6/24")])])
    with pytest.raises(InvalidRequestError, match=f"2 nodes cannot share {what}; .*ex_each"):
        check_nothing_shared([one, NodeOptions(), other])


def test_a_network_can_be_shared() -> None:
    check_nothing_shared([NodeOptions(domain="example.com", dns=["10.0.0.2"], networks=[Nic("a")])] * 9)


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
