"""Where a clone of an image would go, asked without making one."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from ..inventory.images import find_image
from ..inventory.locations import PLACE_PATHS
from ..plan.clone import CLONE_PATHS, NodeRequest, build_clone_plan

if TYPE_CHECKING:
    from libcloud.compute.base import NodeImage

    from ..compute import VsphereCloneNodeDriver


def describe_placement(driver: VsphereCloneNodeDriver, image: NodeImage) -> str:
    """The cluster, host and datastore of a clone with the image's own hardware. One round trip; nothing is written.

    :raises NoPlacementError: it fits nowhere; the message says why.
    """
    # The driver has no public call for this: a plan is made and not carried out, as create_node would.
    session, names = driver._session, driver._names
    row, found = find_image(
        session, names, str(image.id), moid=image.extra["moid"], extra=CLONE_PATHS, tree_paths=PLACE_PATHS
    )
    request = NodeRequest(id=str(uuid.uuid4()), name="doctor", group="doctor")
    placement = build_clone_plan(request, row, found.tree, found.layout.datacenter).placement
    host = found.tree.name(placement.host) if placement.host is not None else None
    cluster, datastore = found.tree.name(placement.cluster), found.tree.name(placement.datastore)
    return f"on {cluster}{f', host {host}' if host and host != cluster else ''}, datastore {datastore}"
