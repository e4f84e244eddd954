"""vCenter's spelling of names: ``%``, ``/`` and ``\\`` are escaped in what it stores and shows. (pure)

Source: ManagedEntity.name ("any % used in this name must be escaped"), Folder.CreateFolder (vSphere Web Services API).
"""

from __future__ import annotations

import re
import secrets

from ..errors import InvalidRequestError

LONGEST_NAME = 80
"""Characters vCenter takes for the name of a VM, folder or other entity."""

_ESCAPES = {"%": "%25", "/": "%2f", "\\": "%5c"}
_NOT_XML = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
"""Compiled when it is first used: so many ranges take milliseconds, and a listing checks no name."""
_ESCAPED = re.compile(r"%(25|2f|5c)", re.IGNORECASE)


def escape_name(name: str) -> str:
    """The name as vCenter stores it, e.g. ``a/b`` → ``a%2fb``."""
    return re.sub(r"[%/\\]", lambda found: _ESCAPES[found.group()], name)


def unescape_name(stored: str) -> str:
    """The name as a person wrote it, e.g. ``a%2fb`` → ``a/b``; other percent signs stay."""
    return _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), stored)


def check_name(name: str, what: str) -> str:
    """Check that vCenter takes a name, and give it back.

    :param what: what has the name, for the error.
    :raises InvalidRequestError: empty, too long, or with control characters.
    """
    if not name or not name.strip():
        raise InvalidRequestError(f"a {what} needs a name, got {name!r}")
    if len(name) > LONGEST_NAME:
        raise InvalidRequestError(
            f"the {what} name {name!r} has {len(name)} characters; vCenter takes {LONGEST_NAME}: shorten it"
        )
    if any(ord(character) < 32 for character in name):
        raise InvalidRequestError(f"the {what} name {name!r} holds control characters: remove them")
    return check_text(name, f"the {what} name {name!r}")


def check_text(text: str, what: str) -> str:
    """Check that XML can carry a text to vCenter, and give it back.

    :raises InvalidRequestError: it holds control characters, or halves of surrogate pairs.
    Source: Extensible Markup Language (XML) 1.0, 2.2 Characters.
    """
    if re.search(_NOT_XML, text):
        raise InvalidRequestError(f"{what} holds control characters: remove them")
    return text


LEAST_DIGITS = 5

NAMES_PER_NODE = 4096
"""Names there are at least for each node that is drawn one: of a hundred that join ten thousand, one may have to draw
again. To read which are taken would cost a call each time, and none is kept free until the clone is sent."""


def draw_names(group: str, count: int) -> list[str]:
    """Different names ``<group>-<hex>`` that are hardly taken: five digits, more where they are many."""
    digits = max(LEAST_DIGITS, len(f"{count * NAMES_PER_NODE:x}"))
    drawn: set[str] = set()
    while len(drawn) < count:
        drawn.add(f"{group}-{draw_hex(digits)}")
    return sorted(drawn)


def draw_hex(digits: int) -> str:
    """Random hexadecimal digits, as many as asked for."""
    return secrets.token_hex(digits)[:digits]
