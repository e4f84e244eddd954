"""Libcloud's verbs that only look: images, sizes, locations, nodes, and what vSphere has beside them.

``SeeingVerbs`` is the part of the driver that users see.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from libcloud.compute.base import Node, NodeDriver, NodeImage, NodeLocation, NodeSize

from ..errors import InvalidRequestError
from ..inventory import groups, images, locations, nodes
from ..model import sizes
from ..model.layout import FolderNames, find_layout
from ..vcenter.rows import Row
from ..vcenter.session import Session
from . import connect, convert
from .convert import VsphereDatastore, VsphereGroup, VsphereNetwork
from .listing import NodeFilter, NodeListing, build_filter


class SeeingVerbs(NodeDriver):
    """The driver's verbs that change nothing. What they need of the driver is set by its constructor."""

    _session: Session
    _names: FolderNames
    _sizes: tuple[sizes.Size, ...]
    _listing: NodeListing

    def list_images(self, location: NodeLocation | None = None) -> list[NodeImage]:
        """The images: templates and VMs in the images folder and below. Every location can use every image."""
        found = images.fetch_images(self._session, self._names)
        return [convert.to_image(row, found, self) for row in found.rows]

    def get_image(self, image_id: str) -> NodeImage:
        """The image with this id.

        :raises NotFoundError: there is none.
        """
        row, found = images.find_image(self._session, self._names, image_id)
        return convert.to_image(row, found, self)

    def ex_get_image_by_name(self, name: str) -> NodeImage:
        """The one image of this name or path below the images folder."""
        row, found = images.find_image_by_name(self._session, self._names, name)
        return convert.to_image(row, found, self)

    def list_locations(self) -> list[NodeLocation]:
        """The clusters and stand-alone hosts of the datacenter."""
        tree = locations.fetch_places(self._session)
        layout = find_layout(tree, self._names)
        return [convert.to_location(row, tree, self) for row in locations.list_clusters(tree, layout.datacenter)]

    def list_sizes(self, location: NodeLocation | None = None) -> list[NodeSize]:
        """The catalogue of sizes; nothing is asked of vCenter. Disk 0 keeps the image's."""
        return [convert.to_size(size, self) for size in self._sizes]

    def list_nodes(
        self,
        *,
        ex_group: str | None = None,
        ex_filter: NodeFilter | None = None,
        ex_cached: bool = True,
        ex_full: bool = False,
        **kwargs: Any,
    ) -> list[Node]:
        """The nodes: VMs below the nodes folder that are no images, templates or system VMs.

        The first call of a driver reads the inventory in one call. The second keeps it and subscribes to its changes,
        in three calls; each later one is a single call that carries only what has changed since, by whomever. Nothing
        runs between two calls.

        :param ex_group: only those in this group.
        :param ex_filter: only those whose name fits a pattern such as ``web-*``, or with this metadata, a mapping.
        :param ex_cached: False reads all afresh, in one call, and keeps nothing.
        :param ex_full: tell also ``description``, ``guest_os`` and ``disks_gib`` in ``extra``; this reads all afresh.
        """
        connect.check_words(kwargs, "list_nodes")
        wanted = build_filter(ex_group, ex_filter)
        return self._listing.read(self._converter(full=ex_full), wanted, cached=ex_cached, full=ex_full)

    def ex_iterate_nodes(
        self, *, ex_group: str | None = None, ex_filter: NodeFilter | None = None
    ) -> Generator[Node, None, None]:
        """The same nodes one by one, the first before the last have arrived. Close the iterator to end it early."""
        return self._listing.iterate(self._converter(), build_filter(ex_group, ex_filter))

    def ex_watch_nodes(
        self,
        *,
        timeout_s: float | None = None,
        ex_group: str | None = None,
        ex_filter: NodeFilter | None = None,
        ex_present: bool = False,
    ) -> Generator[tuple[str, Node], None, None]:
        """``("added" | "changed" | "removed", node)`` as it happens, from the first ``next()`` on.

        vCenter tells; nothing is polled. Close the iterator to end it early. Of a removed node it is what was last
        known. A node that comes to fit ``ex_group`` and ``ex_filter`` is added, one that no longer does is removed.

        :param timeout_s: seconds after which the iterator just ends; default never.
        :param ex_present: begin with the nodes that are there, as ``added``.
        """
        longest_s = math.inf if timeout_s is None else connect.check_seconds(timeout_s, "timeout_s")
        wanted = build_filter(ex_group, ex_filter)
        return self._listing.watch(self._converter(), wanted, timeout_s=longest_s, present=ex_present)

    def ex_get_node(self, node_id: str | None = None, *, name: str | None = None, ex_group: str | None = None) -> Node:
        """The one node with this id, or of this name (in this group, if given).

        :raises NotFoundError: there is none.
        :raises AmbiguousNameError: several have the name.
        """
        if (node_id is None) == (name is None):
            raise InvalidRequestError("ex_get_node takes either an id or name=")
        if node_id is not None:
            return self._to_node(*nodes.find_node(self._session, self._names, node_id))
        return self._to_node(*self._listing.find_by_name(str(name), ex_group))

    def ex_list_groups(self) -> list[VsphereGroup]:
        """The groups, with their nodes counted."""
        return [convert.to_group(group) for group in groups.fetch_groups(self._session, self._names)]

    def ex_list_networks(self) -> list[VsphereNetwork]:
        """The networks that adapters can be on."""
        tree = locations.fetch_places(self._session)
        rows = locations.list_networks(tree, find_layout(tree, self._names).datacenter)
        return [convert.to_network(row, tree) for row in rows]

    def ex_list_datastores(self) -> list[VsphereDatastore]:
        """The datastores."""
        tree = locations.fetch_places(self._session)
        rows = locations.list_datastores(tree, find_layout(tree, self._names).datacenter)
        return [convert.to_datastore(row, tree) for row in rows]

    def _converter(self, *, full: bool = False) -> Callable[[Row, nodes.Found], Node]:
        return partial(convert.to_node, driver=self, sizes=self.list_sizes(), full=full)

    def _to_node(self, row: Row, found: nodes.Found) -> Node:
        return convert.to_node(row, found, self, self.list_sizes())
