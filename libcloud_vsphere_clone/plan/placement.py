"""Where a clone goes: the tree of places, the image and the caller's wishes in, one placement out. (pure)

vSphere's own engines place things: this picks cluster, pool and datastore, and leaves the
host to DRS. An unset host is not DRS by itself: without DRS vCenter refuses a cluster's pool, so then a host is chosen.
Source: VirtualMachineRelocateSpec.host, .pool, .datastore (vSphere Web Services API).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..errors import NoPlacementError, NotFoundError
from ..model.places import find_one, list_clusters, list_datastores, list_resource_pools, pool_path
from ..model.tree import Tree
from ..option_names import expression, option
from ..vcenter.rows import Ref, Row

MIB = 1024 * 1024

Rejection = tuple[str, str]
"""What cannot take a clone, and why."""


@dataclass(frozen=True)
class PlacementWish:
    """What the caller wants; None leaves it to the rules below.

    :param location: cluster or stand-alone host, by name, path or managed object id; None: the image's own.
    :param resource_pool: by name, path below the root pool, or id; None: the root pool.
    :param datastore: by name, path or id; None: the image's own if it can be, else the one with most free space.
    :param needed_bytes: room that the clone takes on the datastore.
    :param memory_bytes: memory that it will have.
    :param networks: networks that the chosen hosts must have.
    """

    location: str | None = None
    resource_pool: str | None = None
    datastore: str | None = None
    needed_bytes: int = 0
    memory_bytes: int = 0
    networks: tuple[Ref, ...] = ()


@dataclass(frozen=True)
class Placement:
    """Where a clone goes; ``host`` is None where DRS, or the pool of a stand-alone host, decides.

    :param rejected: hosts and datastores that cannot take it, by name, each with the reason.
    """

    cluster: Ref
    resource_pool: Ref
    datastore: Ref
    host: Ref | None
    rejected: tuple[Rejection, ...] = field(default=(), compare=False)


class Reservations(Counter[Ref]):
    """What clones that are planned and not made yet will need: bytes by datastore, bytes of memory by host.

    ``macs``: the MAC addresses chosen for them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.macs: set[str] = set()


def choose_placement(
    tree: Tree, datacenter: Ref, image: Row, wish: PlacementWish, reserved: Reservations | None = None
) -> Placement:
    """The placement of a clone of ``image``.

    :param reserved: what other clones of the same group will need; this one's share is added.
    :raises NotFoundError: a wish names nothing that is there.
    :raises AmbiguousNameError: it names several.
    :raises NoPlacementError: nothing fits; ``rejected`` has every candidate and why.
    """
    cluster = choose_cluster(tree, datacenter, image, wish.location)
    pool = choose_pool(tree, cluster, wish.resource_pool)
    hosts, poor_hosts = _usable_hosts(tree, cluster, wish.networks)
    reserved = Reservations() if reserved is None else reserved
    datastore, poor_stores = _choose_datastore(tree, datacenter, image, hosts, wish, reserved)
    reaching = [host for host in hosts if datastore.ref in host.get("datastore", [])]
    host = None if _is_placed_by_vsphere(cluster) else _roomiest(reaching, reserved)
    reserved[datastore.ref] += wish.needed_bytes
    if host is not None:
        reserved[host] += wish.memory_bytes
    return Placement(cluster.ref, pool, datastore.ref, host, (*poor_hosts, *poor_stores))


def is_drs_automatic(cluster: Row) -> bool:
    """Whether DRS chooses hosts by itself; a manual one only recommends."""
    drs = (cluster.get("configurationEx") or {}).get("drsConfig") or {}
    return bool(drs.get("enabled") == "true" and drs.get("defaultVmBehavior") != "manual")


def choose_cluster(tree: Tree, datacenter: Ref, image: Row, location: str | None) -> Row:
    """The cluster or stand-alone host that the caller names, else the image's own.

    :raises NotFoundError, AmbiguousNameError: there is not exactly one.
    """
    clusters = list_clusters(tree, datacenter)
    if location is not None:
        return find_one(tree, "location", location, clusters)
    own = tree.cluster(image.get("runtime.host"))
    if own is None or own not in tree.rows:
        raise NotFoundError(
            "cluster of image", image["name"], f"its host is not visible; choose one with {expression('location=')}"
        )
    return tree.rows[own]


