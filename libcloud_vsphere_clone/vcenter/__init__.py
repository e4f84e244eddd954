"""The only code with a socket to vCenter: session, TLS, bulk reads, updates, tasks.

It knows managed objects and rows, and nothing of images, nodes or Libcloud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..loading import load_on_use

__all__ = ["jobs", "mirror", "properties", "rows", "session", "tls", "types"]

if TYPE_CHECKING:
    from . import jobs, mirror, properties, rows, session, tls, types
else:
    __getattr__ = load_on_use(__name__, __all__)
