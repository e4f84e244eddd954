"""The network adapters that a node shall have, with their settings in its guest, each checked by itself. (pure)

Source: RFC 4291 §2.5.6, §2.6.1, RFC 3021 (addresses of a subnet that no host has), VMware vSphere documentation,
"Static MAC Address Assignment" (the MAC addresses that callers may choose from).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)

from ..errors import InvalidRequestError

__all__ = ["MOST_ADAPTERS", "Nic", "Route", "choose_mac", "to_addresses"]

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

MOST_ADAPTERS = 10
"""Adapters one VM can have (vSphere Configuration Maximums)."""

MAC_PREFIX = "00:50:56"
MAC_COUNT = 0x400000
"""00:50:56:00:00:00 to 00:50:56:3f:ff:ff. vCenter generates its own from 00:50:56:80:00:00 on, so none of ours can be
one of those; ESXi's are elsewhere too."""

_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}")
_HOST_BITS_FREE = 1
"""A subnet with this many bits for hosts, or fewer, has no network and broadcast address (RFC 3021, RFC 6164)."""


@dataclass(frozen=True)
class Route:
    """A static route: ``Route("10.9.0.0/16", via="10.0.0.254")``."""

    to: str
    via: str

    def __post_init__(self) -> None:
        if self.network.prefixlen == 0:
            raise InvalidRequestError(f"the route to {self.to} is the default route; give it as gateway={self.via!r}")
        if self.gateway.version != self.network.version:
            raise InvalidRequestError(
                f"the route to {self.to} goes via {self.via}, which is an IPv{self.gateway.version} address; "
                f"an IPv{self.network.version} one is needed"
            )

    @cached_property
    def network(self) -> Network:
        """Where it leads."""
        try:
            return ip_network(self.to)
        except ValueError as cause:
            raise InvalidRequestError(f"a route leads to a network such as '10.9.0.0/16'; {cause}") from None

    @cached_property
    def gateway(self) -> Address:
        """The next hop."""
        (gateway,) = to_addresses([self.via], f"the route to {self.to}")
        return gateway


@dataclass(frozen=True)
class Nic:
    """One adapter of a node, as ``Nic("VM Network", address="10.0.0.5/24", gateway="10.0.0.1")``, in the guest's order.

    :param network: a name, path or id; None keeps the network of the image's adapter at this place.
    :param address: one or several addresses with their prefix length; none means DHCP.
    :param gateway: one for each family at most; only one adapter of a node has the default gateway of a family.
    :param routes: static routes beside the default one.
    :param dns_servers: of this adapter alone; the option ``dns`` is for all.
    :param mac: a MAC address chosen by the caller, from 00:50:56:00:00:00 to 00:50:56:3f:ff:ff.
    """

    network: str | None = None
    address: str | Sequence[str] | None = None
    gateway: str | Sequence[str] | None = None
    routes: Sequence[Route] = ()
    dns_servers: Sequence[str] = ()
    mac: str | None = None

    def __post_init__(self) -> None:
        if self.network is not None and (not isinstance(self.network, str) or not self.network):
            raise InvalidRequestError(f"an adapter's network is a name, path or id, got {self.network!r}")
        for interface in self.addresses:
            _check_host(interface)
        _check_gateways(self)
        _check_routes(self)
        _ = self.name_servers, self.mac_address

    @cached_property
    def addresses(self) -> tuple[Interface, ...]:
        """The static addresses with their subnets; empty means DHCP."""
        return tuple(_to_interface(text) for text in _listed(self.address))

    @cached_property
    def gateways(self) -> tuple[Address, ...]:
        """The default gateways."""
        return to_addresses(_listed(self.gateway), "gateway=")

    @cached_property
    def name_servers(self) -> tuple[Address, ...]:
        """The DNS servers of this adapter."""
        return to_addresses(_listed(self.dns_servers), "dns_servers=")

    @cached_property
    def mac_address(self) -> str | None:
        """The MAC address as vSphere writes it."""
        return None if self.mac is None else _to_mac(self.mac)

    @property
    def is_plain(self) -> bool:
        """Whether the guest needs no settings for it: DHCP has them all."""
        return not (self.addresses or self.gateways or self.routes or self.name_servers)


def choose_mac(taken: Container[str]) -> str:
    """A MAC address by chance, from the range that callers may choose from.

    There are 4,194,304. Among 100 adapters of one network that have such an address two are the same with a chance of
    0.1 %, among 1000 with one of 11 %: networks larger than that should be given their addresses with ``Nic(mac=)``.

    :param taken: addresses that are not to be chosen.
    """
    while True:
        number = secrets.randbelow(MAC_COUNT)
        mac = f"{MAC_PREFIX}:{number >> 16:02x}:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"
        if mac not in taken:
            return mac


