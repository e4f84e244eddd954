"""Ways into a guest. Each protocol is a folder: its transport, its client, its wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..loading import load_on_use

__all__ = ["access", "login_retry", "ssh", "transports"]

if TYPE_CHECKING:
    from . import access, login_retry, ssh, transports
else:
    __getattr__ = load_on_use(__name__, __all__)
