"""Deployments and scripts on many nodes at once: nodes in, results or errors by node out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from libcloud.compute.base import Node
from libcloud.compute.deployment import Deployment, ScriptDeployment
from libcloud.compute.types import DeploymentError

from ..errors import InvalidRequestError
from ..parallel import as_they_come, in_parallel
from ..sessions.streaming import HeardSession
from ..sessions.transports import Target
from .one_node import Deployer, remains

if TYPE_CHECKING:
    from ..model.vm import Found

SESSIONS = 16
"""Sessions at once: a deployment mostly waits for its guest."""


@dataclass(frozen=True)
class ScriptResult:
    """How a script went on one node; ``error`` is what kept it from running to its end."""

    node: Node
    exit_status: int | None = None
    stdout: str = ""
    stderr: str = ""
    error: Exception | None = None


Hear = Callable[[Node, bytes, bool], None]
"""Called with a node, what its script wrote just now, and whether that was to stderr; from several threads."""


def copy_deployment(deploy: Deployment) -> Deployment:
    """A copy for one node: a deployment keeps what it printed.

    :raises InvalidRequestError: it cannot be copied.
    """
    try:
        return copy.deepcopy(deploy)
    except Exception as cause:
        raise InvalidRequestError(f"deploy must be something that can be copied for each node: {cause}") from cause


def deploy_all(deployer: Deployer, nodes: Sequence[Node]) -> tuple[list[Node], dict[str, Exception]]:
    """The nodes that were deployed, each with a copy of the deployment; and a DeploymentError for each other's name.

    All are waited for at once, and each is begun as soon as it can be reached. An interrupt destroys them all.
    """

    def run(one: tuple[Node, Target | Exception]) -> Node | DeploymentError:
        own = replace(deployer, deploy=copy_deployment(deployer.deploy))
        try:
            deployed = own.deploy_to(*one)
        except Exception as failure:
            return deployer.failed(one[0], failure)
        deployed.extra["deployment"] = _script_output(own.deploy)
        return deployed

    try:
        outcomes = as_they_come(run, deployer.opener.reach(nodes, new=True), threads=SESSIONS, name="deploy")
    except BaseException as interrupt:
        _destroy_all(deployer, nodes, interrupt)
        raise
    failed: dict[str, Exception] = {e.node.name: e for e in outcomes if isinstance(e, DeploymentError)}
    done = {node.id: node for node in outcomes if isinstance(node, Node)}
    return [done[node.id] for node in nodes if node.id in done], failed


def run_on_all(deployer: Deployer, nodes: Sequence[Node], found: Found, hear: Hear | None = None) -> list[ScriptResult]:
    """How the deployer's script went on each node; it is not run twice, and not left in the guest.

    :param found: the nodes as they were read just now, with ``REACH_PATHS``.
    """

    def run(one: tuple[Node, Target | Exception]) -> ScriptResult:
        script = copy_deployment(deployer.deploy)
        own = _Heard(script, hear) if hear is not None and isinstance(script, ScriptDeployment) else script
        try:
            replace(deployer, deploy=own).deploy_to(*one)
        except Exception as failure:
            return ScriptResult(one[0], error=failure)
        return ScriptResult(one[0], **_script_output(script) or {})

    return as_they_come(run, deployer.opener.reach(nodes, found), threads=SESSIONS, name="script")


class _Heard(ScriptDeployment):
    """Runs a script whose output somebody hears as it comes; how it went is kept by the script."""

    def __init__(self, script: ScriptDeployment, hear: Hear) -> None:
        super().__init__(script.script)
        self._script, self._hear = script, hear

    def run(self, node: Node, client: Any) -> Node:
        heard: Any = HeardSession(client, partial(self._hear, node))
        return self._script.run(node, heard)


def _destroy_all(deployer: Deployer, nodes: Sequence[Node], interrupt: BaseException) -> None:
    """Remove the nodes, several at once; a second interrupt ends that, and is told what remains."""
    left = {node.id: node for node in nodes}

    def destroy(node: Node) -> None:
        deployer.destroy(node, interrupt)
        left.pop(node.id)

    try:
        in_parallel(destroy, nodes, threads=SESSIONS, name="destroy")
    except BaseException as second:
        for node in list(left.values()):
            second.add_note(f"{remains(node)}, perhaps")
        raise


def _script_output(deploy: Deployment) -> dict[str, Any] | None:
    """What a script step printed, as JSON; None for steps that print nothing."""
    if not isinstance(deploy, ScriptDeployment):
        return None
    return {"exit_status": deploy.exit_status, "stdout": deploy.stdout or "", "stderr": deploy.stderr or ""}
