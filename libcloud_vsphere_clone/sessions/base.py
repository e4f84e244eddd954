"""What every door into a guest has: what is awaited of the node, what the guest is told, and a session in the end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient

from ..errors import InvalidRequestError
from ..guest.liveness import Lookout
from ..guest.wait import Wait
from ..model import marks
from ..model.login import DEFAULT_USER
from ..model.vm import is_windows
from ..option_names import expression
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from .access import Access

Tell = Callable[[str], None]
"""Called with what is being done now, in words."""


@dataclass(frozen=True)
class Target:
    """A node that can be reached now.

    :param transport: how it shall be reached.
    :param row: read with ``NODE_PATHS`` and ``SESSION_PATHS``.
    :param addresses: the best first; none where the transport needs none.
    :param wait: what was awaited of it.
    """

    session: Session
    transport: Transport
    row: Row
    name: str
    addresses: Sequence[str] = ()
    wait: Wait = field(default_factory=Wait)

    @property
    def vm(self) -> Ref:
        """The node's VM."""
        return self.row.ref

    @property
    def username(self) -> str:
        """Whom to log in as where nobody says: the image's own user, else the transport's."""
        return marks.read_mark(self.row, marks.LOGIN) or self.transport.username

    def lookout(self, *, may_turn: bool = False) -> Lookout:
        """What looks at the node while its guest does not answer."""
        return Lookout(self.session, self.vm, self.wait, self.addresses, may_turn=may_turn)

    @property
    def is_windows(self) -> bool:
        """Whether vCenter takes the guest for Windows."""
        return is_windows(self.row)


class Transport(ABC):
    """A way into a guest.

    :cvar name: the word for it in ``ex_transport`` and in an image's mark.
    :cvar awaited: what vCenter has to report before the session can be opened, as ``ex_wait_for`` says it; None for
        nothing.
    :cvar logs_in: whether it needs a login at all.
    :cvar repeatable: whether a deployment that failed may be run again.
    :cvar username: whom it logs in as where nobody says.
    """

    name: ClassVar[str]
    awaited: ClassVar[str | None] = "address"
    logs_in: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True
    username: ClassVar[str] = DEFAULT_USER

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


def check_password(transport: str, access: Access) -> str:
    """:raises InvalidRequestError: there is no password to log in with."""
    if access.password is None:
        raise InvalidRequestError(
            f"the transport {transport!r} logs in with a password: pass "
            f"{expression('auth=NodeAuthPassword(...)')}, no key"
        )
    return access.password
