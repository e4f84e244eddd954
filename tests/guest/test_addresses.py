from __future__ import annotations

from typing import Any

import pytest

from libcloud_vsphere_clone.guest.addresses import own_addresses


def nic(*addresses: str, key: Any = 4000, mac: str = "00:50:56:aa:bb:01", **states: str) -> dict[str, Any]:
    details = [{"ipAddress": text, "prefixLength": 24, "state": state} for text, state in states.items()]
    return {
        "macAddress": mac,
        "deviceConfigId": key,
        "ipAddress": list(addresses),
        "ipConfig": {"ipAddress": details},
    }


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", (["8.8.8.8"], [])),
        ("2001:4860::8888", (["2001:4860::8888"], [])),
        ("10.1.2.3", ([], ["10.1.2.3"])),
        ("172.16.0.1", ([], ["172.16.0.1"])),
        ("192.168.1.1", ([], ["192.168.1.1"])),
        ("100.64.0.1", ([], ["100.64.0.1"])),
        ("100.127.255.254", ([], ["100.127.255.254"])),
        ("192.0.2.1", ([], ["192.0.2.1"])),
        ("fd00::1", ([], ["fd00::1"])),
        ("fec0::1", ([], ["fec0::1"])),
        ("127.0.0.1", ([], [])),
        ("::1", ([], [])),
        ("169.254.10.20", ([], [])),
        ("fe80::1", ([], [])),
        ("fe80::1%eth0", ([], [])),
        ("224.0.0.1", ([], [])),
        ("ff02::1", ([], [])),
        ("0.0.0.0", ([], [])),  # noqa: S104
        ("::", ([], [])),
        ("255.255.255.255", ([], [])),
        ("not an address", ([], [])),
        ("", ([], [])),
    ],
)
def test_the_scope_of_an_address_decides_whether_it_is_the_nodes(
    address: str, expected: tuple[list[str], list[str]]
) -> None:
    assert own_addresses([nic(address)]) == expected


def test_ipv4_first_in_the_order_of_the_nics_without_repeats() -> None:
    nics = [
        nic("fd00::5", "10.0.0.5", "2001:4860::5"),
        nic("10.0.0.4", "8.8.4.4", "10.0.0.5", mac="00:50:56:aa:bb:02"),
    ]
    assert own_addresses(nics) == (["8.8.4.4", "2001:4860::5"], ["10.0.0.5", "10.0.0.4", "fd00::5"])


@pytest.mark.parametrize("key", [-1, "-1", None, "", "x"])
def test_what_is_not_an_adapter_of_the_vm_does_not_count(key: object) -> None:
    assert own_addresses([nic("172.17.0.1", key=key), nic("172.17.0.2")]) == ([], ["172.17.0.2"])


def test_a_nic_without_a_device_key_does_not_count() -> None:
    assert own_addresses([{"ipAddress": ["10.0.0.1"]}]) == ([], [])


def test_macs_decide_when_they_are_known() -> None:
    nics = [nic("10.0.0.1"), nic("10.0.0.2", mac="02:42:AC:11:00:02")]
    assert own_addresses(nics, {"00:50:56:AA:BB:01"}) == ([], ["10.0.0.1"])
    assert own_addresses(nics, frozenset()) == ([], [])


def test_addresses_that_cannot_be_used_are_left_out() -> None:
    states = {
        "10.0.0.1": "preferred",
        "10.0.0.2": "deprecated",
        "10.0.0.3": "invalid",
        "10.0.0.4": "duplicate",
        "10.0.0.5": "unknown",
    }
    assert own_addresses([nic(*states, **states)]) == ([], ["10.0.0.1", "10.0.0.5"])


def test_addresses_that_only_the_details_have() -> None:
    assert own_addresses([nic(**{"10.0.0.9": "preferred"})]) == ([], ["10.0.0.9"])


def test_lone_values_stand_for_lists() -> None:
    row = {
        "deviceConfigId": "4000",
        "ipAddress": "10.0.0.1",
        "ipConfig": {"ipAddress": {"ipAddress": "8.8.8.8", "prefixLength": "24", "state": "preferred"}},
    }
    assert own_addresses(row) == (["8.8.8.8"], ["10.0.0.1"])  # type: ignore[arg-type]
    assert own_addresses([{"deviceConfigId": 4000, "ipConfig": None}, "junk"]) == ([], [])  # type: ignore[list-item]
    assert own_addresses([]) == ([], [])
