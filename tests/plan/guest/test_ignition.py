"""What Ignition is told. No CoreOS runs on the lab: this checks what is said, by the specification's words."""

from __future__ import annotations

import base64
import configparser
import gzip
import json
from typing import Any

import pytest
from passlib.hash import sha512_crypt

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model.login import Login
from libcloud_vsphere_clone.model.nics import Nic, Route
from libcloud_vsphere_clone.plan.guest.ignition import build_ignition
from tests.plan.guest.setups import build_setup

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpXvCAve2tffyFrYe3WRwUPE7tKHOAJMQL21HbhwfFM me"
THEIRS = json.dumps({"ignition": {"version": "3.4.0"}, "storage": {"files": [{"path": "/etc/motd, ü"}]}})
NICS = [
    Nic(
        address=["10.0.0.5/24", "2001:db8::5/64"],
        gateway=["10.0.0.1", "fe80::1"],
        routes=[Route("10.9.0.0/16", via="10.0.0.254")],
        dns_servers=["10.0.0.3"],
        mac="00:50:56:00:00:01",
    ),
    Nic(mac="00:50:56:00:00:02"),
    Nic(address="2001:db8:1::5/64", mac="00:50:56:00:00:03"),
]


def build(nics: list[Nic] | None = None, **wishes: Any) -> dict[str, Any]:
    guestinfo = build_ignition(build_setup("ignition", nics or [], **wishes))
    assert guestinfo["guestinfo.ignition.config.data.encoding"] == "gzip+base64"
    text = gzip.decompress(base64.b64decode(guestinfo["guestinfo.ignition.config.data"]))
    config = json.loads(text)
    assert isinstance(config, dict)
    assert config["ignition"]["version"] == "3.3.0"
    return config


def unpacked(url: str) -> str:
    kind, _, data = url.partition(",")
    assert kind == "data:;base64"
    return base64.b64decode(data).decode()


def file(config: dict[str, Any], path: str) -> str:
    [found] = [file for file in config["storage"]["files"] if file["path"] == path]
    return unpacked(found["contents"]["source"])


def test_a_host_name_that_linux_would_not_take() -> None:
    """systemd ignores an /etc/hostname of more than 64 characters."""
    assert file(build(domain="d" * 58), "/etc/hostname") == f"web-1.{'d' * 58}\n"
    with pytest.raises(InvalidRequestError, match=r"has 65 characters, and Linux takes 64.*ex_hostname"):
        build(domain="d" * 59)


def test_a_host_name_with_its_domain() -> None:
    assert file(build(), "/etc/hostname") == "web-1\n"
    config = build(domain="example.com", timezone="Europe/Berlin")
    assert file(config, "/etc/hostname") == "web-1.example.com\n"
    assert config["storage"]["links"] == [
        {"path": "/etc/localtime", "target": "../usr/share/zoneinfo/Europe/Berlin", "overwrite": True}
    ]


def test_users_keys_and_hashes() -> None:
    [user] = build(login=Login("core", (KEY,), "s3cret"))["passwd"]["users"]
    assert (user["name"], user["sshAuthorizedKeys"]) == ("core", [KEY])
    assert sha512_crypt.verify("s3cret", user["passwordHash"])
    assert "groups" not in user
    [other] = build(login=Login("joe", (KEY,)))["passwd"]["users"]
    assert (other["groups"], "passwordHash" in other) == (["sudo", "wheel"], False)
    with pytest.raises(InvalidRequestError, match="Administrator"):
        build(login=Login("Administrator", password="x"))


def test_the_callers_config_is_merged_untouched() -> None:
    [merged] = build(userdata=THEIRS)["ignition"]["config"]["merge"]
    assert unpacked(merged["source"]) == THEIRS
    assert build(userdata=THEIRS.encode()) == build(userdata=THEIRS)


@pytest.mark.parametrize("userdata", ["#cloud-config\n{}\n", "#!/bin/sh\n", "{}", "[]", b"\xff"])
def test_user_data_of_other_systems_is_refused(userdata: str | bytes) -> None:
    with pytest.raises(InvalidRequestError, match=r"no Ignition config.*ex_first_boot_script="):
        build(userdata=userdata)


def test_a_config_of_an_old_version_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"version 2\.3\.0"):
        build(userdata='{"ignition": {"version": "2.3.0"}}')


def test_the_first_boot_script_is_a_unit_that_runs_once() -> None:
    config = build(first_boot_script="date")
    [unit] = config["systemd"]["units"]
    assert unit["enabled"]
    assert "ConditionPathExists=!/opt/libcloud/first-boot.done" in unit["contents"]
    assert file(config, "/opt/libcloud/first-boot") == "#!/bin/sh\ndate"
    assert [file["mode"] for file in config["storage"]["files"]] == [0o644, 0o700]


def test_the_network_for_networkmanager() -> None:
    config = build(NICS, dns=["10.0.0.2", "2001:db8::53"], dns_search=["a.example.com"])

    def keyfile(index: int) -> configparser.ConfigParser:
        parsed = configparser.ConfigParser(delimiters="=")
        parsed.read_string(file(config, f"/etc/NetworkManager/system-connections/libcloud-{index}.nmconnection"))
        return parsed

    static, dhcp, ipv6 = (keyfile(index) for index in range(3))
    assert static["ethernet"]["mac-address"] == "00:50:56:00:00:01"
    assert dict(static["ipv4"]) == {
        "method": "manual",
        "address1": "10.0.0.5/24",
        "gateway": "10.0.0.1",
        "route1": "10.9.0.0/16,10.0.0.254",
        "dns": "10.0.0.3;10.0.0.2;",
    }
    assert static["ipv6"]["address1"] == "2001:db8::5/64"
    assert (static["ipv6"]["dns"], static["ipv6"]["dns-search"]) == ("2001:db8::53;", "a.example.com;")
    assert (dhcp["ipv4"]["method"], dhcp["ipv6"]["method"]) == ("auto", "auto")
    assert (dict(ipv6["ipv4"]), ipv6["ipv6"]["method"]) == ({"method": "disabled"}, "manual")
    modes = {file["mode"] for file in config["storage"]["files"] if "nmconnection" in file["path"]}
    assert modes == {0o600}  # NetworkManager reads no others


def test_the_network_for_networkd() -> None:
    config = build(NICS, dns=["10.0.0.2"], dns_search=["a.example.com"])
    lines = file(config, "/etc/systemd/network/10-libcloud-0.network").splitlines()
    assert lines[:2] == ["[Match]", "MACAddress=00:50:56:00:00:01"]
    expected = {
        *("DHCP=no", "Address=10.0.0.5/24", "Address=2001:db8::5/64", "Gateway=10.0.0.1", "Gateway=fe80::1"),
        *("DNS=10.0.0.3", "DNS=10.0.0.2", "Domains=a.example.com", "Destination=10.9.0.0/16", "Gateway=10.0.0.254"),
    }
    assert expected <= set(lines)
    assert "DHCP=yes" in file(config, "/etc/systemd/network/10-libcloud-1.network")


def test_dhcp_alone_is_left_to_the_system() -> None:
    assert [file["path"] for file in build()["storage"]["files"]] == ["/etc/hostname"]
