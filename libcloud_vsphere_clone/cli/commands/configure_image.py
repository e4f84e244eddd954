"""``vsphere-clone configure-image``: what an image tells about its guests, written on the image itself."""

from __future__ import annotations

import click

from ..connection import DriverConnection, connected, connection_options
from ..output import json_option, print_json, print_table

SHOWN = ("customization", "customization_reason", "login", "transport")


@click.command("configure-image")
@click.argument("image")
@click.option("--customize", metavar="MECHANISM", help="How its guests are told what they shall be, or 'none'.")
@click.option("--login", metavar="USER", help="Who logs in where nobody else is named.")
@click.option("--transport", metavar="NAME", help="How to get into its guests: ssh, tools, winrm, keyboard or pull.")
@click.option("--resource-pool", help="Where a template may be a VM for the moment of writing.")
@connection_options
@json_option
def configure_image(
    connection: DriverConnection,
    image: str,
    customize: str | None,
    login: str | None,
    transport: str | None,
    resource_pool: str | None,
    as_json: bool,
) -> None:
    """Write on an image how to set up and enter its guests.

    '' clears a word. Mechanisms: cloud-init, cloudinit-prep, linux-prep, sysprep, ignition, none. A template becomes a
    VM for that moment, and no clone of it can begin then.
    """
    if customize is None and login is None and transport is None:
        raise click.UsageError("give --customize, --login or --transport")
    from ..order import find_image

    with connected(connection) as driver:
        found = driver.ex_configure_image(
            find_image(driver, image),
            customize=customize,
            username=login,
            transport=transport,
            resource_pool=resource_pool,
        )
    facts = {"id": found.id, "name": found.name, **{key: found.extra[key] for key in SHOWN}}
    if as_json:
        print_json(facts)
    else:
        print_table(("image", *SHOWN), [(found.extra["path"], *(found.extra[key] for key in SHOWN))], empty="")
