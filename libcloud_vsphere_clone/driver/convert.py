"""Rows → Libcloud's objects, and Libcloud's auth → logins. (pure)

Everything in ``extra`` is a JSON type: callers dump it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from libcloud.compute.base import Node, NodeAuthPassword, NodeAuthSSHKey, NodeDriver, NodeImage, NodeLocation, NodeSize
from libcloud.compute.types import NodeState

from .. import guest, inventory, plan, sessions
from ..errors import InvalidRequestError
from ..model import marks
from ..model.layout import group_name
from ..model.login import Login
from ..model.names import unescape_name
from ..model.places import is_usable_network, list_resource_pools, pool_path
from ..model.sizes import Size
from ..model.tree import Tree
from ..model.vm import Found, has_config, vm_id
from ..vcenter.rows import Ref, Row

NODE_STATES = {
    "poweredOn": NodeState.RUNNING,
    "poweredOff": NodeState.STOPPED,
    "suspended": NodeState.SUSPENDED,
}


@dataclass(frozen=True)
class VsphereGroup:
    """A group: the folder that its nodes are in. ``extra``: path, node_count."""

    id: str
    name: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VsphereNetwork:
    """A network that adapters can be on. ``extra``: path, kind."""

    id: str
    name: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VsphereDatastore:
    """A datastore. ``extra``: path, type, capacity_bytes, free_bytes, accessible, maintenance, pod."""

    id: str
    name: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VspherePlacement:
    """Where a node would go.

    :param location: a cluster, or a stand-alone host.
    :param host: None where vSphere chooses it.
    :param rejected: hosts and datastores that cannot take it, each with the reason.
    """

    location: str
    host: str | None
    datastore: str
    resource_pool: str
    rejected: tuple[tuple[str, str], ...] = ()


def to_node(row: Row, found: Found, driver: NodeDriver, sizes: Iterable[NodeSize], *, full: bool = False) -> Node:
    """The Node of a VM's row, read with ``NODE_PATHS``.

    :param full: tell also what ``FULL_PATHS`` read.
    """
    public, private = guest.addresses.own_addresses(row.get("guest.net") or [])
    size_id = marks.read_mark(row, marks.SIZE)
    return Node(
        id=vm_id(row),
        name=unescape_name(row.get("name", "")),
        state=to_state(row),
        public_ips=public,
        private_ips=private,
        driver=driver,
        size=next((size for size in sizes if size.id == size_id), None) if size_id else None,
        created_at=_to_datetime(row.get("config.createDate")),
        extra={**_node_extra(row, found), **_of_vcenter(driver), **(_full_extra(row) if full else {})},
    )


def to_state(row: Row) -> NodeState:
    """Libcloud's state of a VM: its power state, where vCenter is in touch with it."""
    if row.get("runtime.connectionState", "connected") != "connected" or not has_config(row):
        return NodeState.UNKNOWN
    return NODE_STATES.get(row.get("runtime.powerState", ""), NodeState.UNKNOWN)


def to_image(row: Row, found: Found, driver: NodeDriver) -> NodeImage:
    """The NodeImage of a VM's row, read with ``IMAGE_PATHS``."""
    tree, choice = found.tree, plan.guest.mechanism.choose_mechanism(row)
    extra = {
        "path": tree.path(row, found.layout.images_folder),
        "kind": "template" if row.get("config.template") else "vm",
        "guest_id": row.get("config.guestId"),
        "guest_os": row.get("config.guestFullName"),
        "cpus": row.get("config.hardware.numCPU"),
        "memory_mib": row.get("config.hardware.memoryMB"),
        "disks_gib": _disks_gib(row),
        "tools": row.get("guest.toolsVersionStatus2"),
        "hardware_version": row.get("config.version"),
        "customization": choice.mechanism,
        "customization_reason": choice.reason,
        "login": marks.read_mark(row, marks.LOGIN),
        "transport": marks.read_mark(row, marks.TRANSPORT),
        "description": row.get("config.annotation"),
        "power_state": row.get("runtime.powerState"),
        **_where(row, tree),
        **_of_vcenter(driver),
    }
    return NodeImage(id=vm_id(row), name=unescape_name(row["name"]), driver=driver, extra=extra)


def to_size(size: Size, driver: NodeDriver) -> NodeSize:
    """The NodeSize of a size. Memory in MB as Libcloud says, which are MiB; disk in GiB."""
    return NodeSize(
        id=size.id,
        name=size.name or size.id,
        ram=size.memory_mib,
        disk=size.disk_gib,
        bandwidth=0,
        price=0.0,
        driver=driver,
        extra={"cpus": size.cpus},
    )


