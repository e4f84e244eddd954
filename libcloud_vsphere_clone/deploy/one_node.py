"""A deployment on one new node, step by step: wait, open a guest session, run; destroy the node where that is asked."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from libcloud.compute.base import Node
from libcloud.compute.deployment import Deployment, ScriptDeployment
from libcloud.compute.types import DeploymentError

from ..errors import InvalidRequestError, NotFoundError, VsphereError
from ..model.checks import check_count
from ..model.defaults import MAX_TRIES
from ..sessions.access import Access
from ..sessions.base import Target
from ..sessions.opener import ImageFacts, SessionOpener, build_opener
from ..sessions.options import ReachOptions, Stage
from .attempts import run_deployment
from .nodes import NodeDestroyer, NodeReader, NodeRows, remains

if TYPE_CHECKING:
    from ..vcenter.session import Session

__all__ = ["AtExit", "DeployOptions", "Deployer", "build_deployer"]

AtExit = Callable[..., object]
"""Called with ``driver`` and ``node`` when the program ends while the node is being deployed."""


@dataclass(frozen=True)
class DeployOptions:
    """How a deployment is run.

    :param max_tries: how often it may be run, where its transport allows more than once.
    :param destroy_on_failure: destroy the node when anything after its creation fails.
    """

    reach: ReachOptions = field(default_factory=ReachOptions)
    max_tries: int = MAX_TRIES
    destroy_on_failure: bool = False


@dataclass(frozen=True)
class Deployer:
    """One deployment, for one node or a copy of it for each of many.

    :param driver: what destroys nodes.
    :param read_nodes: what reads nodes that were made.
    """

    driver: NodeDestroyer
    read_nodes: NodeReader
    deploy: Deployment
    opener: SessionOpener
    on_stage: Stage | None = None
    max_tries: int = MAX_TRIES
    destroy_on_failure: bool = False

    @property
    def access(self) -> Access:
        """How to log in to the nodes."""
        return self.opener.access

    def run(self, node: Node, at_exit: AtExit | None = None) -> Node:
        """Deploy a node that was made just now.

        :param at_exit: what becomes of the node if the program ends meanwhile; without it, an interrupt destroys it.
        :raises DeploymentError: it failed; the node is there, unless it was to be destroyed.
        """
        with _registered(at_exit, node):
            try:
                [reached] = self.reach_new([node])
                return self.deploy_to(*reached)
            except Exception as failure:
                raise self.failed(node, failure) from failure
            except BaseException as interrupt:
                if at_exit is None:
                    self.destroy(node, interrupt)
                raise

    def reach_new(self, nodes: Sequence[Node]) -> Iterator[tuple[Node, Target | VsphereError]]:
        """Yield each of the nodes that were made just now, fresh, as soon as it can be reached, or cannot ever."""
        if nodes:
            self._announce(nodes)
            yield from self._reach(self.read_nodes(nodes), new=True)

    def reach_known(self, known: NodeRows) -> Iterator[tuple[Node, Target | VsphereError]]:
        """Yield each of the nodes that are there, likewise."""
        if known.nodes:
            self._announce(known.nodes.values())
            yield from self._reach(known, new=False)

    def deploy_to(self, node: Node, target: Target | VsphereError) -> Node:
        """Open a guest session and run the deployment in it; the node itself.

        :raises Exception: what kept it from being reached or deployed.
        """
        if isinstance(target, VsphereError):
            raise target
        self._put_password(node)
        client = self.opener.open(target, lambda what: self._tell(node, what))
        try:
            what = "script" if isinstance(self.deploy, ScriptDeployment) else "deployment"
            self._tell(node, f"running the {what}")
            tries = self.max_tries if target.transport.repeatable else 1
            run_deployment(self.deploy, node, client, max_tries=tries)
        finally:
            client.close()
        return node

    def failed(self, node: Node, failure: Exception) -> DeploymentError:
        """Destroy the node, if that was asked for; the error of its deployment."""
        error = DeploymentError(node=node, original_exception=failure, driver=node.driver)
        error.__cause__ = failure
        if self.destroy_on_failure:
            self.destroy(node, error)
        return error

    def destroy(self, node: Node, cause: BaseException) -> None:
        """Destroy the node; if that fails, ``cause`` says that it remains."""
        try:
            self.driver.destroy_node(node)
        except Exception as failure:
            cause.add_note(f"{remains(node)}: {failure}")
        except BaseException as second:
            second.add_note(f"{remains(node)}, perhaps")
            raise

    def _reach(self, known: NodeRows, *, new: bool) -> Iterator[tuple[Node, Target | VsphereError]]:
        rows = {row.ref: row for row in known.rows if row.ref in known.nodes}
        for ref, node in known.nodes.items():
            if ref not in rows:
                yield node, NotFoundError("node", node.name, "it was removed")
        for row, target in self.opener.reach(rows.values(), new=new):
            is_reached = isinstance(target, Target)
            yield (known.to_node(row) if is_reached else known.nodes[row.ref]), target

    def _announce(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            self._put_password(node)  # also into one that is never reached
            self._tell(node, self.opener.first_stage)

    def _tell(self, node: Node, what: str) -> None:
        if self.on_stage is not None:
            self.on_stage(node, what)

    def _put_password(self, node: Node) -> None:
        """Put a password that was made up where the caller finds it."""
        if self.access.generated_password:
            node.extra["password"] = self.access.generated_password


def build_deployer(
    driver: NodeDestroyer,
    read_nodes: NodeReader,
    session: Session,
    deploy: Deployment,
    options: DeployOptions,
    image: ImageFacts | None = None,
) -> Deployer:
    """The deployer that the options ask for, with everything checked that can be before anything is sent.

    :param session: to vCenter.
    :param image: of the nodes that are still to be made; None where they are there.
    :raises InvalidRequestError: an option is wrong, or the transport cannot carry the deployment.
    """
    if not callable(getattr(deploy, "run", None)):
        raise InvalidRequestError(f"deploy must be a Deployment, such as ScriptDeployment; got {deploy!r}")
    max_tries = check_count("max_tries", options.max_tries)
    opener = build_opener(session, options.reach, deploy, image)
    return Deployer(driver, read_nodes, deploy, opener, options.reach.on_stage, max_tries, options.destroy_on_failure)


@contextmanager
def _registered(at_exit: AtExit | None, node: Node) -> Iterator[None]:
    """``at_exit`` is called if the program ends in the block, also after an interrupt."""
    if at_exit:
        atexit.register(at_exit, driver=node.driver, node=node)
    try:
        yield
    except Exception:
        _unregister(at_exit)
        raise
    _unregister(at_exit)


def _unregister(at_exit: AtExit | None) -> None:
    if at_exit:
        atexit.unregister(at_exit)
