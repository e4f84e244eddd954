"""What is awaited of one VM: the caller's options, checked, as one frozen description. (pure)"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InvalidRequestError
from ..option_names import option
from .addresses import Address

__all__ = ["WAIT_FOR", "Wait", "build_wait", "expected_of"]

WAIT_FOR = ("ssh", "customized", "address", "tools")
"""``address``: one that can be used, and no customization under way. ``ssh``: the same; the log-in is the caller's.
``customized``: the guest's customization is done. ``tools``: VMware Tools take guest operations."""

INTERFACES = ("public_ips", "private_ips")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Wait:
    """What is awaited of one VM, which addresses count, and for how long a state that may pass is borne.

    :param wait_for: one of ``WAIT_FOR``.
    :param ssh_interface: ``public_ips`` takes private addresses where there is no public one; ``private_ips`` only
        these.
    :param only_ipv4: False takes IPv6 too, after IPv4.
    :param networks: where not empty, only addresses in one of these networks count.
    :param expected: the addresses that the guest was told to have: they come first, and whatever their family.
    :param macs: where not empty, only addresses of the adapters with these MAC addresses count.
    :param customizing: vCenter customizes this VM, as the caller knows: nothing counts before that is done.
    :param settle_s: seconds in which better addresses than those of now may come.
    :param expected_s: seconds in which the expected ones may, while there are others.
    :param nic_grace_s: seconds that all adapters may be disconnected.
    :param tools_grace_s: seconds that VMware Tools may be "not installed": vCenter says so of a guest with tools, too,
        until it has heard of them in the first boot, which can be slow.
    """

    wait_for: str = "address"
    ssh_interface: str = "public_ips"
    only_ipv4: bool = True
    networks: tuple[Network, ...] = ()
    expected: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    customizing: bool = False
    settle_s: float = 3.0
    expected_s: float = 30.0
    nic_grace_s: float = 30.0
    tools_grace_s: float = 120.0

    def __post_init__(self) -> None:
        if self.wait_for not in WAIT_FOR:
            raise InvalidRequestError(
                f"{option('wait_for')} must be one of {', '.join(WAIT_FOR)}; got {self.wait_for!r}"
            )
        if self.ssh_interface not in INTERFACES:
            raise InvalidRequestError(f"ssh_interface must be public_ips or private_ips, got {self.ssh_interface!r}")

    @property
    def needs_address(self) -> bool:
        """Whether nothing but an address will do."""
        return self.wait_for in ("ssh", "address")

    @property
    def follows_customization(self) -> bool:
        """Whether the end of a customization is awaited."""
        return self.customizing or self.wait_for == "customized"

    def expecting(self, expected: str | Sequence[str] | None) -> Wait:
        """The same wait, of a VM that was told to have these addresses, with or without a prefix length.

        :raises InvalidRequestError: one is no address.
        """
        return replace(self, expected=tuple(_plain(text) for text in _as_texts(expected, option("expected"))))

    def admits(self, address: Address) -> bool:
        """Whether an address counts: by its network and its family."""
        if self.networks and not any(address.version == n.version and address in n for n in self.networks):
            return False
        return address.version == 4 or not self.only_ipv4 or str(address) in self.expected


def build_wait(
    wait_for: str = "address",
    *,
    ssh_interface: str = "public_ips",
    only_ipv4: bool = True,
    address_filter: str | Sequence[str] | None = None,
    expected: str | Sequence[str] | None = None,
    macs: Sequence[str] = (),
    customizing: bool = False,
) -> Wait:
    """The wait that these options ask for.

    :param address_filter: one network as ``10.0.0.0/8``, or several.
    :param expected: addresses, with or without a prefix length.
    :raises InvalidRequestError: an option is wrong; nothing was sent.
    """
    return Wait(
        wait_for=wait_for,
        ssh_interface=ssh_interface,
        only_ipv4=only_ipv4,
        networks=tuple(_network(text) for text in _as_texts(address_filter, option("address_filter"))),
        macs=tuple(macs),
        customizing=customizing,
    ).expecting(expected)


def expected_of(node_id: str, expected: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None) -> list[str]:
    """The addresses that are expected of one node: a mapping has them by the nodes' ids."""
    return _as_texts(expected.get(node_id) if isinstance(expected, Mapping) else expected, option("expected"))


def _as_texts(value: object, word: str) -> list[str]:
    """One text, several, or none, as a list.

    :raises InvalidRequestError: it is something else.
    """
    if value is None:
        return []
    found: list[Any] = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    if not all(isinstance(text, str) for text in found):
        raise InvalidRequestError(f"{word} must be text or a list of texts, got {value!r}")
    return found


def _plain(text: str) -> str:
    try:
        return str(ipaddress.ip_interface(text.strip()).ip)
    except ValueError:
        raise InvalidRequestError(f"{option('expected')} must be IP addresses, got {text!r}") from None


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise InvalidRequestError(
            f"{option('address_filter')} must be networks such as 10.0.0.0/8, got {text!r}"
        ) from None
