"""``PlaceVerbs``: where nodes can be: locations, networks, datastores, and the place of a node to come."""

from __future__ import annotations

from typing import Unpack

from libcloud.compute.base import NodeImage, NodeLocation, NodeSize

from .. import inventory, operations
from ..model.layout import find_layout
from ..model.places import list_clusters, list_datastores, list_networks
from . import convert
from .base import BaseVerbs
from .convert import VsphereDatastore, VsphereNetwork, VspherePlacement
from .options import CreateOptions, build_request, image_id_of, moid_of


class PlaceVerbs(BaseVerbs):
    """The driver's verbs for places."""

    def list_locations(self) -> list[NodeLocation]:
        """The clusters and stand-alone hosts of the datacenter."""
        tree = inventory.locations.fetch_places(self._session)
        layout = find_layout(tree, self._names)
        return [convert.to_location(row, tree, self) for row in list_clusters(tree, layout.datacenter)]

    def ex_list_networks(self) -> list[VsphereNetwork]:
        """The networks that adapters can be on."""
        tree = inventory.locations.fetch_places(self._session)
        rows = list_networks(tree, find_layout(tree, self._names).datacenter)
        return [convert.to_network(row, tree) for row in rows]

    def ex_list_datastores(self) -> list[VsphereDatastore]:
        """The datastores."""
        tree = inventory.locations.fetch_places(self._session)
        rows = list_datastores(tree, find_layout(tree, self._names).datacenter)
        return [convert.to_datastore(row, tree) for row in rows]

    def ex_find_placement(
        self,
        size: NodeSize | None,
        image: NodeImage,
        location: NodeLocation | None = None,
        **options: Unpack[CreateOptions],
    ) -> VspherePlacement:
        """Where ``create_node`` would put a node now, and why not elsewhere. All of it is checked; nothing is made.

        :param options: those of ``create_node``.
        :raises NoPlacementError: nowhere; ``.rejected`` says why.
        """
        request = build_request(self._sizes, "placed", "placed", size, location, None, options)
        provisioner = operations.provision.Provisioner(self._session, self._names)
        plan, found = provisioner.plan(request, image_id_of(image), image_moid=moid_of(image))
        return convert.to_placement(plan.placement, found.tree)
