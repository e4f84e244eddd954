"""Guests set up, by each mechanism: cloud-init, guest customization, Ignition. (pure)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...loading import load_on_use

__all__ = ["mechanism"]

if TYPE_CHECKING:
    from . import mechanism
else:
    __getattr__ = load_on_use(__name__, __all__)
