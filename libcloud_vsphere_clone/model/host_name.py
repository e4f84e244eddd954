"""Node names as host names, and which names a host or a domain can have. (pure)

Takes a node's name; gives one RFC 1123 label for the guest. Never asks whether the name is free.
Source: RFC 1123 §2.1, RFC 1034 §3.1; Microsoft, "Naming conventions in Active Directory for computers, domains, sites,
and OUs" (NetBIOS computer names).
"""

from __future__ import annotations

import re
import unicodedata

from ..errors import InvalidRequestError
from ..option_names import option

__all__ = [
    "MAX_NETBIOS_LENGTH",
    "build_computer_name",
    "build_host_name",
    "check_computer_name",
    "check_domain",
    "check_host_name",
]

MAX_LABEL_LENGTH = 63
"""RFC 1123 §2.1 and RFC 1034 §3.1: a label has at most 63 octets."""

MAX_DOMAIN_LENGTH = 253
MAX_NETBIOS_LENGTH = 15
"""What Windows knows a computer by on the network; sysprep refuses longer ones, and some Windows cut them."""

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)


def build_host_name(name: str, fallback: str) -> str:
    """The host name of a node of this name: letters, digits and hyphens, at most 63 of them.

    Accents go (``é`` → ``e``), letters become small, every run of other characters becomes one hyphen, hyphens
    at the ends go, the rest is cut at 63. Dots become hyphens too: a node's name is not a domain name.

    :param fallback: the host name when nothing is left, e.g. of a name in a script without Latin letters.
    Source: RFC 1123 §2.1 (a label may start with a digit), RFC 952.
    """
    decomposed = unicodedata.normalize("NFKD", name)
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    label = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return label[:MAX_LABEL_LENGTH].rstrip("-") or fallback


def build_computer_name(host_name: str, node_id: str) -> str:
    """A host name as Windows takes it; a long one ends with a piece of the id, so that those of a group differ."""
    if host_name.isdigit():
        return f"node-{node_id[:8]}"
    if len(host_name) <= MAX_NETBIOS_LENGTH:
        return host_name
    return f"{host_name[:8].rstrip('-')}-{node_id[:6]}"


def check_host_name(name: object) -> None:
    """Refuse what cannot be a host name.

    :raises InvalidRequestError: it is not one RFC 1123 label.
    """
    if isinstance(name, str) and _LABEL.fullmatch(name):
        return
    hint = f"; the domain goes into {option('domain=')}" if isinstance(name, str) and "." in name.strip(".") else ""
    raise InvalidRequestError(
        f"{name!r} can't be a host name: it has letters, digits and inner hyphens, at most {MAX_LABEL_LENGTH}{hint}"
    )


def check_computer_name(name: str) -> None:
    """Refuse a name that Windows cannot have.

    :raises InvalidRequestError: Windows takes no computer of this name.
    """
    if len(name) > MAX_NETBIOS_LENGTH or name.isdigit():
        raise InvalidRequestError(
            f"{name!r} can't be the name of a Windows computer: it has at most {MAX_NETBIOS_LENGTH} characters, not "
            f"all of them digits; choose one with {option('hostname=')}"
        )


def check_domain(name: object, where: str) -> None:
    """Refuse what cannot be a domain name.

    :raises InvalidRequestError: it is no domain name; ``where`` has it.
    """
    if not isinstance(name, str) or len(name) > MAX_DOMAIN_LENGTH or not all(map(_LABEL.fullmatch, name.split("."))):
        raise InvalidRequestError(
            f"{where}: {name!r} is no domain name; write it like 'lab.example.com', at most {MAX_DOMAIN_LENGTH} long"
        )
