"""How many nodes went, each with its script or its error: printed, and as an exit status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from .nodes import print_nodes
from .output import print_json

NO_STATUS = "the script ended without an exit status: it was killed, or the connection broke"


@dataclass
class NodeResult:
    """How one node went.

    :param node: as ``node_facts`` gives it; None where there is no node.
    :param script: ``exit_status``, ``stdout`` and ``stderr``; None where no script ran.
    :param error: what failed, the script's own exit status aside.
    """

    name: str
    node: dict[str, Any] | None = None
    script: dict[str, Any] | None = None
    error: str | None = None
    destroyed: bool = False

    @property
    def exit_status(self) -> int:
        """The script's own; 1 where it has none, or where anything else failed."""
        return to_exit_status(self._status, failed=bool(self.error))

    @property
    def problem(self) -> str | None:
        """The error, if any, or that the script has no exit status."""
        return self.error or (NO_STATUS if is_without_status(self._status) else None)

    @property
    def _status(self) -> int | None:
        status: int | None = self.script["exit_status"] if self.script else 0
        return status


def is_without_status(status: int | None) -> bool:
    """Whether a script ended without an exit status of its own."""
    return status is None or status < 0


def to_exit_status(status: int | None, *, failed: bool = False) -> int:
    """The script's own; 1 where it has none, or where anything else failed."""
    if status is None or status < 0:
        return 1
    return status or int(failed)


def exit_status_of(results: Sequence[NodeResult]) -> int:
    """The highest of all."""
    return max((result.exit_status for result in results), default=0)


def show_results(
    group: str, results: Sequence[NodeResult], *, as_json: bool, of_script: bool, is_printed: bool = False
) -> None:
    """Print JSON, the output of each node's script with the node's name before each line, or the nodes as a table.

    :param is_printed: the scripts' output is printed already.
    """
    if as_json:
        print_json({"group": group, "nodes": [asdict(result) for result in results]})
    elif of_script:
        for result in results:
            _print_script(result, is_printed=is_printed)
    else:
        print_nodes([result.node for result in results if result.node is not None])
    for result in results:
        if not as_json and result.destroyed and not of_script:
            click.echo(f"node {result.name} destroyed", err=True)
        if result.problem:
            click.echo(f"error: {result.name}: {result.problem}", err=True)


def _print_script(result: NodeResult, *, is_printed: bool) -> None:
    if result.script and not is_printed:
        for text, err in ((result.script["stdout"], False), (result.script["stderr"], True)):
            for line in text.splitlines():
                click.echo(f"{result.name}: {line}", err=err)
    if result.node is not None:
        addresses = ", ".join([*result.node["public_ips"], *result.node["private_ips"]]) or "no address"
        ran = f"exit status {result.script['exit_status']}" if result.script else "no script ran"
        fate = "destroyed" if result.destroyed else "stays"
        click.echo(f"node {result.name} ({result.node['id']}) at {addresses}: {ran}, {fate}", err=True)
