"""``cli/nodes.py``: nodes found and shown."""

from __future__ import annotations

from libcloud_vsphere_clone.cli.nodes import hardware


def test_hardware_in_words() -> None:
    assert hardware({"cpus": 2, "memory_mib": 1536, "disks_gib": [8.0, 0.5]}) == (
        "2 CPU, 1.5 GiB, 8 GiB disk, 0.5 GiB disk"
    )
    assert hardware({"cpus": None, "memory_mib": None}) == ""
