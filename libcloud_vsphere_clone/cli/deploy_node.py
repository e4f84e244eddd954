"""One node deployed: an order in, the node and what its script said out; or the node removed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from libcloud.common.types import LibcloudError

from ..errors import VsphereError
from .error_messages import describe_error, notes_of
from .nodes import node_facts, print_nodes
from .order import Order, find_words
from .output import print_json
from .progress import Interrupts, Narrator, interruptible
from .results import NO_STATUS, is_without_status, to_exit_status
from .script import Script

if TYPE_CHECKING:
    from libcloud.compute.base import Node

    from ..driver.compute import VsphereCloneNodeDriver


@dataclass
class Outcome:
    """What came of an order: ``error`` says why its node could not be destroyed."""

    node: Node
    script: Script | None = None
    destroyed: bool = False
    error: str | None = None

    @property
    def exit_status(self) -> int:
        """The script's own; 1 where it has none, or where a node stays that should not."""
        return to_exit_status(self.script.exit_status if self.script else 0, failed=bool(self.error))


class Deploy:
    """An order for one node being carried out."""

    def __init__(self, driver: VsphereCloneNodeDriver, order: Order, name: str, narrator: Narrator) -> None:
        self._driver = driver
        self._order = order
        self._name = name
        self._narrator = narrator
        self._made: Node | None = None
        self._deployed = False
        self._script: Script | None = None

    def run(self) -> Outcome:
        """The outcome.

        :raises VsphereError: the node was not made, or could not be logged in to.
        :raises click.exceptions.Exit: it was interrupted; it has been said what became of the node.
        """
        with interruptible(self._narrator) as interrupts:
            try:
                return self._run()
            except KeyboardInterrupt as interrupt:
                self._narrator.say(f"interrupted; {self._remains(interrupt, interrupts)}")
                raise click.exceptions.Exit(interrupts.exit_status) from interrupt
            except LibcloudError as failure:
                if not hasattr(failure, "node"):
                    raise
                raise VsphereError(self._after_creation(failure)) from failure

    def _run(self) -> Outcome:
        words = self._create_words()
        node = self._deploy(words) if self._order.script is not None else self._create(words)
        self._deployed = True
        outcome = Outcome(node, self._script)
        failed = outcome.exit_status != 0
        if self._order.destroy_after or (failed and self._order.destroy_on_failure):
            self._destroy(outcome)
        return outcome

    def _create_words(self) -> dict[str, Any]:
        """``create_node``'s parameters, all but ``auth``."""
        self._narrator.tell("looking for what the node is made of")
        words = find_words(self._driver, self._order)
        location = next(iter(words["location"]), None)
        self._narrator.tell(f"cloning {self._order.image} to {self._name}")
        same = {"name": self._name, "ex_group": self._order.group, "ex_on_progress": self._narrator.percent}
        return {**words, **same, "location": location}

    def _deploy(self, words: dict[str, Any]) -> Node:
        self._script = Script(str(self._order.script), lambda _: self._narrator.tell("running the script"))
        how = {**self._order.deploy_words, "ex_on_stage": self._told_stage}
        return self._driver.deploy_node(self._script, **how, **words)

    def _create(self, words: dict[str, Any]) -> Node:
        order = self._order
        node = self._made = self._driver.create_node(**order.login.create_words(), **words)
        if not order.waits_for_addresses:
            return node
        try:
            wait_for = order.wait_for or "address"
            self._narrator.tell(
                "waiting for its address" if wait_for == "address" else f"waiting until it is {wait_for}"
            )
            [(node, _)] = self._driver.wait_until_running([node], timeout=order.boot_timeout_s, ex_wait_for=wait_for)
        except VsphereError as failure:
            outcome = Outcome(node)
            if order.destroy_on_failure or order.destroy_after:
                self._destroy(outcome)
            raise VsphereError(_made_but(node, describe_error(failure), outcome.destroyed)) from failure
        except KeyboardInterrupt as interrupt:
            outcome = Outcome(node)
            self._destroy(outcome)
            if outcome.error:
                interrupt.add_note(outcome.error)
            raise
        return node

    def _told_stage(self, node: Node, what: str) -> None:
        self._made = node
        self._narrator.tell(what)

    def _destroy(self, outcome: Outcome) -> None:
        self._narrator.tell(f"destroying {outcome.node.name}")
        try:
            outcome.destroyed = self._driver.destroy_node(outcome.node)
        except VsphereError as failure:
            outcome.error = f"node {outcome.node.name!r} ({outcome.node.id}) remains: {describe_error(failure)}"

    def _remains(self, interrupt: BaseException, interrupts: Interrupts) -> str:
        """What an interrupt left behind."""
        if notes := notes_of(interrupt):
            return "; ".join(notes)
        if interrupts.count > 1 or (self._made and self._deployed):
            which = f"node {self._name!r}" + (f" ({self._made.id})" if self._made else "")
            return f"{which} may remain: see vsphere-clone nodes"
        if self._made:
            return f"node {self._made.name!r} was destroyed"
        return f"nothing is left of node {self._name!r}"

    def _after_creation(self, failure: Any) -> str:
        """The line for a DeploymentError: its own text is a dump of objects."""
        reason = self._script.failure if self._script and self._script.failure else failure.original_error
        notes = notes_of(failure)  # the driver's, where it could not destroy the node
        destroyed = (self._order.destroy_on_failure or self._order.destroy_after) and not notes
        return "; ".join([_made_but(failure.node, describe_error(reason), destroyed), *notes])


def show(outcome: Outcome, *, as_json: bool) -> None:
    """Print the outcome: JSON, or the script's output as it is, or the node as a table."""
    script, facts = outcome.script, node_facts(outcome.node)
    if as_json:
        print_json({"node": facts, "script": script.facts if script else None, "destroyed": outcome.destroyed})
    elif script:
        click.echo(script.stdout, nl=False)
        click.echo(script.stderr, nl=False, err=True)
        addresses = ", ".join([*facts["public_ips"], *facts["private_ips"]])
        fate = "destroyed" if outcome.destroyed else "stays"
        click.echo(f"node {facts['name']} ({facts['id']}) at {addresses} {fate}", err=True)
    else:
        print_nodes([facts])
        if outcome.destroyed:
            click.echo(f"node {facts['name']} ({facts['id']}) destroyed", err=True)
    if script and is_without_status(script.exit_status):
        click.echo(f"error: {NO_STATUS}", err=True)
    if outcome.error:
        click.echo(f"error: {outcome.error}", err=True)


def _made_but(node: Node, reason: str, destroyed: bool) -> str:
    fate = "it was destroyed" if destroyed else f"it stays; destroy it with: vsphere-clone destroy {node.id}"
    return f"node {node.name!r} was made, but: {reason}; {fate}"
