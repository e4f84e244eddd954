"""``deploy_node``'s steps: create, wait, log in, run. Libcloud's rules, without its waits and its lost passwords."""

from __future__ import annotations

import atexit
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from libcloud.compute.base import Node, NodeAuthPassword, NodeAuthSSHKey
from libcloud.compute.deployment import Deployment
from libcloud.compute.types import DeploymentError

from .errors import InvalidRequestError
from .guest.keys import find_private_keys, load_private_keys, public_half
from .guest.ready import connect_when_ready
from .guest.ssh import GuestSSHClient

DEPLOY_TIMEOUT_S = 300
"""Seconds for the node to run, and again for its sshd to let us in: Libcloud's default."""

PASSWORD_BYTES = 18
"""Random bytes in a generated password: 24 characters, out of reach of guessing even from its hash."""


@dataclass(frozen=True)
class Access:
    """How to log in to the node, and what the node is told for it.

    :param auth: what ``create_node`` is given; its ``generated`` says whether we made the password up.
    :param private_keys: paramiko keys, loaded before a VM exists.
    """

    auth: Any
    usernames: Sequence[str]
    port: int
    timeout_s: float
    private_keys: Sequence[Any] = field(default=(), repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def generated_password(self) -> str | None:
        """The password, if we made it up."""
        return self.password if getattr(self.auth, "generated", False) else None


def build_access(
    auth: Any, ssh_key: Any, ssh_key_password: str | None, usernames: Sequence[str], port: int, timeout_s: float
) -> Access:
    """How to log in, from ``deploy_node``'s parameters. Unusable keys are refused here, before a VM exists.

    :raises NotImplementedError: ``auth`` is of another type (Libcloud's own answer).
    :raises InvalidRequestError: a key cannot be used.
    """
    if auth and not isinstance(auth, NodeAuthSSHKey | NodeAuthPassword):
        raise NotImplementedError("If providing auth, only NodeAuthSSHKey or NodeAuthPassword is supported")
    keys = load_private_keys(ssh_key, ssh_key_password) if ssh_key else ()
    if not auth and keys:
        auth = NodeAuthSSHKey("\n".join(public_half(key) for key in keys))
    elif not auth:
        auth = NodeAuthPassword(secrets.token_urlsafe(PASSWORD_BYTES), generated=True)
    elif isinstance(auth, NodeAuthSSHKey) and not keys:
        keys = find_private_keys(auth.pubkey)
    password = auth.password if isinstance(auth, NodeAuthPassword) else None
    return Access(auth, usernames, port, timeout_s, keys, password)


def check_ssh_interface(ssh_interface: str) -> None:
    """:raises InvalidRequestError: it is neither of Libcloud's words."""
    if ssh_interface not in ("public_ips", "private_ips"):
        raise InvalidRequestError(f"ssh_interface must be public_ips or private_ips, got {ssh_interface!r}")


@dataclass(frozen=True)
class Deployer:
    """One ``deploy_node``.

    :param timeout_s: seconds for the node to run, and again for its sshd to let us in.
    """

    driver: Any
    deploy: Deployment
    access: Access
    timeout_s: float
    max_tries: int
    ssh_interface: str
    destroy_on_failure: bool

    def __post_init__(self) -> None:
        check_ssh_interface(self.ssh_interface)
        if not callable(getattr(self.deploy, "run", None)):
            raise InvalidRequestError(f"deploy must be a Deployment, such as ScriptDeployment; got {self.deploy!r}")

    def run(self, at_exit_func: Callable[..., Any] | None, create_node_kwargs: Mapping[str, Any]) -> Node:
        """The node, deployed.

        :raises DeploymentError: it was made, and something after that failed.
        """
        node = self.driver.create_node(auth=self.access.auth, **create_node_kwargs)
        if at_exit_func:
            atexit.register(at_exit_func, driver=self.driver, node=node)
        try:
            node = self.deploy_to(node)
        except Exception as failure:
            self._unregister(at_exit_func)
            error = DeploymentError(node=node, original_exception=failure, driver=self.driver)
            if self.destroy_on_failure:
                self.destroy(node, error)
            raise error from failure
        except BaseException as interrupt:
            if at_exit_func is None:  # else the caller has said what shall become of the node
                self.destroy(node, interrupt)
            raise
        self._unregister(at_exit_func)
        return node

    def deploy_to(self, node: Node) -> Node:
        """The node, once it runs, lets us in, and ``deploy`` has run in it."""
        self._tell_password(node)  # also of one whose deployment fails
        [(node, addresses)] = self.driver.wait_until_running(
            [node], timeout=self.timeout_s, ssh_interface=self.ssh_interface
        )
        self._tell_password(node)
        client = connect_when_ready(
            lambda username: self._client(addresses[0], username), self.access.usernames, deadline_s=self.timeout_s
        )
        try:
            self.driver._run_deployment_script(self.deploy, node, client, self.max_tries)
        finally:
            client.close()
        return node

    def _tell_password(self, node: Node) -> None:
        if self.access.generated_password:
            node.extra["password"] = self.access.generated_password

    def _client(self, address: str, username: str) -> GuestSSHClient:
        return GuestSSHClient(
            address,
            self.access.port,
            username,
            password=self.access.password,
            pkeys=self.access.private_keys,
            timeout=self.access.timeout_s,
        )

    def destroy(self, node: Node, cause: BaseException) -> None:
        """Remove the node; if that fails, the error says that it remains."""
        try:
            self.driver.destroy_node(node)
        except Exception as failure:
            cause.add_note(f"{remains(node)}: {failure}")

    @staticmethod
    def _unregister(at_exit_func: Callable[..., Any] | None) -> None:
        if at_exit_func:
            atexit.unregister(at_exit_func)


def remains(node: Node) -> str:
    """What to say of a node that should be gone."""
    return f"node {node.name!r} ({node.id}) remains"
