"""The doors into a guest: how each is waited for and opened. A node's target and an ``Access`` in, a session out.

Every session is a drop-in for Libcloud's SSH client, so its ``Deployment`` classes run over each of them unchanged.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient

from .access import Access
from .errors import InvalidRequestError
from .guest.ready import connect_when_ready
from .guest.ssh import GuestSSHClient
from .vcenter.rows import Ref, Row
from .vcenter.session import Session

Tell = Callable[[str], None]
"""Called with what is being done now, in words."""


@dataclass(frozen=True)
class Target:
    """A node that can be reached now.

    :param transport: how it shall be reached.
    :param row: read with ``SESSION_PATHS``.
    :param addresses: the best first; none where the transport needs none.
    """

    session: Session
    transport: Transport
    row: Row
    name: str
    addresses: Sequence[str] = ()

    @property
    def vm(self) -> Ref:
        """The node's VM."""
        return self.row.ref


class Transport(ABC):
    """A way into a guest.

    :cvar name: the word for it in ``ex_transport`` and in an image's mark.
    :cvar awaited: what vCenter has to report before the session can be opened, as ``ex_wait_for`` says it.
    :cvar logs_in: whether it needs a login at all.
    :cvar repeatable: whether a deployment that failed may be run again.
    """

    name: ClassVar[str]
    awaited: ClassVar[str] = "address"
    logs_in: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True

    def prepared(self, deploy: Deployment | None, access: Access, *, new: bool) -> Transport:
        """The transport, ready for this deployment; nothing has been sent.

        :param new: the node is still to be made.
        :raises InvalidRequestError: it cannot carry this deployment, or cannot log in with this.
        """
        return self

    def create_words(self) -> Mapping[str, Any]:
        """What ``create_node`` is to be told for it."""
        return {}

    @abstractmethod
    def open(self, target: Target, access: Access, *, timeout_s: float, tell: Tell) -> BaseSSHClient:
        """The session, connected.

        :raises ConnectionFailedError, AuthenticationError: the guest did not let us in within the time.
        """


@dataclass(frozen=True)
class SSH(Transport):
    """SSH to an address of the guest."""

    name: ClassVar[str] = "ssh"

    def open(self, target: Target, access: Access, *, timeout_s: float, tell: Tell) -> BaseSSHClient:
        address = target.addresses[0]
        tell(f"logging in to {address} as {access.username}")

        def build(username: str) -> GuestSSHClient:
            return GuestSSHClient(
                address,
                access.port,
                username,
                password=access.password,
                pkeys=access.private_keys,
                timeout=access.timeout_s,
            )

        return connect_when_ready(build, access.usernames, deadline_s=timeout_s)


TRANSPORTS: dict[str, type[Transport]] = {kind.name: kind for kind in (SSH,)}


def find_transport(wanted: str | Transport) -> Transport:
    """The transport of this name, as it is by default; one with settings of the caller's own stays as it is.

    :raises InvalidRequestError: there is none of this name.
    """
    if isinstance(wanted, Transport):
        return wanted
    if wanted not in TRANSPORTS:
        raise InvalidRequestError(f"ex_transport must be one of {', '.join(TRANSPORTS)}, got {wanted!r}")
    return TRANSPORTS[wanted]()
