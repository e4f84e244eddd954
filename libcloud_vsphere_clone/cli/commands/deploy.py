"""``vsphere-clone deploy``: options → an order for one node or many; how it went → output and exit status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ..connection import DriverConnection, connected, connection_options
from ..customize import CUSTOMIZE_OPTIONS, PLACE_OPTIONS, build_options, positive
from ..login import BOOT_TIMEOUT, LOGIN_OPTIONS, SCRIPT_OPTIONS, build_login, read_script, with_options
from ..output import json_option
from ..progress import narrated
from ..session import TRANSPORT

if TYPE_CHECKING:
    from ..order import Order

MAX_IN_FLIGHT = 8

OPTIONS = (
    click.option("--image", required=True, help="The image's name, path in the images folder, or id."),
    click.option("--size", help="As vsphere-clone sizes lists them.  [default: the image's hardware]"),
    click.option("--location", "locations", multiple=True,
                 help="A cluster or stand-alone host; with --count several, filled in turn.  [default: the image's]"),
    click.option("--group", default="libcloud", show_default=True, help="Made if needed."),
    click.option("--count", type=positive, metavar="NUMBER", help="Make many nodes, named after their group."),
    click.option("--max-in-flight", type=positive, metavar="NUMBER",
                 help=f"Clones under way at once, with --count.  [default: {MAX_IN_FLIGHT}]"),
    *SCRIPT_OPTIONS,
    *LOGIN_OPTIONS,
    TRANSPORT,
    *CUSTOMIZE_OPTIONS,
    *PLACE_OPTIONS,
    BOOT_TIMEOUT,
    click.option("--wait-for", type=click.Choice(["address", "customized"]),
                 help="customized: wait until the guest is set up.  [default: address]"),
    click.option("--no-wait", is_flag=True, help="Do not wait for the address."),
    click.option("--destroy-on-failure", is_flag=True, help="Destroy a node if it or its script fails."),
    click.option("--destroy-after", is_flag=True, help="Destroy the nodes in any case, when all is done."),
)  # fmt: skip


@click.command()
@click.argument("name", required=False)
@with_options(*OPTIONS)
@connection_options
@json_option
def deploy(
    connection: DriverConnection,
    name: str | None,
    count: int | None,
    max_in_flight: int | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Clone an image to the node NAME and run a script in it.

    With a script its output is printed as it is, and its exit status is this command's. Without one the node is made
    and its address waited for. With neither a key nor a password a password is made up for the script's log-in, and
    not shown.

    With --count and no NAME many nodes are made at once, called <group>-<hex>. Each line of a script's output then
    begins with its node's name, and the exit status is the highest. Nodes that fail do not keep the others from being
    made.
    """
    if (name is None) is (count is None):
        raise click.UsageError("give the NAME of one node, or --count for many")
    if count is None and max_in_flight is not None:
        raise click.UsageError("--max-in-flight is for --count")
    if count is None and len(given["locations"]) > 1:
        raise click.UsageError("one node has one --location; several are for --count")
    order = _build_order(given)
    if count is not None and order.wait_for == "customized" and order.script is None:
        raise click.UsageError("--wait-for customized: with --count it is for nodes that run a script")
    if name is not None:
        exit_status = _deploy_one(connection, order, name, as_json)
    else:
        exit_status = _deploy_many(connection, order, count or 1, max_in_flight or MAX_IN_FLIGHT, as_json)
    raise click.exceptions.Exit(exit_status)


def _deploy_one(connection: DriverConnection, order: Order, name: str, as_json: bool) -> int:
    from ..deploy_node import Deploy, show

    with connected(connection) as driver, narrated() as narrator:
        outcome = Deploy(driver, order, name, narrator).run()
    show(outcome, as_json=as_json)
    return outcome.exit_status


def _deploy_many(connection: DriverConnection, order: Order, count: int, max_in_flight: int, as_json: bool) -> int:
    from ..board import boarded
    from ..deploy_group import DeployGroup
    from ..results import exit_status_of, show_results

    with connected(connection) as driver, boarded(count) as board:
        results = DeployGroup(driver, order, count, max_in_flight, board).run()
    show_results(order.group, results, as_json=as_json, of_script=order.script is not None)
    return exit_status_of(results)


def _build_order(given: Mapping[str, Any]) -> Order:
    """The order that the command line means: ``{parameter: value}`` as click read it."""
    from ..order import Order

    if given["no_wait"] and (given["script"] or given["command"] is not None):
        raise click.UsageError("--no-wait is for nodes without a script: one that runs a script is waited for")
    return Order(
        image=given["image"],
        options=build_options(given),
        size=given["size"],
        locations=given["locations"],
        script=read_script(given["script"], given["command"]),
        login=build_login(
            ssh_username=given["ssh_username"],
            ssh_key=given["ssh_key"],
            ssh_key_password_file=given["ssh_key_password_file"],
            ssh_password_file=given["ssh_password_file"],
        ),
        wait=not given["no_wait"],
        boot_timeout_s=given["boot_timeout"],
        destroy_on_failure=given["destroy_on_failure"],
        destroy_after=given["destroy_after"],
        transport=given["transport"],
        wait_for=given["wait_for"],
    )
