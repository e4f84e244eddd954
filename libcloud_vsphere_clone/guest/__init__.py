"""Whether a node's guest is ready: its addresses, its customization, and what keeps it from ever being ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..loading import load_on_use

__all__ = ["addresses", "readiness", "wait"]

if TYPE_CHECKING:
    from . import addresses, readiness, wait
else:
    __getattr__ = load_on_use(__name__, __all__)
