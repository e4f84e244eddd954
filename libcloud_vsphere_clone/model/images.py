"""What an image brings to its clones. (pure)"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..vcenter.rows import Row
from .layout import Layout
from .tree import Tree


@dataclass(frozen=True)
class CloneSource:
    """An image that is to be cloned, and the vCenter around it, as they were read for a plan.

    :param image: read with ``IMAGE_PATHS`` and ``CLONE_PATHS``.
    :param tree: read with ``PLACE_PATHS``.
    :param stored_spec: the CustomizationSpec of the name that was asked for; None without a name.
    :param api_version: what this vCenter is spoken to in; None is not checked.
    """

    image: Row
    tree: Tree
    layout: Layout
    stored_spec: Any = field(default=None, repr=False)
    api_version: str | None = None
