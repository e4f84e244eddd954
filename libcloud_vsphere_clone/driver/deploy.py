"""``DeployVerbs``: what goes into guests: waits for them, sessions opened, deployments run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Unpack

from libcloud.compute.base import Node
from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient

from .. import deploy as deployment
from .. import guest, inventory, sessions
from ..errors import InvalidRequestError, NotFoundError
from ..model.login import DEFAULT_USER
from ..model.names import unescape_name
from ..model.timeouts import DEPLOY_TIMEOUT_S
from ..model.vm import NODE_PATHS, SESSION_PATHS, Found, check_writable
from ..vcenter.rows import Ref, Row
from .base import BaseVerbs
from .options import moid_of

REBOOT_S = 120.0
"""Seconds that a guest may take to let us in again after a session broke: it may be rebooting."""


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
        timeout: float = DEPLOY_TIMEOUT_S,
        max_tries: int = 3,
        ssh_interface: str = "public_ips",
        at_exit_func: Callable[..., Any] | None = None,
        wait_period: float = 5,
        *,
        ex_destroy_on_failure: bool = False,
        ex_transport: str | sessions.transports.Transport | None = None,
        ex_wait_for: str | None = None,
        ex_address_filter: str | Sequence[str] | None = None,
        ex_on_stage: deployment.one_node.Stage | None = None,
        **create_node_kwargs: Any,
    ) -> Node:
        """A new node with ``deploy`` run in it; see Libcloud's ``deploy_node`` for the parameters.

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
        deployer = deployment.one_node.build_deployer(
            self,
            deploy,
            create_node_kwargs.get("image"),
            ssh_username=ssh_username,
            ssh_alternate_usernames=ssh_alternate_usernames,
            ssh_port=ssh_port,
            ssh_timeout=ssh_timeout,
            ssh_key=ssh_key,
            ssh_key_password=ssh_key_password,
            auth=auth,
            timeout=timeout,
            max_tries=max_tries,
            ssh_interface=ssh_interface,
            ex_destroy_on_failure=ex_destroy_on_failure,
            ex_transport=ex_transport,
            ex_wait_for=ex_wait_for,
            ex_address_filter=ex_address_filter,
            ex_on_stage=ex_on_stage,
        )
        return deployer.run(at_exit_func, create_node_kwargs)

    def ex_open_session(
        self,
        node: Node,
        transport: str | sessions.transports.Transport | None = None,
        **words: Unpack[deployment.one_node.ReachOptions],
    ) -> BaseSSHClient:
        """A session into a node that is there, connected: a drop-in for Libcloud's SSH client. Close it in the end.

        :param transport: as ``deploy_node``'s ``ex_transport``.
        :param words: how to log in, as ``deploy_node`` calls it: ``ssh_username``, ``ssh_key``, ``auth`` and so on.
        :raises ConnectionFailedError, AuthenticationError: the guest did not let us in within ``timeout``.
        """
        words["ex_transport"] = transport if transport is not None else words.get("ex_transport")
        opener = deployment.one_node.build_opener(self, **words)
        row, found = inventory.nodes.find_node(
            self._session, self._names, str(node.id), moid=moid_of(node), extra=sessions.transports.REACH_PATHS
        )
        check_writable(row, found.tree, allow_unmanaged=self._allow_unmanaged, action="open a session into")
        [(node, target)] = opener.reach([self._to_node(row, found)], found)
        return opener.open(node, target)

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
        """Each node with its addresses, the best first, once all are ready; told by vCenter as it happens.

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
        wait = guest.wait.build_wait(
            ex_wait_for, ssh_interface=ssh_interface, only_ipv4=force_ipv4, address_filter=ex_address_filter
        )
        waits = {self._ref(node): wait.expecting(guest.wait.expected_of(str(node.id), ex_expected)) for node in nodes}
        addresses = guest.readiness.wait_running(self._session, waits, timeout_s=timeout)
        found = inventory.nodes.fetch_some(self._session, self._names, list(waits))
        return [(self._to_node(row, found), addresses[row.ref]) for row in found.rows]

    def _reach(
        self,
        nodes: Sequence[Node],
        found: Found | None,
        choose: Callable[[Row], sessions.transports.Transport],
        wait: guest.wait.Wait,
        *,
        timeout_s: float,
        new: bool,
    ) -> Iterator[tuple[Node, sessions.transports.Target | Exception]]:
        """Each node, fresh, as soon as a session into it can be opened, or why that will not be.

        :param found: the nodes, perhaps among others, as they were read just now with ``REACH_PATHS``; else they are
            read.
        :param choose: what gets into a node, from its row; an InvalidRequestError of it is that node's.
        :param new: they were made just now, and may still be customized.
        """
        refs = {self._ref(node): node for node in nodes}
        found = found or inventory.nodes.fetch_some(
            self._session, self._names, list(refs), extra=sessions.transports.REACH_PATHS
        )
        rows = {row.ref: row for row in found.rows if row.ref in refs}
        for ref in refs.keys() - rows.keys():
            yield refs[ref], NotFoundError("node", refs[ref].name, "it was removed")
        ways: dict[Ref, sessions.transports.Transport] = {}
        waits: dict[Ref, guest.wait.Wait] = {}
        for ref, row in rows.items():
            try:
                way = ways[ref] = choose(row)
            except InvalidRequestError as refused:
                yield refs[ref], refused
                continue
            if way.awaited is None:
                yield self._to_node(row, found), self._target(row, way, [], wait)
            else:
                waits[ref] = sessions.transports.awaited_of(row, way, wait, new=new)
        for row, outcome in self._await(waits, rows.values(), timeout_s):
            if isinstance(outcome, Exception):
                yield refs[row.ref], outcome
            else:
                target = self._target(row, ways[row.ref], outcome, waits[row.ref])
                yield self._to_node(row, found), target

    def _await(
        self, waits: Mapping[Ref, guest.wait.Wait], known: Iterable[Row], timeout_s: float
    ) -> Iterator[tuple[Row, Sequence[str] | Exception]]:
        extra = (*NODE_PATHS, *SESSION_PATHS)
        watch = guest.readiness.watch_running
        with closing(watch(self._session, waits, timeout_s=timeout_s, known=known, extra=extra)) as outcomes:
            yield from outcomes

    def _target(
        self, row: Row, transport: sessions.transports.Transport, addresses: Sequence[str], wait: guest.wait.Wait
    ) -> sessions.transports.Target:
        return sessions.transports.Target(self._session, transport, row, unescape_name(row["name"]), addresses, wait)

    def _ssh_client_connect(self, ssh_client: Any, wait_period: float = 1.5, timeout: float = 300) -> Any:
        """Connect again after a session broke half-way; Libcloud's own knows only its own client's errors.

        :param timeout: Libcloud's, which is no longer than one attempt at a connection takes: a guest that reboots gets
            more.
        """
        return sessions.login_retry.connect_when_ready(
            lambda _: ssh_client, [ssh_client.username], deadline_s=max(timeout, REBOOT_S)
        )

    def _ref(self, node: Node) -> Ref:
        moid = moid_of(node)
        if moid:
            return Ref("VirtualMachine", moid)
        return inventory.nodes.find_node(self._session, self._names, str(node.id))[0].ref