def to_addresses(texts: Iterable[object], where: str) -> tuple[Address, ...]:
    """IP addresses of hosts, without prefix length.

    :param where: what has them, for the error.
    """
    return tuple(_to_address(text, where) for text in texts)


def _to_address(text: object, where: str) -> Address:
    try:
        address = ip_address(str(text))
    except ValueError:
        hint = "; leave the prefix length out" if "/" in str(text) else ""
        raise InvalidRequestError(f"{where}: {text!r} is no IP address{hint}") from None
    _check_kind(address, where)
    return address


def _to_interface(text: str) -> Interface:
    plain, slash, prefix = str(text).partition("/")
    if not slash or not prefix.isdigit():
        raise InvalidRequestError(f"the address {text!r} needs its prefix length, such as {plain or '10.0.0.5'}/24")
    try:
        interface = ip_interface(str(text))
    except ValueError as cause:
        raise InvalidRequestError(f"{text!r} is no address with a prefix length: {cause}") from None
    _check_kind(ip_address(plain), "address=")
    return interface


def _check_kind(address: Address, where: str) -> None:
    if address.is_multicast or address.is_loopback or address.is_unspecified or getattr(address, "scope_id", None):
        raise InvalidRequestError(f"{where}: {address} is not the address of a host in a network")
    if address == IPv4Address("255.255.255.255"):
        raise InvalidRequestError(f"{where}: {address} is the broadcast address")


def _check_host(interface: Interface) -> None:
    """:raises InvalidRequestError: no host can have the address, as it means the subnet."""
    network = interface.network
    if network.max_prefixlen - network.prefixlen <= _HOST_BITS_FREE:
        return
    if interface.ip == network.network_address:
        raise InvalidRequestError(f"{interface.ip} is the address of the subnet {network} itself; take another")
    if interface.version == 4 and interface.ip == network.broadcast_address:
        raise InvalidRequestError(f"{interface.ip} is the broadcast address of the subnet {network}; take another")


def _check_gateways(nic: Nic) -> None:
    for version in (4, 6):
        if sum(gateway.version == version for gateway in nic.gateways) > 1:
            raise InvalidRequestError(f"an adapter has one default gateway for IPv{version} at most; use routes=")
    for gateway in nic.gateways:
        subnets = [interface.network for interface in nic.addresses if interface.version == gateway.version]
        if not subnets:
            raise InvalidRequestError(
                f"gateway {gateway}: the adapter has no static IPv{gateway.version} address; give it one with "
                "address=, or leave the gateway out: DHCP and router advertisements bring their own"
            )
        _check_next_hop(nic, gateway, "gateway")


def _check_routes(nic: Nic) -> None:
    if not isinstance(nic.routes, Sequence) or isinstance(nic.routes, str):
        raise InvalidRequestError(f"routes= takes a list of Route(to, via=...), got {nic.routes!r}")
    for route in nic.routes:
        if not isinstance(route, Route):
            raise InvalidRequestError(f"routes= takes Route(to, via=...), got {route!r}")
        if nic.addresses:
            _check_next_hop(nic, route.gateway, f"the route to {route.to}: the next hop")


def _check_next_hop(nic: Nic, hop: Address, what: str) -> None:
    """:raises InvalidRequestError: the adapter cannot reach the next hop directly."""
    if hop.version == 6 and hop.is_link_local:
        return
    same = [interface for interface in nic.addresses if interface.version == hop.version]
    if any(interface.ip == hop for interface in same):
        raise InvalidRequestError(f"{what} {hop} is the adapter's own address")
    inside = [interface.network for interface in same if hop in interface.network]
    if not inside:
        subnets = ", ".join(str(interface.network) for interface in same) or f"no IPv{hop.version} subnet"
        raise InvalidRequestError(
            f"{what} {hop} is not in a subnet of the adapter ({subnets}); check the address and its prefix length"
        )
    _check_host(ip_interface(f"{hop}/{inside[0].prefixlen}"))


def _to_mac(text: str) -> str:
    mac = str(text).lower().replace("-", ":")
    if not _MAC.fullmatch(mac):
        raise InvalidRequestError(f"{text!r} is no MAC address; write it like 00:50:56:12:34:56")
    if not mac.startswith(MAC_PREFIX) or int(mac[9:].replace(":", ""), 16) >= MAC_COUNT:
        raise InvalidRequestError(
            f"the MAC address {mac} is outside 00:50:56:00:00:00 to 00:50:56:3f:ff:ff, from which vSphere lets "
            "callers choose; leave it out for one that vCenter generates"
        )
    return mac


def _listed(value: object) -> list[str]:
    """A text alone, a sequence of them or nothing, as a list."""
    if value is None:
        return []
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [str(each) for each in value]
    return [str(value)]
