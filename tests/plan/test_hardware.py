"""CPU, memory and root disk of a clone."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model.hardware import Hardware
from libcloud_vsphere_clone.plan.hardware import (
    build_cpu_memory,
    build_disk_change,
    growth_bytes,
    list_devices,
)
from tests.by_hand import GIB, build_adapter, build_disk, build_image

DEVICES = "config.hardware.device"
CORES = "config.hardware.numCoresPerSocket"


def test_no_wish_changes_nothing() -> None:
    assert build_cpu_memory(build_image(), Hardware()) == {}
    assert build_disk_change(build_image(), Hardware()) == []
    assert growth_bytes(build_image(), Hardware()) == 0


@pytest.mark.parametrize(
    ("cores", "cpus", "expected"),
    [
        (1, 4, {"numCPUs": 4}),
        (2, 4, {"numCPUs": 4}),
        (2, 3, {"numCPUs": 3, "numCoresPerSocket": 1}),
        (4, 2, {"numCPUs": 2, "numCoresPerSocket": 1}),
        (0, 2, {"numCPUs": 2}),
        (None, 2, {"numCPUs": 2}),
    ],
)
def test_cores_per_socket_divide_the_cpus(cores: int | None, cpus: int, expected: dict[str, int]) -> None:
    assert build_cpu_memory(build_image({CORES: cores}), Hardware(cpus=cpus)) == expected


def test_memory() -> None:
    assert build_cpu_memory(build_image(), Hardware(memory_mib=4096)) == {"memoryMB": 4096}


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"cpus": 0}, "ex_cpus"),
        ({"cpus": -1}, "ex_cpus"),
        ({"cpus": True}, "ex_cpus"),
        ({"cpus": "2"}, "ex_cpus"),
        ({"memory_mib": 1.5}, "ex_memory_mib"),
        ({"memory_mib": 1022}, "multiple of 4"),
        ({"disk_gib": 0}, "ex_disk_gib"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidRequestError, match=name):
        Hardware(**wrong)


def test_the_root_disk_grows_in_place() -> None:
    image = build_image({DEVICES: [build_disk(2001, 100), build_adapter(), build_disk(2000, 8)]})
    [change] = build_disk_change(image, Hardware(disk_gib=20))
    assert change.operation == "edit"
    assert change.fileOperation is None
    disk = change.device
    assert (disk.key, disk.controllerKey, disk.unitNumber) == (2000, 1000, 0)
    assert (disk.capacityInKB, disk.capacityInBytes) == (20 * 1024**2, 20 * GIB)
    assert isinstance(disk.backing, vim.vm.device.VirtualDisk.FlatVer2BackingInfo)
    assert disk.backing.thinProvisioned is True


def test_the_size_it_has_is_no_change() -> None:
    assert build_disk_change(build_image(), Hardware(disk_gib=8)) == []


def test_shrinking_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"has 8 GiB and cannot shrink to 7 GiB"):
        build_disk_change(build_image(), Hardware(disk_gib=7))


def test_no_disk_cannot_grow() -> None:
    with pytest.raises(InvalidRequestError, match="no disk"):
        build_disk_change(build_image({DEVICES: [build_adapter()]}), Hardware(disk_gib=7))


def test_only_a_thick_disk_takes_its_growth_at_once() -> None:
    thick = build_image({DEVICES: [build_disk(thinProvisioned="false")]})
    assert growth_bytes(thick, Hardware(disk_gib=20)) == 12 * GIB
    assert growth_bytes(build_image(), Hardware(disk_gib=20)) == 0
    assert growth_bytes(thick, Hardware(disk_gib=8)) == 0


def test_a_disk_that_says_not_whether_it_is_thin_is_not_told() -> None:
    disk = build_disk()
    del disk["backing"]["thinProvisioned"]
    [change] = build_disk_change(build_image({DEVICES: [disk]}), Hardware(disk_gib=20))
    assert change.device.backing.thinProvisioned is None


def test_devices_are_told_by_type_and_sorted_by_key() -> None:
    image = build_image({DEVICES: [build_adapter(4001), build_disk(2001), build_adapter(4000), build_disk()]})
    assert [disk["key"] for disk in list_devices(image, "VirtualDisk")] == ["2000", "2001"]
    assert len(list_devices(image, "")) == 4
    assert list_devices(build_image({DEVICES: None}), "") == []
