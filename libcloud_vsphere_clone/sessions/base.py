"""What every way into a guest has: what is awaited of the node, what the guest is told, and a guest session."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from ..errors import InvalidRequestError
from ..guest.wait import Wait
from ..model import marks
from ..model.login import DEFAULT_USER
from ..model.vm import is_windows
from ..option_names import expression
from ..vcenter.rows import Ref, Row

if TYPE_CHECKING:
    from libcloud.compute.deployment import Deployment
    from libcloud.compute.ssh import BaseSSHClient

    from ..guest.liveness import LivenessCheck
    from ..vcenter.session import Session
    from .access import Access

__all__ = ["FirstBootScript", "Target", "Tell", "Transport", "check_password"]

Tell = Callable[[str], None]
"""Called with what is being done now, in words."""

FirstBootScript = Callable[[str], str]
"""Makes the script of a node's first boot from the node's name."""


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
        """The user to log in as where the caller names none: the image's own, else the transport's."""
        return marks.read_mark(self.row, marks.LOGIN) or self.transport.username

    def liveness(self, *, try_others: bool = False) -> LivenessCheck:
        """What checks the node while its guest does not answer.

        :param try_others: try its other addresses in turn, too.
        """
        from ..guest.liveness import LivenessCheck

        return LivenessCheck(self.session, self.vm, self.wait, self.addresses, try_others=try_others)

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
    :cvar username: the user that it logs in as where none is named.
    """

    name: ClassVar[str]
    awaited: ClassVar[str | None] = "address"
    logs_in: ClassVar[bool] = True
    repeatable: ClassVar[bool] = True
    username: ClassVar[str] = DEFAULT_USER

    @property
    def has_own_login(self) -> bool:
        """Whether its settings say how to log in, so that the caller's options need not."""
        return False

    def prepared(self, deploy: Deployment | None, access: Access, *, new: bool) -> Transport:
        """The transport, ready for this deployment; nothing has been sent.

        :param new: the node is still to be made.
        :raises InvalidRequestError: it cannot carry this deployment, or cannot log in with this.
        """
        return self

    def first_boot_script(self) -> FirstBootScript | None:
        """What makes the script that a new node has to run at its first boot; None where it needs none."""
        return None

    @abstractmethod
    def open(self, target: Target, access: Access, *, timeout_s: float, tell: Tell) -> BaseSSHClient:
        """Open a guest session.

        :raises ConnectionFailedError, AuthenticationError: the guest refused the login for all that time.
        """


def check_password(transport: str, access: Access) -> str:
    """The password to log in with.

    :raises InvalidRequestError: there is none.
    """
    if access.password is None:
        raise InvalidRequestError(
            f"the transport {transport!r} logs in with a password: pass "
            f"{expression('auth=NodeAuthPassword(...)')}, no key"
        )
    return access.password
