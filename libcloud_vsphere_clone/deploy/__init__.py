"""A deployment's steps over a guest session: on one node, or on many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..loading import load_on_use

__all__ = ["many_nodes", "one_node"]

if TYPE_CHECKING:
    from . import many_nodes, one_node
else:
    __getattr__ = load_on_use(__name__, __all__)
