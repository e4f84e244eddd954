"""What concerns the inside of a node: its addresses, the keys that open it, sessions into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..loading import load_on_use

__all__ = ["addresses", "readiness", "wait"]

if TYPE_CHECKING:
    from . import addresses, readiness, wait
else:
    __getattr__ = load_on_use(__name__, __all__)
