"""The doors into a guest: how each is waited for and opened. A node's target and an ``Access`` in, a session out.

Every session is a drop-in for Libcloud's SSH client, so its ``Deployment`` classes run over each of them unchanged.
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import InvalidRequestError
from ..guest.readiness import RUNNING_PATHS
from ..guest.wait import Wait
from ..model import marks
from ..model.marks import SPEC_MECHANISMS
from ..model.vm import NODE_PATHS, SESSION_PATHS, is_windows
from ..option_names import option
from ..vcenter.rows import Row
from .base import Target, Tell, Transport
from .keyboard.transport import Keyboard
from .pull.transport import Pull
from .ssh.transport import SSH
from .tools.transport import Tools
from .winrm.transport import WinRM

__all__ = [
    "REACH_PATHS",
    "SSH",
    "TRANSPORTS",
    "Keyboard",
    "Pull",
    "Target",
    "Tell",
    "Tools",
    "Transport",
    "WinRM",
    "awaited_of",
    "find_transport",
    "suitable_transport",
]

REACH_PATHS = tuple(path for path in (*SESSION_PATHS, *RUNNING_PATHS) if path not in NODE_PATHS)
"""What is asked beside ``NODE_PATHS`` of a node to be reached: which way, and whether it is ready."""

TRANSPORTS: dict[str, type[Transport]] = {kind.name: kind for kind in (SSH, Tools, WinRM, Keyboard, Pull)}


def find_transport(wanted: str | Transport) -> Transport:
    """The transport of this name, as it is by default; one with settings of the caller's own stays as it is.

    :raises InvalidRequestError: there is none of this name.
    """
    if isinstance(wanted, Transport):
        return wanted
    if wanted not in TRANSPORTS:
        raise InvalidRequestError(f"{option('transport')} must be one of {', '.join(TRANSPORTS)}, got {wanted!r}")
    return TRANSPORTS[wanted]()


def suitable_transport(row: Row) -> Transport:
    """What gets into a node that is there: what its image's mark said, else what suits the guest.

    :param row: read with ``SESSION_PATHS``.
    """
    marked = marks.read_mark(row, marks.TRANSPORT)
    if marked in TRANSPORTS and marked != Pull.name:
        return find_transport(str(marked))
    if not row.get("network"):
        return Tools()
    return WinRM() if is_windows(row) else SSH()


def awaited_of(row: Row, transport: Transport, wait: Wait, *, new: bool) -> Wait:
    """What is awaited of one node before a session into it can be opened.

    :param row: read with ``NODE_PATHS`` and ``SESSION_PATHS``.
    :param wait: the caller's wishes, for all nodes.
    :param new: it was made just now: what customizes it from outside may cut the session off, so that is awaited too,
        and so are the addresses that it was told.
    """
    by_vcenter = marks.read_customization(row)[0] in SPEC_MECHANISMS
    follows = by_vcenter and (new or wait.wait_for == "customized")
    wait = replace(wait, wait_for=transport.awaited or wait.wait_for, customizing=follows)
    return wait.expecting(marks.read_addresses(row)) if new else wait
