"""Guest sessions opened: a caller's ``ReachOptions`` and nodes' rows in, connected guest sessions out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient

from ..errors import InvalidRequestError, VsphereError
from ..guest.wait import Wait, build_wait
from ..model import marks
from ..model.checks import to_seconds
from ..model.defaults import REACH_TIMEOUT_S
from ..option_names import expression, option
from ..vcenter.rows import Row
from ..vcenter.session import Session
from .access import Access, build_access
from .base import Target, Tell, Transport
from .cloud_init import wait_cloud_init
from .options import ReachOptions
from .reach import Reacher
from .transports import find_transport, suitable_transport

__all__ = ["ImageFacts", "SessionOpener", "build_opener", "check_wait"]


@dataclass(frozen=True)
class ImageFacts:
    """What the image of nodes that are still to be made says of its guests.

    :param username: its own user for logins.
    :param transport: the name of the transport that its mark names.
    """

    username: str | None = None
    transport: str | None = None


@dataclass(frozen=True)
class SessionOpener:
    """How guest sessions into nodes are opened.

    :param session: to vCenter.
    :param transport: prepared; None lets each node's own facts choose.
    :param wait: what is awaited of each node, and which of its addresses will do.
    :param timeout_s: seconds for a node to run, and again for its guest to accept a login.
    :param deploy: what the guest sessions are for, if that is known.
    """

    session: Session
    access: Access
    transport: Transport | None
    wait: Wait
    timeout_s: float
    deploy: Deployment | None = None

    @property
    def first_stage(self) -> str:
        """What is awaited first, in words."""
        needs_address = self.transport is None or self.transport.awaited == "address"
        return "waiting for its address" if needs_address else "waiting for its guest"

    def choose(self, row: Row, *, new: bool) -> Transport:
        """The transport for this node, which was read with ``SESSION_PATHS``.

        :raises InvalidRequestError: it cannot log in with what there is, or not carry the deployment.
        """
        if self.transport is not None:
            return self.transport
        transport = suitable_transport(row).prepared(self.deploy, self.access, new=new)
        check_wait(transport, self.wait)
        return transport

    def reach(self, rows: Iterable[Row], *, new: bool = False) -> Iterator[tuple[Row, Target | VsphereError]]:
        """Yield each node's row, as it is by then, as soon as a guest session can be opened, or cannot ever.

        :param rows: read just now, with ``NODE_PATHS`` and ``REACH_PATHS``.
        :param new: the nodes were made just now.
        """
        return Reacher(self.session, partial(self.choose, new=new), self.wait, self.timeout_s).reach(rows, new=new)

    def open(self, target: Target, tell: Tell) -> BaseSSHClient:
        """Open a guest session; where ``customized`` is awaited, cloud-init has ended in it.

        :raises VsphereError: the guest refused the login, or its cloud-init failed.
        """
        access = self.access.as_user(target.username)
        client = target.transport.open(target, access, timeout_s=self.timeout_s, tell=tell)
        mechanism, _ = marks.read_customization(target.row)
        if self.wait.wait_for == "customized" and mechanism == "cloud-init":
            tell("waiting for cloud-init to end")
            with _closed_on_error(client):
                wait_cloud_init(client, target.name, timeout_s=self.timeout_s)
        return client

    def open_one(self, row: Row, tell: Tell) -> BaseSSHClient:
        """Wait for one node that is there, and open a guest session.

        :param row: read just now, with ``NODE_PATHS`` and ``REACH_PATHS``.
        :raises VsphereError: the node cannot be reached, or its guest refused the login.
        """
        tell(self.first_stage)
        [(_, target)] = self.reach([row])
        if isinstance(target, VsphereError):
            raise target
        return self.open(target, tell)


def build_opener(
    session: Session, options: ReachOptions, deploy: Deployment | None = None, image: ImageFacts | None = None
) -> SessionOpener:
    """The opener that a caller's options ask for.

    :param deploy: what the guest sessions are for, if that is known.
    :param image: of the nodes that are still to be made; None where they are there.
    :raises InvalidRequestError: an option is wrong, or the transport cannot carry the deployment.
    """
    new, image = image is not None, image or ImageFacts()
    wanted = options.transport or image.transport
    transport = find_transport(wanted) if wanted else None
    default = transport.username if transport is not None else None
    generate = new and (transport is None or transport.logs_in)
    access = build_access(options.login, image.username, default, generate=generate)
    wait = build_wait(
        options.wait_for or "address",
        ssh_interface=options.ssh_interface,
        only_ipv4=False,  # IPv4 comes first, but a node that has none can be reached as well
        address_filter=options.address_filter,
    )
    timeout_s = to_seconds("timeout", options.timeout_s or REACH_TIMEOUT_S)
    if transport is not None:
        check_wait(transport, wait)
        transport = transport.prepared(deploy, access, new=new)
    return SessionOpener(session, access, transport, wait, timeout_s, deploy)


def check_wait(transport: Transport, wait: Wait) -> None:
    """Refuse to wait for what cannot be asked over this transport.

    :raises InvalidRequestError: the wait is for the end of a customization.
    """
    if wait.wait_for == "customized" and transport.awaited is None:
        wait_for = option("wait_for='customized'")
        waiting = expression("wait_until_running(nodes, ex_wait_for='customized')")
        raise InvalidRequestError(
            f"the transport {transport.name!r} cannot ask a guest how far it is, so {wait_for} does not go with it: "
            f"use 'ssh' or 'tools', or wait first, with {waiting}"
        )


@contextmanager
def _closed_on_error(client: BaseSSHClient) -> Iterator[None]:
    """The guest session is closed if the block fails."""
    try:
        yield
    except BaseException:
        client.close()
        raise