def choose_pool(tree: Tree, cluster: Row, wanted: str | None) -> Ref:
    """The resource pool that the caller names, else the cluster's root pool.

    :raises NotFoundError, AmbiguousNameError: there is not exactly one that is visible.
    """
    root: Ref | None = cluster.get("resourcePool")
    if wanted is None:
        if root is None:
            raise NotFoundError(
                "root resource pool of",
                str(tree.name(cluster.ref)),
                f"name one you may use with {option('resource_pool=')}",
            )
        return root
    pools = list_resource_pools(tree, cluster.ref)
    by_path = [pool for pool in pools if pool_path(tree, pool) == wanted]
    return find_one(tree, "resource pool", by_path[0].ref.moid if by_path else wanted, pools).ref


def _usable_hosts(tree: Tree, cluster: Row, networks: Iterable[Ref]) -> tuple[list[Row], list[Rejection]]:
    hosts = [tree.rows[ref] for ref in cluster.get("host", []) if ref in tree.rows]
    checks: list[Check] = [
        (lambda host: host.get("runtime.connectionState") == "connected", "it is not connected"),
        (lambda host: host.get("runtime.inMaintenanceMode") is not True, "it is in maintenance mode"),
        *((_has_network(network), f"it lacks the network {tree.name(network)!r}") for network in networks),
    ]
    return _filtered(tree, hosts, checks, f"no host of {tree.name(cluster.ref)!r} can take the clone")


def _has_network(network: Ref) -> Callable[[Row], bool]:
    return lambda host: network in host.get("network", [])


def _choose_datastore(
    tree: Tree, datacenter: Ref, image: Row, hosts: list[Row], wish: PlacementWish, reserved: Reservations
) -> tuple[Row, list[Rejection]]:
    def free_bytes(store: Row) -> int:
        return int(store.get("summary.freeSpace", 0)) - reserved[store.ref]

    candidates = list_datastores(tree, datacenter)
    own = image.get("datastore", [])
    if wish.datastore is not None:
        candidates = [find_one(tree, "datastore", wish.datastore, candidates)]
    reachable = {ref for host in hosts for ref in host.get("datastore", [])}
    checks: list[Check] = [
        (lambda store: store.ref in reachable, "no usable host of the location reaches it"),
        (lambda store: store.get("summary.accessible") is not False, "it is not accessible"),
        (lambda store: store.get("summary.maintenanceMode", "normal") == "normal", "it is in maintenance mode"),
        (lambda store: free_bytes(store) >= wish.needed_bytes, f"less than {_gib(wish.needed_bytes)} free"),
    ]
    fitting, rejected = _filtered(tree, candidates, checks, "no datastore can take the clone")
    return max(fitting, key=lambda store: (store.ref in own, free_bytes(store))), rejected


Check = tuple[Callable[[Row], bool], str]


def _filtered(tree: Tree, rows: list[Row], checks: list[Check], message: str) -> tuple[list[Row], list[Rejection]]:
    """The rows that pass every check, and why the others do not.

    :raises NoPlacementError: none does.
    """
    reasons = {row.ref: next((why for passes, why in checks if not passes(row)), None) for row in rows}
    fitting = [row for row in rows if reasons[row.ref] is None]
    rejected = [(str(tree.name(ref)), why) for ref, why in reasons.items() if why is not None]
    if not fitting:
        raise NoPlacementError(message, rejected)
    return fitting, rejected


def _is_placed_by_vsphere(cluster: Row) -> bool:
    return cluster.ref.kind == "ComputeResource" or is_drs_automatic(cluster)


def _roomiest(hosts: list[Row], reserved: Reservations) -> Ref:
    """The host with most free memory: a fair first place where nothing balances later."""

    def free_bytes(host: Row) -> int:
        used_bytes = int(host.get("summary.quickStats.overallMemoryUsage", 0)) * MIB
        return int(host.get("summary.hardware.memorySize", 0)) - used_bytes - reserved[host.ref]

    return max(hosts, key=free_bytes).ref


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**3:.1f} GiB"
