"""Node names as host names.

Takes a node's name; gives one RFC 1123 label for the guest. Never asks whether the name is free.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MAX_LABEL_LENGTH", "build_host_name"]

MAX_LABEL_LENGTH = 63
"""RFC 1123 §2.1 and RFC 1034 §3.1: a label has at most 63 octets."""


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
