"""``BaseVerbs``: what all verbs of the driver share: its session, its folders and sizes, and the steps that recur."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from libcloud.compute.base import Node, NodeDriver, NodeLocation, NodeSize

from .. import inventory, vcenter
from ..model.checks import check_keywords
from ..model.layout import FolderNames
from ..model.sizes import Size
from ..model.vm import Found, check_writable
from ..vcenter.rows import Row
from . import convert
from .listing import NodeListing
from .options import moid_of


class BaseVerbs(NodeDriver):
    """The driver's state, which its constructor sets, and the steps that verbs share."""

    _session: vcenter.session.Session
    _names: FolderNames
    _sizes: tuple[Size, ...]
    _listing: NodeListing
    _allow_unmanaged: bool

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """The catalogue of sizes; nothing is asked of vCenter. Disk 0 keeps the image's."""
        return [convert.to_size(size, self) for size in self._sizes]

    def _find(
        self, node: Node, action: str, words: Mapping[str, Any], extra: tuple[str, ...] = ()
    ) -> tuple[Row, Found]:
        check_keywords(words, f"{action}_node")
        row, found = inventory.nodes.find_node(
            self._session, self._names, str(node.id), moid=moid_of(node), extra=extra
        )
        check_writable(row, found.tree, allow_unmanaged=self._allow_unmanaged, action=action)
        return row, found

    def _converter(self, *, full: bool = False) -> Callable[[Row, Found], Node]:
        return partial(convert.to_node, driver=self, sizes=self.list_sizes(), full=full)

    def _to_node(self, row: Row, found: Found) -> Node:
        return convert.to_node(row, found, self, self.list_sizes())
