"""A VM's own addresses.

Takes the rows of ``guest.net``; gives public and private addresses. Never guesses from address ranges whose
an address is: containers and VPNs inside a guest use any range, but not the VM's adapters.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = ["Address", "as_list", "own_addresses", "parse_address"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNUSABLE_STATES = frozenset({"deprecated", "duplicate", "invalid"})
"""NetIpConfigInfoIpAddressStatus: no new connection should use, or can reach, an address in these states."""

LIMITED_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


def own_addresses(nics: Sequence[Mapping[str, Any]], macs: Iterable[str] | None = None) -> tuple[list[str], list[str]]:
    """The public and the private addresses of the VM's own adapters, IPv4 first, in the order of the NICs.

    A NIC is the VM's own when its ``deviceConfigId`` is a device key of the VM (it is -1 for bridges, tunnels and
    the like) and, where ``macs`` are known, its MAC is one of them.

    :param nics: GuestNicInfo as mappings; a lone value may stand for a list of one.
    :param macs: the MAC addresses of the VM's adapters, in any case; None when they are not known.
    Source: GuestNicInfo, NetIpConfigInfo (vSphere Web Services API); RFC 6890 for what is global.
    """
    known = None if macs is None else {mac.lower() for mac in macs}
    own = [nic for nic in as_list(nics) if isinstance(nic, Mapping) and _is_own(nic, known)]
    found = dict.fromkeys(address for nic in own for address in _usable_addresses(nic))
    ordered = sorted(found, key=lambda address: address.version)
    public = [str(address) for address in ordered if _is_public(address)]
    private = [str(address) for address in ordered if not _is_public(address)]
    return public, private


def _is_own(nic: Mapping[str, Any], macs: set[str] | None) -> bool:
    try:
        device_key = int(nic.get("deviceConfigId", -1))
    except (TypeError, ValueError):
        return False
    return device_key >= 0 and (macs is None or str(nic.get("macAddress", "")).lower() in macs)


def _usable_addresses(nic: Mapping[str, Any]) -> Iterator[Address]:
    config = nic.get("ipConfig")
    details = as_list(config.get("ipAddress")) if isinstance(config, Mapping) else []
    details = [detail for detail in details if isinstance(detail, Mapping)]
    unusable = {parse_address(detail.get("ipAddress")) for detail in details if detail.get("state") in UNUSABLE_STATES}
    for text in (*as_list(nic.get("ipAddress")), *(detail.get("ipAddress") for detail in details)):
        address = parse_address(text)
        if address is not None and address not in unusable and not _is_local(address):
            yield address


def parse_address(text: object) -> Address | None:
    """The address in a text; None if it is none."""
    try:
        # A guest may add the zone of its own interface (RFC 4007 §11), which means nothing here.
        return ipaddress.ip_address(str(text).strip().partition("%")[0])
    except ValueError:
        return None


def _is_local(address: Address) -> bool:
    """Whether the address means nothing outside the guest or its link."""
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address == LIMITED_BROADCAST
    )


def _is_public(address: Address) -> bool:
    # Shared address space, 100.64.0.0/10, is neither private nor global for ipaddress: not public for us.
    # The deprecated site-local range, fec0::/10 (RFC 3879), counts as global there.
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not site_local


def as_list(value: Any) -> list[Any]:
    """A list of a row; a lone value stands for a list of one."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
