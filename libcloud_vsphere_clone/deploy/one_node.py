"""``deploy_node``'s steps: create, wait, open a session, run; without Libcloud's waits and lost passwords."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from libcloud.compute.base import Node, NodeImage
from libcloud.compute.deployment import Deployment, ScriptDeployment
from libcloud.compute.ssh import BaseSSHClient
from libcloud.compute.types import DeploymentError

from ..errors import InvalidRequestError
from ..guest.wait import Wait, build_wait
from ..model.checks import to_seconds
from ..model.timeouts import DEPLOY_TIMEOUT_S
from ..sessions.access import Access, LoginOptions, build_access
from ..sessions.transports import Target, Transport, find_transport, suitable_transport
from .cloud_init import wait_cloud_init

if TYPE_CHECKING:
    from ..model.vm import Found
    from ..vcenter.rows import Row

Stage = Callable[[Node, str], None]
"""Called with a node and what is being done with it now, in words."""


class ReachOptions(LoginOptions, total=False):
    """How a guest is reached and let in to, shared by all verbs that do; ``deploy_node`` says what each means."""

    timeout: float
    ssh_interface: str
    ex_transport: str | Transport | None
    ex_wait_for: str | None
    ex_address_filter: str | Sequence[str] | None
    ex_on_stage: Stage | None


class DeployOptions(ReachOptions, total=False):
    """``deploy_node``'s own words, but the deployment and what the node is made of."""

    max_tries: int
    ex_destroy_on_failure: bool


@dataclass(frozen=True)
class SessionOpener:
    """How sessions into nodes are opened.

    :param driver: knows ``_reach``, and ``_ssh_client_connect``.
    :param transport: prepared; None lets each node's own facts choose.
    :param wait: what is awaited of each node, and which of its addresses will do.
    :param timeout_s: seconds for a node to run, and again for its guest to let us in.
    """

    driver: Any
    access: Access
    transport: Transport | None
    wait: Wait
    timeout_s: float
    on_stage: Stage | None
    deploy: Deployment | None = None

    def choose(self, row: Row, *, new: bool) -> Transport:
        """What gets into this node, which was read with ``SESSION_PATHS``.

        :raises InvalidRequestError: it cannot log in with what there is, or not carry the deployment.
        """
        if self.transport is not None:
            return self.transport
        transport = suitable_transport(row).prepared(self.deploy, self.access, new=new)
        check_wait(transport, self.wait)
        return transport

    def reach(
        self, nodes: Sequence[Node], found: Found | None = None, *, new: bool = False
    ) -> Iterator[tuple[Node, Target | Exception]]:
        """Each node, fresh, as soon as a session into it can be opened, or why that will not be.

        :param found: the nodes as they were read just now, with ``REACH_PATHS``; else they are read.
        :param new: they were made just now.
        """
        if not nodes:
            return
        for node in nodes:
            self.tell_password(node)  # also of one that is never reached
            self.tell(node, "waiting for its address" if self._needs_address else "waiting for its guest")
        choose = partial(self.choose, new=new)
        yield from self.driver._reach(nodes, found, choose, self.wait, timeout_s=self.timeout_s, new=new)

    def open(self, node: Node, target: Target | Exception) -> BaseSSHClient:
        """The session, connected.

        :raises VsphereError: the node could not be reached, or its guest did not let us in.
        """
        if isinstance(target, Exception):
            raise target
        self.tell_password(node)
        access = self.access.as_user(target.username)
        client = target.transport.open(
            target, access, timeout_s=self.timeout_s, tell=lambda what: self.tell(node, what)
        )
        if self.wait.wait_for == "customized" and node.extra.get("customization") == "cloud-init":
            self.tell(node, "waiting for cloud-init to end")
            with closing_on_error(client):
                wait_cloud_init(client, target.name, self.driver._ssh_client_connect, timeout_s=self.timeout_s)
        return client

    @property
    def _needs_address(self) -> bool:
        return self.transport is None or self.transport.awaited == "address"

    def tell(self, node: Node, what: str) -> None:
        """Say what is being done with the node, where somebody listens."""
        if self.on_stage is not None:
            self.on_stage(node, what)

    def tell_password(self, node: Node) -> None:
        """Put a password that was made up where the caller finds it."""
        if self.access.generated_password:
            node.extra["password"] = self.access.generated_password


