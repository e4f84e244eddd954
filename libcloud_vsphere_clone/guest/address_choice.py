"""Which of a VM's addresses a caller is to use, and whether better ones may still come. (pure)

Takes rows with ``guest.net`` and ``guest.ipStack``; gives addresses, the best first.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..vcenter.rows import Row
from .addresses import Address, as_list, own_addresses, parse_address
from .wait import Wait

__all__ = ["ADDRESS_PATHS", "Choice", "choose_addresses", "seen_addresses"]

ADDRESS_PATHS = ("guest.net", "guest.ipStack", "config.hardware.device")
"""What a choice needs. ``guest.ipStack`` has the guest's whole routing table: it is read while one waits only."""


class Choice(NamedTuple):
    """The addresses that count, the best first; and for how many seconds they must have been so to be the answer."""

    addresses: list[str]
    settle_s: float


def choose_addresses(row: Row, wait: Wait) -> Choice:
    """The expected address before all; then IPv4 before IPv6, what a default route leads to first, by the NICs' order.

    An expected address, or an IPv4 address that can be reached, is the answer at once. Else others may follow within a
    moment: the second NIC's, or IPv4 after IPv6.
    """
    macs = set(adapter_macs(row))
    if wait.macs:
        macs &= {mac.lower() for mac in wait.macs}
    public, private = own_addresses(row.get("guest.net") or [], macs)
    expected = [text for text in wait.expected if text in (*public, *private)]
    public, private = _admitted(public, wait), _admitted(private, wait)
    routed, has_routes = _routed(row)
    usable = private if wait.ssh_interface == "private_ips" else public or private
    others = [text for text in usable if text not in expected]
    ordered = sorted(others, key=lambda text: (":" in text, text not in routed))
    addresses = [*(text for text in expected if _admitted([text], wait)), *ordered]
    if addresses and wait.expected:
        return Choice(addresses, 0.0 if addresses[0] in wait.expected else wait.expected_s)
    reachable = bool(addresses) and ":" not in addresses[0] and (not has_routes or addresses[0] in routed)
    return Choice(addresses, 0.0 if reachable else wait.settle_s)


def seen_addresses(row: Row) -> list[str]:
    """All addresses of the VM's own adapters, whether they count or not."""
    public, private = own_addresses(row.get("guest.net") or [], adapter_macs(row))
    return [*public, *private]


def adapter_macs(row: Row) -> list[str]:
    """The MAC addresses of the VM's own adapters, in lower case."""
    devices: list[Any] = row.get("config.hardware.device") or []
    found = (device.get("macAddress") for device in devices if isinstance(device, Mapping))
    return [str(mac).lower() for mac in found if mac]


def _admitted(texts: list[str], wait: Wait) -> list[str]:
    return [text for text in texts if wait.admits(ipaddress.ip_address(text))]


def _routed(row: Row) -> tuple[set[str], bool]:
    """The addresses that a default route leads to, and whether the guest has told of any such route.

    A gateway in the address's subnet leads to it. IPv6 gateways are link-local: there the route's device tells, which
    is the place of the NIC in ``guest.net``.
    Source: GuestStackInfo.ipRouteConfig, NetIpRouteConfigInfo.IpRoute (vSphere Web Services API).
    """
    routes = list(_default_routes(row))
    found = {
        str(address)
        for place, nic in enumerate(as_list(row.get("guest.net")))
        for address, network in _interfaces(nic)
        if any(_leads(gateway, device, address, network, place) for gateway, device in routes)
    }
    return found, bool(routes)


def _leads(gateway: Address, device: str, address: Address, network: Any, place: int) -> bool:
    if gateway.version != address.version:
        return False
    return device == str(place) if gateway.is_link_local or gateway.is_unspecified else gateway in network


def _default_routes(row: Row) -> Iterator[tuple[Address, str]]:
    for stack in as_list(row.get("guest.ipStack")):
        config = stack.get("ipRouteConfig") if isinstance(stack, Mapping) else None
        for route in as_list(config.get("ipRoute")) if isinstance(config, Mapping) else ():
            target, gateway = parse_address(route.get("network")), route.get("gateway")
            if target is None or not target.is_unspecified or str(route.get("prefixLength")) != "0":
                continue
            via = parse_address(gateway.get("ipAddress")) if isinstance(gateway, Mapping) else None
            if via is not None:
                yield via, str(gateway.get("device"))


def _interfaces(nic: Any) -> Iterator[tuple[Address, Any]]:
    config = nic.get("ipConfig") if isinstance(nic, Mapping) else None
    for detail in as_list(config.get("ipAddress")) if isinstance(config, Mapping) else ():
        address = parse_address(detail.get("ipAddress"))
        try:
            network = ipaddress.ip_network(f"{address}/{detail.get('prefixLength')}", strict=False)
        except ValueError:
            continue
        if address is not None:
            yield address, network