def to_location(row: Row, tree: Tree, driver: NodeDriver) -> NodeLocation:
    """The NodeLocation of a cluster or a stand-alone host, read with ``PLACE_PATHS``."""
    cluster = row.ref.kind == "ClusterComputeResource"
    extra = {
        "kind": "cluster" if cluster else "host",
        "path": tree.path(row),
        "hosts": _names(tree, row.get("host", [])),
        "drs": cluster and plan.placement.is_drs_automatic(row),
        "resource_pools": [pool_path(tree, pool) for pool in list_resource_pools(tree, row.ref)],
        "datastores": _names(tree, row.get("datastore", [])),
        "networks": _names(tree, (ref for ref in row.get("network", []) if is_usable_network(tree.rows.get(ref)))),
    }
    return NodeLocation(id=row.ref.moid, name=str(tree.name(row.ref)), country="", driver=driver, extra=extra)


def to_group(group: inventory.groups.Group) -> VsphereGroup:
    """The public view of a group."""
    return VsphereGroup(group.ref.moid, group.name, {"path": group.path, "node_count": group.node_count})


def to_network(row: Row, tree: Tree) -> VsphereNetwork:
    """The public view of a network's row."""
    kinds = {"DistributedVirtualPortgroup": "distributed", "OpaqueNetwork": "opaque"}
    extra = {"path": tree.path(row), "kind": kinds.get(row.ref.kind, "standard")}
    return VsphereNetwork(row.ref.moid, unescape_name(row["name"]), extra)


def to_datastore(row: Row, tree: Tree) -> VsphereDatastore:
    """The public view of a datastore's row."""
    parent = row.get("parent")
    extra = {
        "path": tree.path(row),
        "type": row.get("summary.type"),
        "capacity_bytes": row.get("summary.capacity"),
        "free_bytes": row.get("summary.freeSpace"),
        "accessible": row.get("summary.accessible"),
        "maintenance": row.get("summary.maintenanceMode", "normal"),
        "pod": tree.name(parent) if parent is not None and parent.kind == "StoragePod" else None,
    }
    return VsphereDatastore(row.ref.moid, unescape_name(row["name"]), extra)


def to_placement(placement: plan.placement.Placement, tree: Tree) -> VspherePlacement:
    """A placement in the names that people know."""
    return VspherePlacement(
        location=tree.name(placement.cluster) or "",
        host=tree.name(placement.host),
        datastore=tree.name(placement.datastore) or "",
        resource_pool=tree.name(placement.resource_pool) or "",
        rejected=placement.rejected,
    )


def to_login(auth: object, username: str | None) -> Login | None:
    """The login that Libcloud's ``auth`` asks for; None without one.

    :param username: None leaves it to the image.
    :raises InvalidRequestError: it is something else, or what it holds is no key or password.
    """
    name = username or None
    match auth:
        case None:
            return None
        case NodeAuthSSHKey():
            lines = sessions.ssh.public_keys.check_public_key(auth.pubkey)
            return Login(name, public_keys=tuple(lines.splitlines()))
        case NodeAuthPassword():
            return Login(name, password=auth.password)
        case _:
            raise InvalidRequestError(
                f"auth must be a NodeAuthSSHKey or a NodeAuthPassword, got a {type(auth).__name__}"
            )


def _node_extra(row: Row, found: Found) -> dict[str, Any]:
    mechanism, reason = marks.read_customization(row)
    return {
        "group": group_name(found.tree, found.layout, row),
        "path": found.tree.path(row, found.layout.vm_folder),
        "image": marks.read_mark(row, marks.IMAGE),
        "size": marks.read_mark(row, marks.SIZE),
        "customization": mechanism,
        "customization_reason": reason,
        "metadata": marks.read_metadata(row),
        "managed": marks.is_managed(row),
        "tools": row.get("guest.toolsRunningStatus"),
        "cpus": row.get("config.hardware.numCPU"),
        "memory_mib": row.get("config.hardware.memoryMB"),
        "connection_state": row.get("runtime.connectionState"),
        **_where(row, found.tree),
    }


def _full_extra(row: Row) -> dict[str, Any]:
    return {
        "description": row.get("config.annotation"),
        "guest_os": row.get("config.guestFullName"),
        "disks_gib": _disks_gib(row),
    }


def _disks_gib(row: Row) -> list[float]:
    hardware = plan.hardware
    disks = hardware.list_devices(row, "VirtualDisk")
    return [hardware.disk_capacity_kib(disk) / hardware.KIB_PER_GIB for disk in disks]


def _of_vcenter(driver: NodeDriver) -> dict[str, Any]:
    """Which vCenter the ids hold for: its ``about.instanceUuid``."""
    return {"vcenter": getattr(driver, "ex_vcenter_id", None)}


def _where(row: Row, tree: Tree) -> dict[str, Any]:
    host = row.get("runtime.host")
    return {
        "host": tree.name(host),
        "cluster": tree.name(tree.cluster(host)),
        "datastores": _names(tree, row.get("datastore", [])),
        "moid": row.ref.moid,
    }


def _names(tree: Tree, refs: Iterable[Ref]) -> list[str]:
    return sorted(name for name in (tree.name(ref) for ref in refs) if name is not None)


def _to_datetime(text: str | None) -> datetime | None:
    """A vSphere dateTime; None where vCenter does not know it, for which it also says 1970."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.year > 1970 else None
