"""The network adapters that a node shall have, and what its guest shall be told of them. (pure)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Nic", "Route"]


@dataclass(frozen=True)
class Route:
    """A static route: ``Route("10.9.0.0/16", via="10.0.0.254")``."""

    to: str
    via: str


@dataclass(frozen=True)
class Nic:
    """One adapter of a node, in the order of the guest: ``Nic("VM Network", address="10.0.0.5/24", gateway="10.0.0.1")``.

    :param network: a name, path or id; None keeps the network of the image's adapter at this place.
    :param address: one or several addresses with their prefix length; none means DHCP.
    :param gateway: one for each family at most; exactly one adapter of a node has the default gateway of a family.
    :param routes: static routes beside the default one.
    :param dns_servers: of this adapter alone; ``ex_dns`` is for all.
    :param mac: a MAC address chosen by the caller, in the range that vCenter lets callers choose from.
    """

    network: str | None = None
    address: str | Sequence[str] | None = None
    gateway: str | Sequence[str] | None = None
    routes: Sequence[Route] = ()
    dns_servers: Sequence[str] = ()
    mac: str | None = None
