"""What a deployment does in a guest, as data: a file written, a command run, a file removed. (no I/O)"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Delete", "Put", "Run", "Step", "is_appended"]


@dataclass(frozen=True)
class Put:
    """One file written, or (``append``) made longer.

    :param path: absolute, or below the user's home.
    :param chmod: its permissions; None leaves them to the guest.
    """

    path: str
    contents: bytes = field(repr=False)
    chmod: int | None = None
    append: bool = False


@dataclass(frozen=True)
class Run:
    """One command, for the user's shell.

    :param timeout_s: seconds it may take; None for no limit.
    """

    command: str = field(repr=False)
    timeout_s: float | None = None


@dataclass(frozen=True)
class Delete:
    """One file removed."""

    path: str


Step = Put | Run | Delete


def is_appended(mode: str) -> bool:
    """Whether a ``put`` with this mode makes a file longer; a ``b`` in it means nothing.

    :raises ValueError: no session knows the mode.
    """
    kind = mode.replace("b", "")
    if kind not in ("w", "a"):
        raise ValueError(f"mode {mode!r} is not known: use 'w' or 'a'")
    return kind == "a"
