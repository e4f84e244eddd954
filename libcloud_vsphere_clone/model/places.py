"""Places in a tree: clusters and stand-alone hosts, with their pools, datastores and networks. (pure)"""

from __future__ import annotations

from ..errors import AmbiguousNameError, NotFoundError
from ..vcenter.rows import Ref, Row
from .tree import TREE_PATHS, Tree

PLACE_PATHS: dict[str, tuple[str, ...]] = {
    **TREE_PATHS,
    "ComputeResource": (
        *TREE_PATHS["ComputeResource"],
        "resourcePool",
        "host",
        "datastore",
        "network",
        "configurationEx",
    ),
    "HostSystem": (
        *TREE_PATHS["HostSystem"],
        "datastore",
        "network",
        "runtime.connectionState",
        "runtime.inMaintenanceMode",
        "summary.hardware.memorySize",
        "summary.quickStats.overallMemoryUsage",
    ),
    "ResourcePool": ("name", "parent", "owner"),
    "Datastore": (
        *TREE_PATHS["Datastore"],
        "summary.type",
        "summary.capacity",
        "summary.freeSpace",
        "summary.accessible",
        "summary.maintenanceMode",
        "summary.multipleHostAccess",
    ),
    "StoragePod": ("name", "parent"),
    # Derived types first: a server may apply the first type that fits.
    "DistributedVirtualPortgroup": ("name", "parent", "key", "config.uplink", "config.distributedVirtualSwitch"),
    "OpaqueNetwork": ("name", "parent", "summary"),
    "Network": ("name", "parent"),
    "DistributedVirtualSwitch": ("name", "uuid"),
}
"""A tree with all that placement asks of clusters, hosts, pools, datastores and networks, and without VMs."""


CLUSTER_KINDS = ("ClusterComputeResource", "ComputeResource")


NETWORK_KINDS = ("Network", "DistributedVirtualPortgroup", "OpaqueNetwork")


def list_clusters(tree: Tree, datacenter: Ref) -> list[Row]:
    """The clusters and stand-alone hosts of a datacenter, by path."""
    return _sorted(tree, [row for row in tree.rows.values() if row.ref.kind in CLUSTER_KINDS], datacenter)


def list_networks(tree: Tree, datacenter: Ref) -> list[Row]:
    """The networks of a datacenter that VMs can be on, by path; uplink port groups are none."""
    return _sorted(tree, [row for row in tree.rows.values() if is_usable_network(row)], datacenter)


def is_usable_network(row: Row | None) -> bool:
    """Whether VMs can be on it: a visible network that is no uplink of a switch."""
    return row is not None and row.ref.kind in NETWORK_KINDS and row.get("config.uplink") is not True


def list_datastores(tree: Tree, datacenter: Ref) -> list[Row]:
    """The datastores of a datacenter, by path."""
    return _sorted(tree, [row for row in tree.rows.values() if row.ref.kind == "Datastore"], datacenter)


def list_resource_pools(tree: Tree, cluster: Ref) -> list[Row]:
    """The resource pools of a cluster or stand-alone host, its root pool and vApps aside, by path."""
    root = tree.rows[cluster].get("resourcePool")
    pools = [row for row in tree.rows.values() if row.ref.kind == "ResourcePool" and row.get("owner") == cluster]
    return sorted((row for row in pools if row.ref != root), key=lambda row: pool_path(tree, row))


def pool_path(tree: Tree, pool: Row) -> str:
    """A pool's path below its cluster's root pool, e.g. ``tenants/tenant-a``."""
    steps = [pool.get("name", "")]
    parent = tree.rows.get(pool["parent"]) if "parent" in pool else None
    while (
        parent is not None
        and parent.ref.kind == "ResourcePool"
        and parent.get("parent", Ref("", "")).kind == "ResourcePool"
    ):
        steps.append(parent.get("name", ""))
        parent = tree.rows.get(parent["parent"])
    return "/".join(reversed(steps))


def find_one(tree: Tree, kind: str, wanted: str, rows: list[Row], *, hint: str = "") -> Row:
    """The one of ``rows`` with this id, name or path.

    :param kind: what they are, for the error: ``datastore``, ``network``, …
    :raises NotFoundError: none fits; the message lists what there is.
    :raises AmbiguousNameError: several have the name.
    """
    found = [row for row in rows if wanted in (row.ref.moid, tree.name(row.ref), row.get("name"), tree.path(row))]
    match found:
        case [row]:
            return row
        case []:
            known = ", ".join(sorted(str(tree.name(row.ref)) for row in rows)) or "none"
            raise NotFoundError(kind, wanted, f"there are: {known}")
        case many:
            paths = [tree.path(row) for row in many]
            if len(set(paths)) < len(paths):
                paths = [f"{path} ({row.ref.moid})" for path, row in zip(paths, many, strict=True)]
            raise AmbiguousNameError(kind, wanted, paths, hint or "give its path or id")


def _sorted(tree: Tree, rows: list[Row], datacenter: Ref) -> list[Row]:
    return sorted((row for row in rows if tree.is_below(row, datacenter)), key=lambda row: tree.path(row))
