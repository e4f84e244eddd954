"""What a node's guest shall be: its name, users, network and first steps, whatever mechanism tells it. (pure)

All of it is checked here, before anything is sent: each word by itself, then the adapters among each other.
What only some guests understand is checked where their mechanism is built.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ...errors import InvalidRequestError
from ...model.login import Login
from ..nics import Nic, to_addresses
from .host_name import check_domain, check_host_name
from .windows import Windows

__all__ = ["MECHANISMS", "MOST_ADAPTERS", "Customization", "Windows", "check_apart"]

MECHANISMS = ("cloud-init", "cloudinit-prep", "linux-prep", "sysprep", "ignition", "none")
"""How a guest can be told; ``ex_customize`` and an image's mark name one of them."""

MOST_ADAPTERS = 10
"""Adapters one VM can have (vSphere Configuration Maximums)."""

_HALF = re.compile("[\ud800-\udfff]")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")


@dataclass(frozen=True)
class Customization:
    """One description for every mechanism.

    :param mechanism: one of ``MECHANISMS``; None leaves it to the image.
    :param host_name: one label; without it the node's name makes one.
    :param time_zone: a name of the IANA time zone database.
    :param nics: one for each adapter that is named; empty keeps the image's, all with DHCP.
    :param first_boot_script: a script that the guest runs once, with the mechanism's own means.
    :param spec_name: a customization specification stored in vCenter, on which the rest is put.
    :param extra_config: further cloud-config of ours, for guests with cloud-init; others go without it.
    """

    mechanism: str | None = None
    host_name: str | None = None
    domain: str | None = None
    login: Login | None = None
    time_zone: str | None = None
    dns_servers: Sequence[str] = ()
    dns_search: Sequence[str] = ()
    nics: Sequence[Nic] = ()
    userdata: str | bytes | None = field(default=None, repr=False)
    first_boot_script: str | None = field(default=None, repr=False)
    windows: Windows | None = None
    spec_name: str | None = None
    extra_config: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        check_mechanism(self.mechanism, "ex_customize")
        _check_names(self)
        _check_scripts(self)
        _check_nics(self.nics)
        if self.windows is not None and not isinstance(self.windows, Windows):
            raise InvalidRequestError(f"ex_windows takes Windows(...), got a {type(self.windows).__name__}")

    @property
    def has_network_wishes(self) -> bool:
        """Whether the guest's network needs more than DHCP on every adapter."""
        return bool(self.dns_servers or self.dns_search) or not all(nic.is_plain for nic in self.nics)


def check_mechanism(word: object, where: str) -> None:
    """:raises InvalidRequestError: there is no such mechanism; ``where`` names it."""
    if word is not None and word not in MECHANISMS:
        raise InvalidRequestError(f"{where} must be one of {', '.join(MECHANISMS)}, got {word!r}")


def check_apart(nodes: Sequence[Customization]) -> None:
    """:raises InvalidRequestError: several nodes would share what only one can have."""
    names = [node.host_name.lower() for node in nodes if node.host_name]
    for what, count in _repeated([nic for node in nodes for nic in node.nics], names):
        raise InvalidRequestError(
            f"{count} nodes cannot share {what}; leave it out, or give each node its own with ex_each="
        )


def _check_names(wanted: Customization) -> None:
    if wanted.host_name is not None:
        check_host_name(wanted.host_name)
    if wanted.domain is not None:
        check_domain(wanted.domain, "ex_domain")
    for domain in _checked_list(wanted.dns_search, "ex_dns_search"):
        check_domain(domain, "ex_dns_search")
    to_addresses(_checked_list(wanted.dns_servers, "ex_dns"), "ex_dns")
    if wanted.time_zone is not None:
        _check_time_zone(wanted.time_zone)
    if wanted.spec_name is not None and (not isinstance(wanted.spec_name, str) or not wanted.spec_name.strip()):
        raise InvalidRequestError(f"ex_customization_spec must be a specification's name, got {wanted.spec_name!r}")


def _check_time_zone(name: object) -> None:
    known = _time_zones()
    # A machine without the database can only tell what looks like a name.
    if not isinstance(name, str) or (name not in known if known else not _ZONE.fullmatch(name)):
        raise InvalidRequestError(
            f"ex_timezone: {name!r} is not in the time zone database; write it like 'Europe/Berlin' or 'UTC'"
        )


@cache
def _time_zones() -> frozenset[str]:
    from zoneinfo import available_timezones

    return frozenset(available_timezones())


def _check_scripts(wanted: Customization) -> None:
    if not isinstance(wanted.userdata, str | bytes | None):
        raise InvalidRequestError(f"ex_userdata must be text or bytes, got a {type(wanted.userdata).__name__}")
    script = wanted.first_boot_script
    if script is not None and (not isinstance(script, str) or "\0" in script):
        raise InvalidRequestError(f"ex_first_boot_script must be the text of a script, got a {type(script).__name__}")
    if script is not None and not script.strip():
        raise InvalidRequestError("ex_first_boot_script is empty; leave it out")
    for word, text in (("ex_userdata", wanted.userdata), ("ex_first_boot_script", script)):
        if isinstance(text, str) and _HALF.search(text):
            raise InvalidRequestError(f"{word} is no text: it has halves of characters in it, which UTF-8 cannot hold")


def _check_nics(nics: object) -> None:
    if not isinstance(nics, Sequence) or isinstance(nics, str):
        raise InvalidRequestError(f"ex_networks must be a list of names, paths, ids and Nic(...), got {nics!r}")
    for nic in nics:
        if not isinstance(nic, Nic):
            raise InvalidRequestError(
                f"ex_networks must be a list of names, paths, ids and Nic(...), got {nic!r} in it"
            )
    if len(nics) > MOST_ADAPTERS:
        raise InvalidRequestError(f"ex_networks names {len(nics)} networks; a VM has at most {MOST_ADAPTERS} adapters")
    for what, count in _repeated(nics):
        raise InvalidRequestError(f"{what} is given to {count} adapters; each needs its own")
    for version in (4, 6):
        gateways = [str(gateway) for nic in nics for gateway in nic.gateways if gateway.version == version]
        if len(gateways) > 1:
            raise InvalidRequestError(
                f"a node has one default gateway for IPv{version}, here are {', '.join(gateways)}; give the others "
                "as routes=[Route(network, via=...)]"
            )


def _repeated(nics: Sequence[Nic], host_names: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """What only one can have and several were given, in words, and how many were."""
    single: Mapping[str, Sequence[str]] = {
        "the host name": host_names,
        "the address": [str(interface.ip) for nic in nics for interface in nic.addresses],
        "the MAC address": [nic.mac_address for nic in nics if nic.mac_address],
    }
    for what, values in single.items():
        yield from ((f"{what} {value}", count) for value, count in Counter(values).items() if count > 1)


def _checked_list(values: object, word: str) -> list[str]:
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise InvalidRequestError(f"{word} must be a list, got {values!r}")
    return [str(value) for value in values]