@dataclass(frozen=True)
class Deployer:
    """One deployment, for one node or a copy of it for each of many.

    :param driver: knows ``create_node`` and ``destroy_node``.
    """

    driver: Any
    deploy: Deployment
    opener: SessionOpener
    max_tries: int = 3
    destroy_on_failure: bool = False

    def words_for_create(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What ``create_node`` is to be told: the caller's words, how to log in, and what the transport needs.

        :raises InvalidRequestError: the caller and the transport both want the same word, or the node would be off.
        """
        if not given.get("ex_power_on", True):
            raise InvalidRequestError("a deployment needs a node that runs; leave ex_power_on=False to create_node")
        access, transport = self.opener.access, self.opener.transport
        needed = transport.create_words() if transport is not None else {}
        twice = [word for word in needed if given.get(word) is not None]
        if transport is not None and twice:
            raise InvalidRequestError(
                f"the transport {transport.name!r} needs {', '.join(twice)} itself; make it a step of the deployment"
            )
        login = {"auth": access.auth, "ex_username": access.username if access.auth and access.is_named else None}
        return {**login, **given, **needed}

    def run(self, at_exit_func: Callable[..., Any] | None, create_node_kwargs: Mapping[str, Any]) -> Node:
        """The node, made and deployed.

        :raises DeploymentError: it was made, and something after that failed.
        """
        node = self.driver.create_node(**self.words_for_create(create_node_kwargs))
        if at_exit_func:
            atexit.register(at_exit_func, driver=self.driver, node=node)
        try:
            [reached] = self.opener.reach([node], new=True)
            node = self.deploy_to(*reached)
        except Exception as failure:
            self._unregister(at_exit_func)
            raise self.failed(node, failure) from failure
        except BaseException as interrupt:
            if at_exit_func is None:  # else the caller has said what shall become of the node
                self.destroy(node, interrupt)
            raise
        self._unregister(at_exit_func)
        return node

    def deploy_to(self, node: Node, target: Target | Exception) -> Node:
        """The node, once it has let us in, and ``deploy`` has run in it."""
        client = self.opener.open(node, target)
        try:
            what = "script" if isinstance(self.deploy, ScriptDeployment) else "deployment"
            self.opener.tell(node, f"running the {what}")
            repeatable = isinstance(target, Target) and target.transport.repeatable
            self.driver._run_deployment_script(self.deploy, node, client, self.max_tries if repeatable else 1)
        finally:
            client.close()
        return node

    def failed(self, node: Node, failure: Exception) -> DeploymentError:
        """The error of a node whose deployment failed; the node is destroyed, if that was asked for."""
        error = DeploymentError(node=node, original_exception=failure, driver=self.driver)
        error.__cause__ = failure
        if self.destroy_on_failure:
            self.destroy(node, error)
        return error

    def destroy(self, node: Node, cause: BaseException) -> None:
        """Remove the node; if that fails, the error says that it remains."""
        try:
            self.driver.destroy_node(node)
        except Exception as failure:
            cause.add_note(f"{remains(node)}: {failure}")
        except BaseException as second:
            second.add_note(f"{remains(node)}, perhaps")
            raise

    @staticmethod
    def _unregister(at_exit_func: Callable[..., Any] | None) -> None:
        if at_exit_func:
            atexit.unregister(at_exit_func)


def build_deployer(
    driver: Any, deploy: Deployment, image: NodeImage | None = None, **words: Unpack[DeployOptions]
) -> Deployer:
    """The deployer that the words mean, with everything checked that can be before anything is sent.

    :param image: what its nodes are still to be made of; None where they are there.
    :raises InvalidRequestError: a word is wrong, or the transport cannot carry the deployment.
    """
    if not callable(getattr(deploy, "run", None)):
        raise InvalidRequestError(f"deploy must be a Deployment, such as ScriptDeployment; got {deploy!r}")
    max_tries = words.get("max_tries", 3)
    if not isinstance(max_tries, int) or max_tries < 1:
        raise InvalidRequestError(f"max_tries must be a positive whole number, got {max_tries!r}")
    how: Any = {word: words[word] for word in ReachOptions.__annotations__ if word in words}  # type: ignore[literal-required]
    return Deployer(
        driver,
        deploy,
        build_opener(driver, deploy, image, **how),
        max_tries,
        words.get("ex_destroy_on_failure", False),
    )


def build_opener(
    driver: Any, deploy: Deployment | None = None, image: NodeImage | None = None, **words: Unpack[ReachOptions]
) -> SessionOpener:
    """The opener that the words mean.

    :param deploy: what the sessions are for, if that is known.
    :param image: as for ``build_deployer``.
    :raises InvalidRequestError: a word is wrong, or the transport cannot carry the deployment.
    """
    new = image is not None
    marked: Mapping[str, Any] = getattr(image, "extra", None) or {}
    wanted = words.get("ex_transport") or marked.get("transport")
    transport = find_transport(wanted) if wanted else None
    default = transport.username if transport is not None else None
    access = build_access(
        words, marked.get("login"), default, generate=new and (transport is None or transport.logs_in)
    )
    wait = build_wait(
        words.get("ex_wait_for") or "address",
        ssh_interface=words.get("ssh_interface", "public_ips"),
        only_ipv4=False,  # IPv4 comes first, but a node that has none can be reached as well
        address_filter=words.get("ex_address_filter"),
    )
    if transport is not None:
        check_wait(transport, wait)
    return SessionOpener(
        driver,
        access,
        transport and transport.prepared(deploy, access, new=new),
        wait,
        to_seconds("timeout", words.get("timeout") or DEPLOY_TIMEOUT_S),
        words.get("ex_on_stage"),
        deploy,
    )


def check_wait(transport: Transport, wait: Wait) -> None:
    """:raises InvalidRequestError: over this transport nobody can be asked what is to be waited for."""
    if wait.wait_for == "customized" and transport.awaited is None:
        raise InvalidRequestError(
            f"the transport {transport.name!r} cannot ask a guest how far it is, so ex_wait_for='customized' does not "
            "go with it: use 'ssh' or 'tools', or wait first, with wait_until_running(nodes, ex_wait_for='customized')"
        )


@contextmanager
def closing_on_error(client: BaseSSHClient) -> Iterator[None]:
    """The session is closed if the block fails."""
    try:
        yield
    except BaseException:
        client.close()
        raise


def remains(node: Node) -> str:
    """What to say of a node that should be gone."""
    return f"node {node.name!r} ({node.id}) remains"
