"""``DeployVerbs``: what goes into guests: waits for them, guest sessions, deployments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from libcloud.compute.base import Node
from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient

from ..deploy.one_node import DeployOptions
from ..guest.readiness import wait_running
from ..guest.wait import build_wait, expected_of
from ..inventory import nodes as inventory
from ..model.defaults import MAX_TRIES, REACH_TIMEOUT_S
from ..model.login import DEFAULT_USER
from ..model.vm import check_writable
from ..sessions.base import Transport
from ..sessions.opener import build_opener
from ..sessions.options import LoginOptions, ReachOptions, Stage
from ..sessions.reach import REACH_PATHS
from .base import BaseVerbs
from .options import moid_of
from .session_options import ReachKeywords, build_reach_options, create_keywords, image_facts


class DeployVerbs(BaseVerbs):
    """The driver's verbs for what goes on inside nodes."""

    def deploy_node(
        self,
        deploy: Deployment,
        ssh_username: str = DEFAULT_USER,
        ssh_alternate_usernames: list[str] | None = None,
        ssh_port: int = 22,
        ssh_timeout: float = 10,
        ssh_key: Any = None,
        ssh_key_password: str | None = None,
        auth: Any = None,
        timeout: float = REACH_TIMEOUT_S,
        max_tries: int = MAX_TRIES,
        ssh_interface: str = "public_ips",
        at_exit_func: Callable[..., Any] | None = None,
        wait_period: float = 5,
        *,
        ex_destroy_on_failure: bool = False,
        ex_transport: str | Transport | None = None,
        ex_wait_for: str | None = None,
        ex_address_filter: str | Sequence[str] | None = None,
        ex_on_stage: Stage | None = None,
        **create_node_kwargs: Any,
    ) -> Node:
        """Create a node and run ``deploy`` in it; see Libcloud's ``deploy_node`` for the parameters.

        With ``ssh_key`` and no ``auth``, the key's public half is put into the guest. With neither, a password is
        generated; it is in the node's ``extra["password"]``. ``wait_period`` is not needed: nothing is polled.

        :param ssh_username: ``root``, which is Libcloud's default, leaves it to the image's mark, if it names a user,
            and means ``Administrator`` for WinRM.
        :param ex_destroy_on_failure: destroy the node when anything after its creation fails.
        :param ex_transport: how to get in: a name, or a ``Transport`` with settings. Default: what the image's mark
            says, else by the guest: SSH, WinRM for Windows, guest operations where there is no network.
        :param ex_wait_for: ``customized`` waits for the end of the guest's customization too.
        :param ex_address_filter: a network such as ``10.0.0.0/8``, or several: only addresses in them count.
        :param ex_on_stage: called with the node and what is being done with it, in words.
        :raises DeploymentError: the node is there and ``deploy`` failed; ``.node``, ``.original_error``.
        """
        login = LoginOptions(
            ssh_username, ssh_alternate_usernames, ssh_port, ssh_timeout, ssh_key, ssh_key_password, auth
        )
        reach = ReachOptions(login, ex_transport, ex_wait_for, ssh_interface, ex_address_filter, timeout, ex_on_stage)
        options = DeployOptions(reach, max_tries, ex_destroy_on_failure)
        deployer = self._deployer(deploy, options, image_facts(create_node_kwargs.get("image")))
        node = self.create_node(**create_keywords(deployer, create_node_kwargs))
        return deployer.run(node, at_exit_func)

    def ex_open_session(
        self, node: Node, transport: str | Transport | None = None, **keywords: Unpack[ReachKeywords]
    ) -> BaseSSHClient:
        """Open a session into a node that is there: a drop-in for Libcloud's SSH client. Close it in the end.

        :param transport: as ``deploy_node``'s ``ex_transport``.
        :param keywords: how to log in, as ``deploy_node`` calls it: ``ssh_username``, ``ssh_key``, ``auth`` and so on.
        :raises ConnectionFailedError, AuthenticationError: the guest refused the login for all of ``timeout``.
        """
        if transport is not None:
            keywords["ex_transport"] = transport
        options = build_reach_options("ex_open_session", **keywords)
        opener = build_opener(self._session, options)
        row, found = inventory.find_node(
            self._session, self._names, str(node.id), moid=moid_of(node), extra=REACH_PATHS
        )
        check_writable(row, found.tree, allow_unmanaged=self._allow_unmanaged, action="open a session into")
        fresh = self._to_node(row, found)
        return opener.open_one(row, lambda what: options.on_stage and options.on_stage(fresh, what))

    def wait_until_running(
        self,
        nodes: list[Node],
        wait_period: float = 5,
        timeout: float = 600,
        ssh_interface: str = "public_ips",
        force_ipv4: bool = True,
        ex_list_nodes_kwargs: dict[str, Any] | None = None,
        *,
        ex_wait_for: str = "address",
        ex_address_filter: str | Sequence[str] | None = None,
        ex_expected: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
    ) -> list[tuple[Node, list[str]]]:
        """Wait until all nodes are ready; each with its addresses, the best first, told by vCenter as it happens.

        :param ssh_interface: ``public_ips`` takes the private addresses of a node that has no public one, since most
            vSphere networks are private; ``private_ips`` takes only these.
        :param wait_period: not needed: nothing is polled. Nor is ``ex_list_nodes_kwargs``.
        :param ex_wait_for: ``address``; ``customized``: the guest's customization is done, and there may be no address;
            ``tools``: VMware Tools take guest operations; ``ssh``: as ``address``, for what logs in next.
        :param ex_address_filter: a network such as ``10.0.0.0/8``, or several: only addresses in them count.
        :param ex_expected: the addresses that the guests were told to have, which come first; ``{node id: addresses}``
            for several nodes.
        :raises TaskTimeoutError: some are not ready in time; it says what they last reported.
        :raises TaskError: one never will be: it is powered off, asks a question in vCenter, could not be customized,
            has no connected network adapter, or no VMware Tools.
        """
        wait = build_wait(
            ex_wait_for, ssh_interface=ssh_interface, only_ipv4=force_ipv4, address_filter=ex_address_filter
        )
        waits = {self._ref(node): wait.expecting(expected_of(str(node.id), ex_expected)) for node in nodes}
        addresses = wait_running(self._session, waits, timeout_s=timeout)
        found = inventory.fetch_some(self._session, self._names, list(waits))
        return [(self._to_node(row, found), addresses[row.ref]) for row in found.rows]
