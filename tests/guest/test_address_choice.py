"""The order of addresses, on rows as they come from vCenter."""

from __future__ import annotations

from typing import Any

import pytest

from libcloud_vsphere_clone.guest.address_choice import Choice, choose_addresses, seen_addresses
from libcloud_vsphere_clone.guest.wait import Wait, build_wait
from libcloud_vsphere_clone.vcenter.rows import Ref, Row

VM = Ref("VirtualMachine", "vm-1")


def row(*nics: str, routes: tuple[tuple[str, str], ...] = ()) -> Row:
    """A VM whose adapters have these addresses each, with their prefix lengths; default routes as (gateway, device)."""
    devices, net = [], []
    for place, text in enumerate(nics):
        mac = f"00:50:56:00:00:0{place}"
        devices.append({"key": str(4000 + place), "macAddress": mac.upper()})
        details = [{"ipAddress": one.split("/")[0], "prefixLength": one.split("/")[1]} for one in text.split()]
        addresses = [detail["ipAddress"] for detail in details]
        net.append(
            {
                "macAddress": mac,
                "deviceConfigId": devices[-1]["key"],
                "ipAddress": addresses,
                "ipConfig": {"ipAddress": details},
            }
        )
    stack = [
        {
            "network": "::" if ":" in gateway else "0.0.0.0",  # noqa: S104
            "prefixLength": "0",
            "gateway": {"ipAddress": gateway, "device": device},
        }
        for gateway, device in routes
    ]
    values: dict[str, Any] = {"config.hardware.device": devices, "guest.net": net}
    if stack:
        values["guest.ipStack"] = [{"ipRouteConfig": {"ipRoute": stack if len(stack) > 1 else stack[0]}}]
    return Row(VM, values)


def chosen(found: Row, wait: Wait | None = None, **words: Any) -> Choice:
    return choose_addresses(found, wait or build_wait(**words))


def test_the_first_that_a_default_route_leads_to() -> None:
    two = row("10.1.0.5/24", "10.2.0.5/24", routes=(("10.2.0.1", "1"),))
    assert chosen(two) == Choice(["10.2.0.5", "10.1.0.5"], 0.0)


def test_without_word_of_routes_the_order_of_the_nics() -> None:
    assert chosen(row("10.1.0.5/24", "10.2.0.5/24")) == Choice(["10.1.0.5", "10.2.0.5"], 0.0)


def test_one_that_no_route_leads_to_may_have_a_better_follow() -> None:
    assert chosen(row("10.1.0.5/24", routes=(("10.2.0.1", "1"),))) == Choice(["10.1.0.5"], Wait().settle_s)


def test_ipv6_gateways_are_told_apart_by_their_device() -> None:
    two = row("fd00:1::5/64", "fd00:2::5/64", routes=(("fe80::1", "1"),))
    assert chosen(two, only_ipv4=False) == Choice(["fd00:2::5", "fd00:1::5"], Wait().settle_s)


def test_an_ipv6_address_counts_only_if_asked_for() -> None:
    six = row("fd00::5/64")
    assert chosen(six).addresses == []
    assert chosen(six, only_ipv4=False) == Choice(["fd00::5"], Wait().settle_s)
    assert chosen(six, expected="fd00::5") == Choice(["fd00::5"], 0.0)


def test_ipv4_addresses_come_before_ipv6() -> None:
    assert chosen(row("fd00::5/64 10.0.0.5/24"), only_ipv4=False) == Choice(["10.0.0.5", "fd00::5"], 0.0)


def test_ipv4_before_ipv6_whatever_the_routes() -> None:
    both = row("fd00::5/64 10.0.0.5/24", routes=(("fe80::1", "0"),))
    assert chosen(both, only_ipv4=False) == Choice(["10.0.0.5", "fd00::5"], Wait().settle_s)


def test_the_expected_address_comes_before_all() -> None:
    both = row("8.8.8.8/24 10.0.0.5/24", routes=(("8.8.8.1", "0"),))
    assert chosen(both) == Choice(["8.8.8.8"], 0.0)
    assert chosen(both, expected="10.0.0.5/24") == Choice(["10.0.0.5", "8.8.8.8"], 0.0)
    assert chosen(both, expected="10.0.0.6") == Choice(["8.8.8.8"], Wait().expected_s)


def test_the_interface_chooses_public_or_private_addresses() -> None:
    both = row("10.0.0.5/24 8.8.8.8/24")
    assert chosen(both).addresses == ["8.8.8.8"]
    assert chosen(both, ssh_interface="private_ips").addresses == ["10.0.0.5"]


def test_a_filter_leaves_addresses_of_its_networks_only() -> None:
    three = row("10.1.0.5/24", "10.2.0.5/24", "8.8.8.8/24")
    assert chosen(three, address_filter="10.2.0.0/16").addresses == ["10.2.0.5"]
    assert chosen(three, address_filter=["10.0.0.0/8"]).addresses == ["10.1.0.5", "10.2.0.5"]
    assert chosen(three, address_filter="172.16.0.0/12").addresses == []


def test_macs_leave_addresses_of_their_adapters_only() -> None:
    two = row("10.1.0.5/24", "10.2.0.5/24")
    assert chosen(two, Wait(macs=("00:50:56:00:00:01",))).addresses == ["10.2.0.5"]
    assert chosen(two, Wait(macs=("02:42:ac:11:00:02",))).addresses == []


def test_a_vm_that_reports_nothing_has_no_address() -> None:
    assert chosen(Row(VM)).addresses == []
    assert seen_addresses(Row(VM)) == []


@pytest.mark.parametrize(
    "junk", [None, "", [], {}, [None], [{"ipRouteConfig": None}], [{"ipRouteConfig": {"ipRoute": {}}}]]
)
def test_routes_that_say_nothing(junk: object) -> None:
    found = row("10.1.0.5/24")
    found["guest.ipStack"] = junk
    assert chosen(found) == Choice(["10.1.0.5"], 0.0)
