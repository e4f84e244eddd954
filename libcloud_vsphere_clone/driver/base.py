"""``BaseVerbs``: what all verbs of the driver share: its session, its folders and sizes, and the steps that recur."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from libcloud.compute.base import Node, NodeDriver, NodeImage, NodeLocation, NodeSize
from libcloud.compute.deployment import Deployment

from ..deploy.nodes import NodeRows
from ..deploy.one_node import Deployer, DeployOptions, build_deployer
from ..inventory.images import fetch_clone_source
from ..inventory.nodes import fetch_some, find_node
from ..model.checks import check_keywords
from ..model.images import CloneSource
from ..model.layout import FolderNames
from ..model.sizes import Size
from ..model.vm import Found, check_writable
from ..sessions.opener import ImageFacts
from ..sessions.reach import REACH_PATHS
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from . import convert
from .listing import NodeListing
from .options import NodeOptions, image_id_of, moid_of


class BaseVerbs(NodeDriver):
    """The driver's state, which its constructor sets, and the steps that verbs share."""

    _session: Session
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
        row, found = find_node(self._session, self._names, str(node.id), moid=moid_of(node), extra=extra)
        check_writable(row, found.tree, allow_unmanaged=self._allow_unmanaged, action=action)
        return row, found

    def _fetch_source(self, image: NodeImage, options: NodeOptions) -> CloneSource:
        return fetch_clone_source(
            self._session,
            self._names,
            image_id_of(image),
            moid=moid_of(image),
            spec_name=options.customization_spec,
        )

    def _converter(self, *, full: bool = False) -> Callable[[Row, Found], Node]:
        return partial(convert.to_node, driver=self, sizes=self.list_sizes(), full=full)

    def _to_node(self, row: Row, found: Found) -> Node:
        return convert.to_node(row, found, self, self.list_sizes())

    def _deployer(self, deploy: Deployment, options: DeployOptions, image: ImageFacts | None = None) -> Deployer:
        return build_deployer(self, self._read_nodes, self._session, deploy, options, image)

    def _read_nodes(self, nodes: Sequence[Node]) -> NodeRows:
        refs = {self._ref(node): node for node in nodes}
        found = fetch_some(self._session, self._names, list(refs), extra=REACH_PATHS)
        return NodeRows(refs, found.rows, lambda row: self._to_node(row, found))

    def _ref(self, node: Node) -> Ref:
        moid = moid_of(node)
        if moid:
            return Ref("VirtualMachine", moid)
        return find_node(self._session, self._names, str(node.id))[0].ref
