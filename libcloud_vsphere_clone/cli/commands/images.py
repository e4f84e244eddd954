"""``vsphere-clone images``: what nodes are made of."""

from __future__ import annotations

import click

from ..connection import DriverConnection, connected, connection_options
from ..nodes import hardware
from ..output import json_option, print_json, print_table


@click.command()
@connection_options
@json_option
def images(connection: DriverConnection, as_json: bool) -> None:
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
