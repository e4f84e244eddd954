"""The ways into a guest, by name: one line each, loaded when first used.

Every guest session is a drop-in for Libcloud's SSH client, so its ``Deployment`` classes run over each of them
unchanged.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from ..errors import InvalidRequestError
from ..model import marks
from ..model.vm import is_windows
from ..option_names import option
from ..vcenter.rows import Row
from .base import Transport

__all__ = ["TRANSPORTS", "find_transport", "load_transport", "suitable_transport"]

TRANSPORTS = {
    "ssh": "SSH",
    "tools": "Tools",
    "winrm": "WinRM",
    "keyboard": "Keyboard",
    "pull": "Pull",
}
"""``{name: class}``; the class is in ``transport.py`` of the folder of that name."""


def load_transport(name: str) -> type[Transport]:
    """The class of the transport of this name.

    :raises InvalidRequestError: there is none of this name.
    """
    if name not in TRANSPORTS:
        raise InvalidRequestError(f"{option('transport')} must be one of {', '.join(TRANSPORTS)}, got {name!r}")
    return cast("type[Transport]", getattr(import_module(f".{name}.transport", __package__), TRANSPORTS[name]))


def find_transport(wanted: str | Transport) -> Transport:
    """The transport of this name, as it is by default; one with settings of the caller's own stays as it is.

    :raises InvalidRequestError: there is none of this name.
    """
    return wanted if isinstance(wanted, Transport) else load_transport(wanted)()


def suitable_transport(row: Row) -> Transport:
    """What gets into a node that is there: what its image's mark said, else what suits the guest.

    :param row: read with ``SESSION_PATHS``.
    """
    marked = marks.read_mark(row, marks.TRANSPORT)
    if marked in TRANSPORTS and marked != "pull":  # which was for its first boot
        return find_transport(str(marked))
    if not row.get("network"):
        return find_transport("tools")
    return find_transport("winrm" if is_windows(row) else "ssh")
