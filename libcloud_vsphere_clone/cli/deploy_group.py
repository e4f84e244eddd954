"""Many nodes of one group deployed at once: an order in, a result for each node out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from ..errors import GroupError, VsphereError
from ..parallel import in_parallel
from .board import Board
from .error_messages import describe_error, notes_of
from .nodes import node_facts
from .order import Order, find_words
from .progress import Interrupts, interruptible
from .results import NodeResult
from .script import Script

if TYPE_CHECKING:
    from libcloud.compute.base import Node

    from ..driver.compute import VsphereCloneNodeDriver

DESTROYS = 8
"""Nodes that are destroyed at once."""


class DeployGroup:
    """An order for many nodes being carried out.

    :param max_in_flight: clones under way at once.
    """

    def __init__(
        self, driver: VsphereCloneNodeDriver, order: Order, count: int, max_in_flight: int, board: Board
    ) -> None:
        self._driver = driver
        self._order = order
        self._count = count
        self._max_in_flight = max_in_flight
        self._board = board
        self._names: set[str] = set()
        self._cloned: set[str] = set()
        self._made: dict[str, Node] = {}
        self._scripts: dict[str, Script] = {}
        self._deployed = False

    def run(self) -> list[NodeResult]:
        """A result for each node, by name.

        :raises VsphereError: no clone was begun.
        :raises click.exceptions.Exit: it was interrupted; it has been said what became of the nodes.
        """
        with interruptible(self._board) as interrupts:
            try:
                return self._run()
            except KeyboardInterrupt as interrupt:
                with suppress(KeyboardInterrupt):
                    self._undo(interrupt, interrupts)
                self._board.say(f"interrupted; {self._remains(interrupt, interrupts)}")
                raise click.exceptions.Exit(interrupts.exit_status) from interrupt

    def _run(self) -> list[NodeResult]:
        words = self._create_words()
        errors = self._deploy(words) if self._order.script is not None else self._create(words)
        self._deployed = True
        results = [self._result(name, errors.get(name)) for name in sorted({*self._made, *errors})]
        self._destroy_unwanted(results)
        return results

    def _create_words(self) -> dict[str, Any]:
        self._board.tell("looking for what the nodes are made of")
        words = find_words(self._driver, self._order)
        self._board.tell(f"cloning {self._order.image} to {self._count} nodes of group {self._order.group}")
        return {
            **words,
            "group": self._order.group,
            "count": self._count,
            "ex_max_in_flight": self._max_in_flight,
            "ex_on_progress": self._told_percent,
        }

    def _deploy(self, words: dict[str, Any]) -> Mapping[str, Exception]:
        """The error of each node that was not made, or whose script could not run."""
        script = Script(
            str(self._order.script),
            lambda node: self._board.node(node.name, "running the script"),
            lambda node, ran: self._ended(node, ran),
        )
        deploy = self._driver.ex_deploy_nodes_in_group
        how = {**self._order.deploy_words, "ex_on_stage": self._told_stage}
        return self._kept(lambda: deploy(deploy=script, **how, **words))

    def _create(self, words: dict[str, Any]) -> Mapping[str, Exception]:
        """The error of each node that was not made, or got no address."""
        create = self._driver.ex_create_nodes_in_group
        errors = self._kept(lambda: create(**self._order.login.create_words(), **words))
        if not self._made or not self._order.waits_for_addresses:
            return errors
        self._board.tell(f"waiting for the addresses of {len(self._made)} nodes")
        return {**errors, **self._wait()}

    def _kept(self, call: Callable[[], list[Node]]) -> Mapping[str, Exception]:
        """What a call of the driver reports as failed; the nodes that it made are kept."""
        try:
            nodes, errors = call(), dict[str, Exception]()
        except GroupError as partial:
            nodes, errors = partial.nodes, partial.errors
        self._made.update({node.name: node for node in nodes})
        return errors

    def _wait(self) -> Mapping[str, Exception]:
        """Waits for all addresses at once; an error for each node that has none."""
        try:
            found = self._driver.wait_until_running(list(self._made.values()), timeout=self._order.boot_timeout_s)
        except VsphereError as failure:
            fresh = {node.id: node for node in self._driver.list_nodes(ex_group=self._order.group)}
            self._made = {name: fresh.get(node.id, node) for name, node in self._made.items()}
            late = [node for node in self._made.values() if not (node.public_ips or node.private_ips)]
            return {node.name: self._no_address(node, failure) for node in late}
        self._made.update({node.name: node for node, _ in found})
        return {}

    def _no_address(self, node: Node, failure: VsphereError) -> VsphereError:
        """The wait's error is about all nodes that are late; this is about one."""
        if not isinstance(failure, TimeoutError):
            return VsphereError(f"no address, and it is not waited for any more: {failure.marked}")
        tools = node.extra.get("tools") or "unknown"
        return VsphereError(
            f"no address within {self._order.boot_timeout_s:g} s; it is {node.state}, its tools are {tools}"
        )

    def _told_percent(self, name: str, done: int) -> None:
        self._names.add(name)
        if done < 100:
            self._board.percent_of(name, done)
        else:
            self._cloned.add(name)
            self._board.end(name, "cloned")

    def _told_stage(self, node: Node, what: str) -> None:
        self._made[node.name] = node
        if self._cloned and self._cloned <= self._made.keys():
            self._cloned = set()
            self._board.tell(f"running the script on the nodes of group {self._order.group}")
        self._board.node(node.name, what)

    def _ended(self, node: Node, script: Script) -> None:
        self._scripts[node.name] = script
        how = "the script could not run" if script.failure else f"exit status {script.exit_status}"
        self._board.end(node.name, how)

    def _result(self, name: str, failure: Exception | None) -> NodeResult:
        node, script = self._made.get(name), self._scripts.get(name)
        facts = node_facts(node) if node is not None else None
        if facts is not None:
            facts.pop("deployment", None)  # it is in ``script``
        result = NodeResult(name, facts, script.facts if script and not script.failure else None)
        if failure is not None:
            notes = notes_of(failure)  # the driver's, where it could not remove the node
            result.error = _reason(failure, script)
            wanted = self._order.destroy_on_failure or self._order.destroy_after
            result.destroyed = bool(facts and self._order.script is not None and wanted and not notes)
        return result

    def _destroy_unwanted(self, results: Iterable[NodeResult]) -> None:
        there = [result for result in results if result.node is not None and not result.destroyed]
        failed_too = self._order.destroy_on_failure
        unwanted = [r for r in there if self._order.destroy_after or (failed_too and r.exit_status)]
        failures = self._destroy([self._made[result.name] for result in unwanted])
        for result in unwanted:
            failure = failures.get(result.name)
            result.destroyed = failure is None
            if failure is not None:
                result.error = "; ".join([*([result.error] if result.error else []), f"it remains: {failure}"])

    def _destroy(self, nodes: Iterable[Node]) -> dict[str, str]:
        """Destroys the nodes, several at once; why, for each that remains."""
        nodes = list(nodes)
        if not nodes:
            return {}
        self._board.tell(f"destroying {len(nodes)} nodes")
        failures = in_parallel(self._destroy_one, nodes, threads=DESTROYS, name="destroy")
        return {node.name: failure for node, failure in zip(nodes, failures, strict=True) if failure is not None}

    def _destroy_one(self, node: Node) -> str | None:
        try:
            self._driver.destroy_node(node)
        except VsphereError as failure:
            return describe_error(failure)
        return None

    def _undo(self, interrupt: BaseException, interrupts: Interrupts) -> None:
        """Destroys what the driver has not: nodes that were finished when the interrupt came."""
        if interrupts.count > 1 or self._deployed:
            return
        try:
            listed = self._driver.list_nodes(ex_group=self._order.group)
        except VsphereError as failure:
            interrupt.add_note(f"nodes of group {self._order.group} may remain: {describe_error(failure)}")
            return
        left = {node.name: node for node in listed if node.name in self._names}
        self._made.update(left)
        for name, failed in self._destroy(left.values()).items():
            interrupt.add_note(f"node {name!r} ({left[name].id}) remains: {failed}")

    def _remains(self, interrupt: BaseException, interrupts: Interrupts) -> str:
        """What an interrupt left behind."""
        group, notes = self._order.group, list(dict.fromkeys(notes_of(interrupt)))
        if interrupts.count > 1 or self._deployed:
            return "; ".join([*notes, f"nodes may remain: see vsphere-clone nodes --group {group}"])
        if notes:
            return "; ".join(notes)
        if self._made:
            return f"the {len(self._made)} nodes that were made are destroyed"
        return f"nothing is left of the {self._count} nodes"


def _reason(failure: Exception, script: Script | None) -> str:
    """Why a node failed, in one line: Libcloud's own errors are dumps of objects and tracebacks."""
    reason = script.failure if script and script.failure else getattr(failure, "original_error", failure)
    notes = notes_of(failure) if reason is not failure else []
    return "; ".join([describe_error(reason), *notes])
