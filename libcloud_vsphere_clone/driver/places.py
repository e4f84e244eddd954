"""``PlaceVerbs``: where nodes can be: locations, networks, datastores, and the place of a node to come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Never

from libcloud.compute.base import NodeImage, NodeLocation, NodeSize

from ..inventory.locations import fetch_places
from ..model.layout import find_layout
from ..model.nics import Nic
from ..model.places import list_clusters, list_datastores, list_networks
from ..model.windows import Windows
from ..plan.clone import build_clone_plan
from . import convert
from .base import BaseVerbs
from .convert import VsphereDatastore, VsphereNetwork, VspherePlacement
from .options import CLONE_TIMEOUT_S, NodeOptions, build_requests, refuse_unknown


class PlaceVerbs(BaseVerbs):
    """The driver's verbs for places."""

    def list_locations(self) -> list[NodeLocation]:
        """The clusters and stand-alone hosts of the datacenter."""
        tree = fetch_places(self._session)
        layout = find_layout(tree, self._names)
        return [convert.to_location(row, tree, self) for row in list_clusters(tree, layout.datacenter)]

    def ex_list_networks(self) -> list[VsphereNetwork]:
        """The networks that adapters can be on."""
        tree = fetch_places(self._session)
        rows = list_networks(tree, find_layout(tree, self._names).datacenter)
        return [convert.to_network(row, tree) for row in rows]

    def ex_list_datastores(self) -> list[VsphereDatastore]:
        """The datastores."""
        tree = fetch_places(self._session)
        rows = list_datastores(tree, find_layout(tree, self._names).datacenter)
        return [convert.to_datastore(row, tree) for row in rows]

    def ex_find_placement(
        self,
        size: NodeSize | None,
        image: NodeImage,
        location: NodeLocation | None = None,
        *,
        ex_datastore: str | None = None,
        ex_resource_pool: str | None = None,
        ex_networks: Sequence[str | Nic] | None = None,
        ex_cpus: int | None = None,
        ex_memory_mib: int | None = None,
        ex_disk_gib: int | None = None,
        ex_metadata: Mapping[str, Any] | None = None,
        ex_username: str | None = None,
        ex_hostname: str | None = None,
        ex_domain: str | None = None,
        ex_dns: Sequence[str] = (),
        ex_dns_search: Sequence[str] = (),
        ex_timezone: str | None = None,
        ex_userdata: str | bytes | None = None,
        ex_first_boot_script: str | Callable[[str], str] | None = None,
        ex_windows: Windows | None = None,
        ex_customize: str | None = None,
        ex_customization_spec: str | None = None,
        ex_annotation: str | None = None,
        ex_power_on: bool = True,
        ex_timeout_s: float = CLONE_TIMEOUT_S,
        **unknown: Never,
    ) -> VspherePlacement:
        """Where ``create_node`` would put a node now, and why not elsewhere. All of it is checked; nothing is made.

        The options are ``create_node``'s.

        :raises NoPlacementError: nowhere; ``.rejected`` says why.
        """
        refuse_unknown(unknown)
        options = NodeOptions(
            group="placed", datastore=ex_datastore, resource_pool=ex_resource_pool, networks=ex_networks,
            cpus=ex_cpus, memory_mib=ex_memory_mib, disk_gib=ex_disk_gib, metadata=ex_metadata, username=ex_username,
            hostname=ex_hostname, domain=ex_domain, dns=ex_dns, dns_search=ex_dns_search, timezone=ex_timezone,
            userdata=ex_userdata, first_boot_script=ex_first_boot_script, windows=ex_windows,
            customize=ex_customize, customization_spec=ex_customization_spec, annotation=ex_annotation,
            power_on=ex_power_on, timeout_s=ex_timeout_s,
        )  # fmt: skip
        [request] = build_requests(["placed"], [options], self._sizes, size, location, None)
        source = self._fetch_source(image, options)
        return convert.to_placement(build_clone_plan(request, source).placement, source.tree)
