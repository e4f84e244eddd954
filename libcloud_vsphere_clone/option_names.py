"""How messages name options: marked where they are written, spelled for their readers. (pure)

What is below the driver knows the fields of a new node and no option of the driver. It writes ``option("hostname=")``
into a message. The error's text spells that ``ex_hostname=``, for callers in Python; the command spells it
``--hostname``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["expression", "option", "spell"]

PREFIX = "ex_"
"""Before an option's name in Libcloud's verbs: each of ours is the field of the same name."""

_START, _END = "\x02", "\x03"
_MARKED = re.compile(f"{_START}([^{_END}]*){_END}")
"""Control characters: neither XML nor ``repr()`` lets them into the names that messages quote."""


def option(text: str) -> str:
    """An option of the driver for a message: a field's name, and what may follow it, as in ``customize='none'``."""
    return expression(PREFIX + text)


def expression(text: str) -> str:
    """Another piece of Python for a message, which a command line says otherwise, such as ``list_nodes()``."""
    return f"{_START}{text}{_END}"


def spell(message: str, spelling: Callable[[str], str] = str) -> str:
    """The message with each marked piece as ``spelling`` says it; by default as it is written in Python."""
    return _MARKED.sub(lambda found: spelling(found[1]), message)
