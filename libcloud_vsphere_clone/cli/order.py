"""One ``deploy``: an order and a driver in, the node and what its script said out; or the node removed again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
from libcloud.common.types import LibcloudError

from ..errors import AmbiguousNameError, NotFoundError, VsphereError
from ..guest.keys import load_private_key, public_half
from ..inventory.sizes import build_sizes, find_size
from .group import notes_of
from .nodes import is_id
from .output import describe_error
from .progress import Interrupts, Narrator, interruptible
from .script import Script

if TYPE_CHECKING:
    from libcloud.compute.base import Node, NodeImage, NodeLocation, NodeSize

    from ..compute import VsphereCloneNodeDriver


@dataclass(frozen=True)
class Order:
    """What is to be deployed.

    :param create_words: ``create_node``'s own ``ex_`` words.
    :param script: None only makes the node.
    :param wait: whether to wait for its address, without a script.
    :param boot_timeout_s: seconds to get an address, and again to let us log in.
    :param destroy_on_failure: also when the script's exit status is not 0.
    """

    name: str
    image: str
    size: str | None = None
    location: str | None = None
    create_words: dict[str, Any] = field(default_factory=dict, repr=False)
    script: str | None = field(default=None, repr=False)
    ssh_username: str = "root"
    ssh_key: str | None = None
    ssh_key_password: str | None = field(default=None, repr=False)
    ssh_password: str | None = field(default=None, repr=False)
    wait: bool = True
    boot_timeout_s: float = 300
    destroy_on_failure: bool = False
    destroy_after: bool = False


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
        status = self.script.exit_status if self.script else 0
        if status is None or status < 0 or (self.error and status == 0):
            return 1
        return status


class Deploy:
    """An order being carried out."""

    def __init__(self, driver: VsphereCloneNodeDriver, order: Order, narrator: Narrator) -> None:
        self._driver = driver
        self._order = order
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
        wait = self._driver.wait_until_running
        self._driver.wait_until_running = self._telling(wait)  # type: ignore[method-assign]
        try:
            node = self._deploy(words) if self._order.script is not None else self._create(words)
        finally:
            self._driver.wait_until_running = wait  # type: ignore[method-assign]
        self._deployed = True
        outcome = Outcome(node, self._script)
        failed = outcome.exit_status != 0
        if self._order.destroy_after or (failed and self._order.destroy_on_failure):
            self._destroy(outcome)
        return outcome

    def _create_words(self) -> dict[str, Any]:
        """``create_node``'s parameters, all but ``auth``."""
        self._narrator.tell("looking for what the node is made of")
        order = self._order
        words = {
            "name": order.name,
            "size": _find_size(self._driver, order.size),
            "image": _find_image(self._driver, order.image),
            "location": _find_location(self._driver, order.location),
            "ex_on_progress": self._narrator.percent,
            **order.create_words,
        }
        self._narrator.tell(f"cloning {order.image} to {order.name}")
        return words

    def _deploy(self, words: dict[str, Any]) -> Node:
        order = self._order
        self._script = Script(str(order.script), lambda: self._narrator.tell("running the script"))
        return self._driver.deploy_node(
            self._script,
            ssh_username=order.ssh_username,
            ssh_key=order.ssh_key,
            ssh_key_password=order.ssh_key_password,
            auth=_build_password(order),
            timeout=order.boot_timeout_s,
            max_tries=1,  # what a script has done once it may not do twice
            ex_destroy_on_failure=order.destroy_on_failure or order.destroy_after,
            **words,
        )

    def _create(self, words: dict[str, Any]) -> Node:
        order = self._order
        auth = _build_password(order) or _build_public_key(order)
        node = self._made = self._driver.create_node(auth=auth, ex_username=order.ssh_username, **words)
        if not order.wait or not order.create_words.get("ex_power_on", True):
            return node
        try:
            [(node, _)] = self._driver.wait_until_running([node], timeout=order.boot_timeout_s)
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

    def _telling(self, wait: Callable[..., Any]) -> Callable[..., Any]:
        """The driver's wait, with its begin and end told: nothing else says when ``deploy_node`` comes to it."""

        def wait_until_running(nodes: list[Node], *args: Any, **kwargs: Any) -> Any:
            self._made = nodes[0]
            self._narrator.tell("waiting for its address")
            found = wait(nodes, *args, **kwargs)
            if self._order.script is not None:
                self._narrator.tell(f"logging in to {found[0][1][0]} as {self._order.ssh_username}")
            return found

        return wait_until_running

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
            which = f"node {self._order.name!r}" + (f" ({self._made.id})" if self._made else "")
            return f"{which} may remain: see vsphere-clone nodes"
        if self._made:
            return f"node {self._made.name!r} was destroyed"
        return f"nothing is left of node {self._order.name!r}"

    def _after_creation(self, failure: Any) -> str:
        """The line for a DeploymentError: its own text is a dump of objects."""
        reason = self._script.failure if self._script and self._script.failure else failure.original_error
        notes = notes_of(failure)  # the driver's, where it could not destroy the node
        destroyed = (self._order.destroy_on_failure or self._order.destroy_after) and not notes
        return "; ".join([_made_but(failure.node, describe_error(reason), destroyed), *notes])


def _made_but(node: Node, reason: str, destroyed: bool) -> str:
    fate = "it was destroyed" if destroyed else f"it stays; destroy it with: vsphere-clone destroy {node.id}"
    return f"node {node.name!r} was made, but: {reason}; {fate}"


def _find_image(driver: VsphereCloneNodeDriver, wanted: str) -> NodeImage:
    return driver.get_image(wanted.lower()) if is_id(wanted) else driver.ex_get_image_by_name(wanted)


def _find_size(driver: VsphereCloneNodeDriver, wanted: str | None) -> NodeSize | None:
    if wanted is None:
        return None
    known = find_size(build_sizes(None), wanted)
    return next(size for size in driver.list_sizes() if size.id == known.id)


def _find_location(driver: VsphereCloneNodeDriver, wanted: str | None) -> NodeLocation | None:
    """The one location of this name, path or id."""
    if wanted is None:
        return None
    known = driver.list_locations()
    match [place for place in known if wanted in (place.id, place.name, place.extra["path"])]:
        case [place]:
            return place
        case []:
            raise NotFoundError("location", wanted, f"there are: {', '.join(place.name for place in known)}")
        case several:
            raise AmbiguousNameError("location", wanted, [place.extra["path"] for place in several], "give its path")


def _build_password(order: Order) -> Any:
    from libcloud.compute.base import NodeAuthPassword

    return NodeAuthPassword(order.ssh_password) if order.ssh_password else None


def _build_public_key(order: Order) -> Any:
    """What lets the key's owner in; ``deploy_node`` does this for itself."""
    from libcloud.compute.base import NodeAuthSSHKey

    if order.ssh_key is None:
        return None
    return NodeAuthSSHKey(public_half(load_private_key(order.ssh_key, order.ssh_key_password)))
