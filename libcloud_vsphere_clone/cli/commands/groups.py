"""``vsphere-clone groups``: the folders that nodes are in."""

from __future__ import annotations

import click

from ..connection import DriverConnection, connected, connection_options
from ..output import json_option, print_json, print_table


@click.command()
@connection_options
@json_option
def groups(connection: DriverConnection, as_json: bool) -> None:
    """List the groups, with their nodes counted."""
    with connected(connection) as driver:
        found = [{"id": group.id, "name": group.name, **group.extra} for group in driver.ex_list_groups()]
    found.sort(key=lambda group: group["name"])
    if as_json:
        print_json(found)
        return
    rows = ((group["name"], group["node_count"], group["path"]) for group in found)
    print_table(("group", "nodes", "path"), rows, empty="no group: the first node makes one")
