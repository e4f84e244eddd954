"""``vsphere-clone sizes``: the CPUs and memory that a node can have."""

from __future__ import annotations

import click

from ..nodes import MIB_PER_GIB
from ..output import json_option, print_json, print_table


@click.command()
@json_option
def sizes(as_json: bool) -> None:
    """List the sizes; each image's disk stays as it is."""
    from ...model.sizes import build_sizes

    catalogue = build_sizes(None)
    if as_json:
        keys = ("id", "name", "cpus", "memory_mib", "disk_gib")
        print_json([{key: getattr(size, key) for key in keys} for size in catalogue])
        return
    rows = ((size.id, size.cpus, f"{size.memory_mib / MIB_PER_GIB:g} GiB") for size in catalogue)
    print_table(("size", "CPUs", "memory"), rows, empty="no size")
