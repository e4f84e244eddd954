"""``vsphere-clone locations``: the clusters and hosts that nodes can be on."""

from __future__ import annotations

import click

from ..connection import DriverConnection, connected, connection_options
from ..output import json_option, print_json, print_table


@click.command()
@connection_options
@json_option
def locations(connection: DriverConnection, as_json: bool) -> None:
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
