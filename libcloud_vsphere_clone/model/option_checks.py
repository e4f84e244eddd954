"""Checks of the options of a new node, each by itself and adapters among each other. (pure)"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from ..errors import InvalidRequestError
from ..option_names import option
from .hardware import MOST_ADAPTERS
from .host_name import check_domain, check_host_name
from .marks import MECHANISMS
from .names import check_text
from .nics import Nic, to_addresses

_HALF = re.compile("[\ud800-\udfff]")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")


def check_mechanism(name: object, where: str) -> None:
    """Refuse what is no mechanism.

    :raises InvalidRequestError: there is no such mechanism; ``where`` names it.
    """
    if name is not None and name not in MECHANISMS:
        raise InvalidRequestError(f"{where} must be one of {', '.join(MECHANISMS)}, got {name!r}")


def check_metadata(metadata: object) -> None:
    """Refuse metadata that a mark cannot hold.

    :raises InvalidRequestError: it is no mapping that JSON can hold.
    """
    if not metadata:
        return
    if not isinstance(metadata, Mapping):
        raise InvalidRequestError(f"{option('metadata')} must be a mapping, got {metadata!r}")
    try:
        text = json.dumps(dict(metadata), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as cause:
        raise InvalidRequestError(f"{option('metadata')} must be JSON: {cause}") from cause
    check_text(text, option("metadata"))


def check_names(hostname: object, domain: object, timezone: object, customization_spec: object) -> None:
    """Refuse names that cannot be right; None is none.

    :raises InvalidRequestError: one of them cannot be such a name.
    """
    if hostname is not None:
        check_host_name(hostname)
    if domain is not None:
        check_domain(domain, option("domain"))
    if timezone is not None:
        _check_time_zone(timezone)
    if customization_spec is not None and (not isinstance(customization_spec, str) or not customization_spec.strip()):
        raise InvalidRequestError(
            f"{option('customization_spec')} must be a specification's name, got {customization_spec!r}"
        )


def check_network(dns: object, dns_search: object) -> None:
    """Refuse DNS servers and search domains that cannot be right.

    :raises InvalidRequestError: they are no lists of addresses and of domains.
    """
    for domain in _checked_list(dns_search, option("dns_search")):
        check_domain(domain, option("dns_search"))
    to_addresses(_checked_list(dns, option("dns")), option("dns"))


def check_userdata(userdata: object) -> None:
    """Refuse user data of another type.

    :raises InvalidRequestError: it is neither text nor bytes.
    """
    if not isinstance(userdata, str | bytes | None):
        raise InvalidRequestError(f"{option('userdata')} must be text or bytes, got a {type(userdata).__name__}")
    _check_halves(userdata, option("userdata"))


def check_script(script: object) -> None:
    """Refuse what is no first-boot script; None is none.

    :raises InvalidRequestError: it is not the text of a first-boot script.
    """
    name = option("first_boot_script")
    if script is not None and (not isinstance(script, str) or "\0" in script):
        raise InvalidRequestError(f"{name} must be the text of a script, got a {type(script).__name__}")
    if script is not None and not script.strip():
        raise InvalidRequestError(f"{name} is empty; leave it out")
    _check_halves(script, name)


def to_nics(networks: Sequence[str | Nic] | None) -> list[Nic]:
    """An adapter for each network; its name alone is an adapter on it.

    :raises InvalidRequestError: it is no list of networks.
    """
    wrong = f"{option('networks')} must be a list of names, paths, ids and Nic(...), got"
    if isinstance(networks, str) or not isinstance(networks or (), Sequence):
        raise InvalidRequestError(f"{wrong} {networks!r}")
    nics = [Nic(network) if isinstance(network, str) else network for network in networks or ()]
    for nic in nics:
        if not isinstance(nic, Nic):
            raise InvalidRequestError(f"{wrong} {nic!r} in it")
    return nics


def check_nics(nics: Sequence[Nic]) -> None:
    """Refuse adapters that one node cannot have together.

    :raises InvalidRequestError: they cannot be the adapters of one node.
    """
    if len(nics) > MOST_ADAPTERS:
        raise InvalidRequestError(
            f"{option('networks')} names {len(nics)} networks; a VM has at most {MOST_ADAPTERS} adapters"
        )
    for what, count in repeated(nics):
        raise InvalidRequestError(f"{what} is given to {count} adapters; each needs its own")
    for version in (4, 6):
        gateways = [str(gateway) for nic in nics for gateway in nic.gateways if gateway.version == version]
        if len(gateways) > 1:
            raise InvalidRequestError(
                f"a node has one default gateway for IPv{version}, here are {', '.join(gateways)}; give the others "
                "as routes=[Route(network, via=...)]"
            )


def repeated(nics: Sequence[Nic], host_names: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """What only one can have and several were given, in words, and how many were."""
    single: Mapping[str, Sequence[str]] = {
        "the host name": host_names,
        "the address": [str(interface.ip) for nic in nics for interface in nic.addresses],
        "the MAC address": [nic.mac_address for nic in nics if nic.mac_address],
    }
    for what, values in single.items():
        yield from ((f"{what} {value}", count) for value, count in Counter(values).items() if count > 1)


def _check_time_zone(name: object) -> None:
    known = _time_zones()
    # A machine without the database can only check what looks like a name.
    if not isinstance(name, str) or (name not in known if known else not _ZONE.fullmatch(name)):
        raise InvalidRequestError(
            f"{option('timezone')}: {name!r} is not in the time zone database; write it like 'Europe/Berlin' or 'UTC'"
        )


@cache
def _time_zones() -> frozenset[str]:
    from zoneinfo import available_timezones  # takes as long as several of our modules

    return frozenset(available_timezones())


def _check_halves(text: object, name: str) -> None:
    if isinstance(text, str) and _HALF.search(text):
        raise InvalidRequestError(f"{name} is no text: it has halves of characters in it, which UTF-8 cannot hold")


def _checked_list(values: object, name: str) -> list[str]:
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        raise InvalidRequestError(f"{name} must be a list, got {values!r}")
    return [str(value) for value in values]
