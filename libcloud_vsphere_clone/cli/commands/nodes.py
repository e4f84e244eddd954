"""``vsphere-clone nodes``: listed, or watched."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

import click

from ..connection import DriverConnection, connected, connection_options
from ..nodes import node_facts, print_nodes
from ..output import cell, json_option, print_json, print_json_line

if TYPE_CHECKING:
    from libcloud.compute.base import Node


@click.command()
@click.option("--group", help="Only the nodes of this group.")
@click.option("--filter", "pattern", metavar="PATTERN", help="Only those whose name fits, such as 'web-*'.")
@click.option("--watch", is_flag=True, help="Print changes as they happen, until Ctrl-C.")
@click.option("--watch-timeout", type=click.FloatRange(0), metavar="SECONDS", help="End --watch after this time.")
@connection_options
@json_option
def nodes(
    connection: DriverConnection,
    group: str | None,
    pattern: str | None,
    watch: bool,
    watch_timeout: float | None,
    as_json: bool,
) -> None:
    """List the nodes.

    With --watch print each change as a line instead, with --json as a line of JSON: event (added, changed, removed),
    time and node.
    """
    if watch_timeout is not None and not watch:
        raise click.UsageError("--watch-timeout is for --watch")
    with connected(connection) as driver:
        if watch:
            changes = driver.ex_watch_nodes(timeout_s=watch_timeout, ex_group=group, ex_filter=pattern)
            _watch(changes, as_json)
            return
        found = [node_facts(node) for node in driver.list_nodes(ex_group=group, ex_filter=pattern)]
    found.sort(key=lambda node: (node["group"] or "", node["name"]))
    if as_json:
        print_json(found)
    else:
        print_nodes(found)


def _watch(changes: Generator[tuple[str, Node], None, None], as_json: bool) -> None:
    """Prints changes until the time is over or Ctrl-C; both are a good end."""
    try:
        with closing(changes):
            for event, node in changes:
                _print_change(event, node, as_json)
    except KeyboardInterrupt:
        click.echo("no longer watching", err=True)


def _print_change(event: str, node: Node, as_json: bool) -> None:
    now = datetime.now().astimezone()
    if as_json:
        print_json_line({"event": event, "time": now.isoformat(), "node": node_facts(node)})
    else:
        click.echo(f"{now:%H:%M:%S} {event} {_in_words(node)}")


def _in_words(node: Node) -> str:
    addresses = [*node.public_ips, *node.private_ips]
    facts = (f"group {node.extra.get('group') or '-'}", node.state, *addresses)
    return f"{cell(node.name)} ({cell(list(facts))})"
