"""What to ask vCenter for, decided without I/O: placement, hardware, network, cloud-init, clone specs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..loading import load_on_use

__all__ = ["clone", "guest", "hardware", "placement"]

if TYPE_CHECKING:
    from . import clone, guest, hardware, placement
else:
    __getattr__ = load_on_use(__name__, __all__)
