"""Rows written by hand: a small datacenter and an image in it, for tests of what needs no vCenter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from libcloud_vsphere_clone.model.images import CloneSource
from libcloud_vsphere_clone.model.layout import Layout
from libcloud_vsphere_clone.model.tree import Tree
from libcloud_vsphere_clone.vcenter.rows import TYPE_KEY, Ref, Row

GIB = 1024**3

ROOT = Ref("Folder", "group-d1")
DATACENTER = Ref("Datacenter", "datacenter-1")
VM_FOLDER = Ref("Folder", "group-v1")
HOST_FOLDER = Ref("Folder", "group-h1")
DATASTORE_FOLDER = Ref("Folder", "group-s1")
NETWORK_FOLDER = Ref("Folder", "group-n1")
IMAGES = Ref("Folder", "group-v2")
GROUP = Ref("Folder", "group-v3")

DRS = Ref("ClusterComputeResource", "domain-c1")
NO_DRS = Ref("ClusterComputeResource", "domain-c2")
ALONE = Ref("ComputeResource", "domain-s1")
DRS_POOL, NO_DRS_POOL, ALONE_POOL = (Ref("ResourcePool", f"resgroup-{n}") for n in (1, 2, 3))
TENANTS, TENANT_A = Ref("ResourcePool", "resgroup-11"), Ref("ResourcePool", "resgroup-12")
HOST_1, HOST_2, HOST_3, HOST_4, HOST_5 = (Ref("HostSystem", f"host-{n}") for n in (1, 2, 3, 4, 5))

SHARED_1, SHARED_2, LOCAL_1 = (Ref("Datastore", f"datastore-{n}") for n in (1, 2, 3))
VM_NETWORK = Ref("Network", "network-1")
WEB = Ref("DistributedVirtualPortgroup", "dvportgroup-1")
UPLINK = Ref("DistributedVirtualPortgroup", "dvportgroup-2")
SWITCH = Ref("DistributedVirtualSwitch", "dvs-1")

IMAGE_UUID = "50000000-0000-4000-8000-000000000001"

Changes = Mapping[Ref, Mapping[str, Any]]
"""``{ref: {path: value}}``; the value None removes the property."""


def build_tree(changes: Changes | None = None, *more: Row) -> Tree:
    """The datacenter, changed as told, with further rows in it."""
    rows = {row.ref: row for row in (*_folders(), *_computers(), *_stores(), *_networks(), *more)}
    for ref, values in (changes or {}).items():
        rows[ref] = changed(rows[ref], values)
    return Tree(rows)


def build_source(image: Row, tree: Tree, api_version: str | None = None) -> CloneSource:
    """The image and the datacenter, as they are read for a plan."""
    return CloneSource(image, tree, Layout(DATACENTER, VM_FOLDER, IMAGES, VM_FOLDER), api_version=api_version)


def build_image(values: Mapping[str, Any] | None = None) -> Row:
    """An image: a template on the DRS cluster with one disk of 8 GiB on shared-1 and one adapter."""
    known = {
        "name": "debian-12",
        "parent": IMAGES,
        "datastore": [SHARED_1],
        "config.template": True,
        "config.instanceUuid": IMAGE_UUID,
        "config.hardware.numCPU": 2,
        "config.hardware.memoryMB": 2048,
        "config.hardware.numCoresPerSocket": 1,
        "config.hardware.device": [build_disk(), build_adapter()],
        "config.extraConfig": [],
        "summary.storage.committed": 1 * GIB,
        "runtime.powerState": "poweredOff",
        "runtime.host": HOST_1,
    }
    return changed(Row(Ref("VirtualMachine", "vm-1"), known), values or {})


def build_disk(key: int = 2000, gib: int = 8, **backing: str) -> dict[str, Any]:
    """A virtual disk as a row has it: text, but for what is a list of its own."""
    file = {"fileName": "[shared-1] debian-12/debian-12.vmdk", "diskMode": "persistent", "thinProvisioned": "true"}
    return {
        TYPE_KEY: "VirtualDisk",
        "key": str(key),
        "backing": {TYPE_KEY: "VirtualDiskFlatVer2BackingInfo", **file, **backing},
        "controllerKey": "1000",
        "unitNumber": str(key % 1000),
        "capacityInKB": str(gib * 1024**2),
    }


def build_adapter(
    key: int = 4000, kind: str = "VirtualVmxnet3", backing: Mapping[str, Any] | None = None, mac: str = "assigned"
) -> dict[str, Any]:
    """A network adapter, on ``VM Network`` unless told otherwise."""
    standard = {TYPE_KEY: "VirtualEthernetCardNetworkBackingInfo", "deviceName": "VM Network", "network": VM_NETWORK}
    return {
        TYPE_KEY: kind,
        "key": str(key),
        "backing": dict(backing if backing is not None else standard),
        "controllerKey": "100",
        "unitNumber": str(key - 4000 + 7),
        "addressType": mac,
        "macAddress": "00:50:56:00:00:01",
    }


def build_folder(moid: str, name: str, parent: Ref = VM_FOLDER) -> Row:
    """A folder."""
    return Row(Ref("Folder", moid), {"name": name, "parent": parent})


def build_vm(moid: str, name: str, parent: Ref = GROUP, values: Mapping[str, Any] | None = None) -> Row:
    """A VM that is a node unless told otherwise."""
    known = {
        "name": name,
        "parent": parent,
        "config.template": False,
        "config.instanceUuid": f"uuid-of-{moid}",
        "runtime.powerState": "poweredOn",
        "runtime.connectionState": "connected",
        "runtime.host": HOST_1,
    }
    return changed(Row(Ref("VirtualMachine", moid), known), values or {})


def changed(row: Row, values: Mapping[str, Any]) -> Row:
    """The row with these values; None removes one."""
    copy = Row(row.ref, {path: value for path, value in {**row, **values}.items() if value is not None})
    copy.unreadable = row.unreadable
    return copy


def _folders() -> list[Row]:
    tops = {VM_FOLDER: "vm", HOST_FOLDER: "host", DATASTORE_FOLDER: "datastore", NETWORK_FOLDER: "network"}
    return [
        Row(ROOT, {"name": "Datacenters"}),
        Row(DATACENTER, {"name": "lab-dc", "parent": ROOT, "vmFolder": VM_FOLDER}),
        *(Row(ref, {"name": name, "parent": DATACENTER}) for ref, name in tops.items()),
        Row(IMAGES, {"name": "jclouds-images", "parent": VM_FOLDER}),
        Row(GROUP, {"name": "libcloud", "parent": VM_FOLDER}),
    ]


def _computers() -> list[Row]:
    automatic = {"enabled": "true", "defaultVmBehavior": "fullyAutomated"}
    shared, networks = [SHARED_1, SHARED_2], [VM_NETWORK, WEB, UPLINK]
    places = (
        (DRS, "cluster-drs", DRS_POOL, (HOST_1, HOST_2), {"drsConfig": automatic}, shared),
        (NO_DRS, "cluster-nodrs", NO_DRS_POOL, (HOST_3, HOST_4), {"drsConfig": {"enabled": "false"}}, shared),
        (ALONE, "esx-alone.lab", ALONE_POOL, (HOST_5,), None, [*shared, LOCAL_1]),
    )
    rows = [
        Row(TENANTS, {"name": "tenants", "parent": DRS_POOL, "owner": DRS}),
        Row(TENANT_A, {"name": "tenant-a", "parent": TENANTS, "owner": DRS}),
        Row(Ref("ResourcePool", "resgroup-21"), {"name": "tenants", "parent": NO_DRS_POOL, "owner": NO_DRS}),
    ]
    for ref, name, pool, hosts, drs, stores in places:
        rows.append(Row(pool, {"name": "Resources", "parent": ref, "owner": ref}))
        seen = {"name": name, "parent": HOST_FOLDER, "resourcePool": pool, "host": [*hosts]}
        rows.append(Row(ref, {**seen, "datastore": stores, "network": networks}))
        if drs is not None:
            rows[-1]["configurationEx"] = drs
        rows.extend(_host(host, ref, stores, networks) for host in hosts)
    return rows


def _host(ref: Ref, cluster: Ref, stores: list[Ref], networks: list[Ref]) -> Row:
    known = {
        "name": f"{ref.moid}.lab",
        "parent": cluster,
        "datastore": stores,
        "network": networks,
        "runtime.connectionState": "connected",
        "runtime.inMaintenanceMode": False,
        "summary.hardware.memorySize": 64 * GIB,
        "summary.quickStats.overallMemoryUsage": 1024,
    }
    return Row(ref, known)


def _stores() -> list[Row]:
    def store(ref: Ref, name: str, free_gib: int) -> Row:
        known = {"name": name, "parent": DATASTORE_FOLDER, "summary.type": "VMFS", "summary.freeSpace": free_gib * GIB}
        return Row(ref, {**known, "summary.accessible": True, "summary.maintenanceMode": "normal"})

    return [store(SHARED_1, "shared-1", 500), store(SHARED_2, "shared-2", 900), store(LOCAL_1, "local-1", 300)]


def _networks() -> list[Row]:
    group = {"parent": NETWORK_FOLDER, "config.distributedVirtualSwitch": SWITCH}
    return [
        Row(VM_NETWORK, {"name": "VM Network", "parent": NETWORK_FOLDER}),
        Row(WEB, {"name": "dvpg-web", **group, "key": "dvportgroup-1", "config.uplink": False}),
        Row(UPLINK, {"name": "dvs-1-uplinks", **group, "key": "dvportgroup-2", "config.uplink": True}),
        Row(SWITCH, {"name": "dvs-1", "uuid": "50 11 22 33"}),
    ]
