"""What is there: names and ids in, rows out, exactly one or an error.

``tree`` says where an object is, ``layout`` which folders hold images and nodes; the others find one kind each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..loading import load_on_use

__all__ = ["groups", "images", "locations", "nodes"]

if TYPE_CHECKING:
    from . import groups, images, locations, nodes
else:
    __getattr__ = load_on_use(__name__, __all__)
