"""CPU, memory and root disk: an image's row and what is wanted in, ConfigSpec parts out. (pure)"""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from ..errors import InvalidRequestError
from ..model.hardware import Hardware
from ..vcenter.rows import TYPE_KEY, Row

KIB_PER_GIB = 1024 * 1024
BYTES_PER_MIB = 1024 * 1024


def list_devices(image: Row, kind: str) -> list[dict[str, Any]]:
    """The virtual devices whose vSphere type ends with ``kind``, by key; ``""`` gives all."""
    devices = [device for device in image.get("config.hardware.device", []) if isinstance(device, dict)]
    return sorted((d for d in devices if str(d.get(TYPE_KEY, "")).endswith(kind)), key=lambda d: int(d["key"]))


def disk_capacity_kib(disk: dict[str, Any]) -> int:
    """A disk's capacity in KiB."""
    return int(disk.get("capacityInKB") or 0)


def build_cpu_memory(image: Row, wanted: Hardware) -> dict[str, int]:
    """ConfigSpec fields for CPU and memory.

    vCenter refuses a number of CPUs that the cores per socket do not divide, so then there is one core per socket.
    Source: VirtualMachineConfigSpec.numCPUs, numCoresPerSocket, memoryMB (vSphere Web Services API).
    """
    fields: dict[str, int] = {}
    if wanted.cpus is not None:
        fields["numCPUs"] = wanted.cpus
        cores = int(image.get("config.hardware.numCoresPerSocket") or 1)
        if wanted.cpus % cores:
            fields["numCoresPerSocket"] = 1
    if wanted.memory_mib is not None:
        fields["memoryMB"] = wanted.memory_mib
    return fields


def build_disk_change(image: Row, wanted: Hardware) -> list[Any]:
    """The device change that grows the root disk, or none.

    :raises InvalidRequestError: the image has no disk, or a larger one.
    Source: VirtualDeviceConfigSpec, VirtualDisk.capacityInKB (vSphere Web Services API).
    """
    if wanted.disk_gib is None:
        return []
    disks = list_devices(image, "VirtualDisk")
    if not disks:
        raise InvalidRequestError(f"image {image['name']!r} has no disk to resize; leave the disk size out")
    root = disks[0]
    wanted_kib, present_kib = wanted.disk_gib * KIB_PER_GIB, disk_capacity_kib(root)
    if wanted_kib < present_kib:
        raise InvalidRequestError(
            f"the root disk of image {image['name']!r} has {present_kib / KIB_PER_GIB:g} GiB and cannot shrink to "
            f"{wanted.disk_gib} GiB; ask for at least that, or for no disk size to keep it"
        )
    return [_edit(_resized(root, wanted_kib))] if wanted_kib > present_kib else []


def growth_bytes(image: Row, wanted: Hardware) -> int:
    """Bytes that growing the root disk takes at once: none where it is thin."""
    disks = list_devices(image, "VirtualDisk")
    if wanted.disk_gib is None or not disks or disks[0].get("backing", {}).get("thinProvisioned") == "true":
        return 0
    return max(0, wanted.disk_gib * KIB_PER_GIB - disk_capacity_kib(disks[0])) * 1024


def needed_bytes(image: Row, wanted: Hardware) -> int:
    """Room on the datastore: what the image takes now, what its disk grows, and a swap file as large as its memory."""
    committed = int(image.get("summary.storage.committed") or 0)
    return committed + growth_bytes(image, wanted) + memory_bytes(image, wanted)


def memory_bytes(image: Row, wanted: Hardware) -> int:
    """The memory that it will have."""
    return (wanted.memory_mib or int(image.get("config.hardware.memoryMB") or 0)) * BYTES_PER_MIB


def _resized(disk: dict[str, Any], capacity_kib: int) -> Any:
    known = disk.get("backing", {})
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName=known.get("fileName", ""),
        diskMode=known.get("diskMode", "persistent"),
        thinProvisioned=known.get("thinProvisioned") == "true" if "thinProvisioned" in known else None,
    )
    return vim.vm.device.VirtualDisk(
        key=int(disk["key"]),
        controllerKey=int(disk["controllerKey"]),
        unitNumber=int(disk["unitNumber"]),
        capacityInKB=capacity_kib,
        capacityInBytes=capacity_kib * 1024,
        backing=backing,
    )


def _edit(device: Any) -> Any:
    return vim.vm.device.VirtualDeviceSpec(operation="edit", device=device)
