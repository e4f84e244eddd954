"""``vsphere-clone images``, ``sizes``, ``locations`` and ``groups``: what nodes are made of, and where they are."""

from __future__ import annotations

from typing import Any

import click

from .connection import Connection, connected, connection_options
from .output import json_option, print_json, print_table

MIB_PER_GIB = 1024


@click.command()
@connection_options
@json_option
def images(connection: Connection, as_json: bool) -> None:
    """List the images: what is in the images folder."""
    with connected(connection) as driver:
        found = [{"id": image.id, "name": image.name, **image.extra} for image in driver.list_images()]
    if as_json:
        print_json(found)
        return
    rows = (
        (
            image["path"],
            image["guest_os"],
            hardware(image),
            image["customization"],
            image["login"],
            image["transport"],
            image["kind"],
            image["id"],
        )
        for image in sorted(found, key=lambda image: image["path"])
    )
    columns = ("image", "guest", "hardware", "set up by", "login", "transport", "kind", "id")
    print_table(columns, rows, empty=f"no image is in {connection.images_folder!r}: put a template there")


@click.command()
@json_option
def sizes(as_json: bool) -> None:
    """List the sizes; each image's disk stays as it is."""
    from ..model.sizes import build_sizes

    catalogue = build_sizes(None)
    if as_json:
        keys = ("id", "name", "cpus", "memory_mib", "disk_gib")
        print_json([{key: getattr(size, key) for key in keys} for size in catalogue])
        return
    rows = ((size.id, size.cpus, f"{size.memory_mib / MIB_PER_GIB:g} GiB") for size in catalogue)
    print_table(("size", "CPUs", "memory"), rows, empty="no size")


@click.command()
@connection_options
@json_option
def locations(connection: Connection, as_json: bool) -> None:
    """List the clusters and stand-alone hosts."""
    with connected(connection) as driver:
        found = [{"id": place.id, "name": place.name, **place.extra} for place in driver.list_locations()]
    if as_json:
        print_json(found)
        return
    rows = (
        (place["name"], place["kind"], len(place["hosts"]), place["drs"], place["datastores"], place["networks"])
        for place in found
    )
    columns = ("location", "kind", "hosts", "DRS", "datastores", "networks")
    print_table(columns, rows, empty="this user sees no cluster and no host")


@click.command()
@connection_options
@json_option
def groups(connection: Connection, as_json: bool) -> None:
    """List the groups, with their nodes counted."""
    with connected(connection) as driver:
        found = [{"id": group.id, "name": group.name, **group.extra} for group in driver.ex_list_groups()]
    found.sort(key=lambda group: group["name"])
    if as_json:
        print_json(found)
        return
    rows = ((group["name"], group["node_count"], group["path"]) for group in found)
    print_table(("group", "nodes", "path"), rows, empty="no group: the first node makes one")


def hardware(machine: dict[str, Any]) -> str:
    """``2 CPU, 4 GiB``, and the disks where they are known."""
    if not machine.get("cpus"):
        return ""
    disks = [f"{disk:g} GiB disk" for disk in machine.get("disks_gib") or []]
    return ", ".join([f"{machine['cpus']} CPU", f"{machine['memory_mib'] / MIB_PER_GIB:g} GiB", *disks])
