"""SSH to an address of the guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...loading import load_on_use

__all__ = ["host_keys", "keys", "public_keys"]

if TYPE_CHECKING:
    from . import host_keys, keys, public_keys
else:
    __getattr__ = load_on_use(__name__, __all__)
