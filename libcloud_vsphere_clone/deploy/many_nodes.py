"""Deployments and scripts on many nodes at once: nodes in, results or errors by node out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from libcloud.compute.base import Node
from libcloud.compute.deployment import Deployment, ScriptDeployment
from libcloud.compute.ssh import BaseSSHClient
from libcloud.compute.types import DeploymentError

from ..errors import InvalidRequestError, VsphereError
from ..option_names import expression
from ..parallel import as_they_come, in_parallel
from ..sessions.base import Target, Transport
from ..sessions.options import ReachOptions
from ..sessions.streaming import StreamingSession
from .nodes import NodeRows, remains
from .one_node import Deployer

__all__ = ["NodeListener", "ScriptResult", "check_login", "copy_deployment", "deploy_all", "run_on_all"]

SESSIONS = 16
"""Guest sessions at once: a deployment mostly waits for its guest."""


@dataclass(frozen=True)
class ScriptResult:
    """How a script went on one node; ``error`` is what kept it from running to its end."""

    node: Node
    exit_status: int | None = None
    stdout: str = ""
    stderr: str = ""
    error: Exception | None = None


NodeListener = Callable[[Node, bytes, bool], None]
"""Called with a node, what its script wrote just now, and whether that was to stderr; from several threads."""

Reached = tuple[Node, Target | VsphereError]


def copy_deployment(deploy: Deployment) -> Deployment:
    """A copy for one node: a deployment keeps what it printed.

    :raises InvalidRequestError: it cannot be copied.
    """
    try:
        return copy.deepcopy(deploy)
    except Exception as cause:
        raise InvalidRequestError(f"deploy must be something that can be copied for each node: {cause}") from cause


def check_login(options: ReachOptions) -> None:
    """Refuse to go into nodes that are there without anything to log in with, before they are read.

    :raises InvalidRequestError: neither the options nor the transport's settings have a login.
    """
    has_own_login = isinstance(options.transport, Transport) and options.transport.has_own_login
    if not options.login.key and options.login.auth is None and not has_own_login:
        key, password = expression("ssh_key="), expression("auth=NodeAuthPassword(...)")
        raise InvalidRequestError(f"running a script needs a way to log in: {key}, or {password}")


def deploy_all(deployer: Deployer, nodes: Sequence[Node]) -> tuple[list[Node], dict[str, Exception]]:
    """Deploy nodes that were made just now, each with a copy of the deployment.

    All are waited for at once, and each is begun as soon as it can be reached. An interrupt destroys them all.

    :returns: the nodes that were deployed, and ``{name: DeploymentError}`` of the others.
    """
    deploy_one = partial(_deploy_one, deployer)
    try:
        outcomes = as_they_come(deploy_one, deployer.reach_new(nodes), threads=SESSIONS, name="deploy")
    except BaseException as interrupt:
        _destroy_all(deployer, nodes, interrupt)
        raise
    failed: dict[str, Exception] = {e.node.name: e for e in outcomes if isinstance(e, DeploymentError)}
    done = {node.id: node for node in outcomes if isinstance(node, Node)}
    return [done[node.id] for node in nodes if node.id in done], failed


def _deploy_one(deployer: Deployer, reached: Reached) -> Node | DeploymentError:
    own = replace(deployer, deploy=copy_deployment(deployer.deploy))
    try:
        deployed = own.deploy_to(*reached)
    except Exception as failure:
        return deployer.failed(reached[0], failure)
    deployed.extra["deployment"] = _script_output(own.deploy)
    return deployed


def run_on_all(deployer: Deployer, known: NodeRows, listener: NodeListener | None = None) -> list[ScriptResult]:
    """Run the deployer's script on each node; it is not run twice, and not left in the guest."""
    run_one = partial(_run_one, deployer, listener)
    return as_they_come(run_one, deployer.reach_known(known), threads=SESSIONS, name="script")


def _run_one(deployer: Deployer, listener: NodeListener | None, reached: Reached) -> ScriptResult:
    script = copy_deployment(deployer.deploy)
    own = script
    if listener is not None and isinstance(script, ScriptDeployment):
        own = _StreamedScript(script, listener)
    try:
        replace(deployer, deploy=own).deploy_to(*reached)
    except Exception as failure:
        return ScriptResult(reached[0], error=failure)
    return ScriptResult(reached[0], **_script_output(script) or {})


class _StreamedScript(ScriptDeployment):
    """Runs a script whose output goes to a listener as it comes; how it went is kept by the script."""

    def __init__(self, script: ScriptDeployment, listener: NodeListener) -> None:
        super().__init__(script.script)
        self._script, self._listener = script, listener

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        streaming: Any = StreamingSession(client, partial(self._listener, node))
        return self._script.run(node, streaming)


def _destroy_all(deployer: Deployer, nodes: Sequence[Node], interrupt: BaseException) -> None:
    """Destroy the nodes, several at once; a second interrupt ends that, and is told what remains."""
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
