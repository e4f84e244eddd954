"""The wait until a guest's VMware Tools let us in.

Takes a VM and logins; gives a client that is logged in. Waits for the tools by updates from vCenter, and polls only for
what the guest alone knows: whether cloud-init has made the user yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..errors import (
    AuthenticationError,
    ConnectionFailedError,
    InvalidRequestError,
    NotFoundError,
    TaskError,
    TaskTimeoutError,
    translated,
)
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from ..vcenter.updates import watch_rows
from .ready import Backoff
from .tools import GuestToolsClient

__all__ = ["ToolsPace", "connect_tools_when_ready", "wait_tools_ready"]

READY_PATHS = ("name", "runtime.powerState", "guest.guestOperationsReady", "guest.toolsRunningStatus")


UNREACHABLE = Backoff(0.25, 1.5, 5.0)
REFUSED = Backoff(1.0, 2.0, 60.0)


@dataclass(frozen=True)
class ToolsPace:
    """How fast to try again, by what went wrong.

    VMware Tools log in by PAM, and pam_faillock, where an image sets it up, locks a user for some minutes after a few
    refusals (``deny`` in faillock.conf). Cloud-init makes users early in the boot: so the first tries come soon, and
    the later ones are few.
    """

    unreachable: Backoff = UNREACHABLE
    refused: Backoff = REFUSED
    passwords: int = 10
    """Refusals of one user before giving up, whatever time is left."""


def connect_tools_when_ready(
    session: Session,
    vm: Ref,
    usernames: Sequence[str],
    password: str,
    *,
    deadline_s: float,
    windows: bool = False,
    timeout: float | None = None,
    await_tools: bool = True,
    pace: ToolsPace | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> GuestToolsClient:
    """The first client that could log in, connected.

    :param usernames: tried in this order in every round.
    :param deadline_s: seconds for the tools to run and the login to be accepted, together.
    :param timeout: the client's own.
    :param await_tools: False where vCenter has said already that the tools take guest operations.
    :raises TaskTimeoutError: the tools did not report in time that they take guest operations.
    :raises AuthenticationError: they do, and refused every user.
    :raises ConnectionFailedError: they said so, and then did not answer.
    :raises NotFoundError: the VM is gone.
    """
    if not usernames:
        raise InvalidRequestError("no user name to log in with: pass ssh_username")
    clients = [
        GuestToolsClient(session, vm, username, password, timeout=timeout, windows=windows)
        for username in dict.fromkeys(usernames)
    ]
    deadline = clock() + deadline_s
    if await_tools:
        wait_tools_ready(session, vm, timeout_s=deadline_s)
    logins = _Logins(clients, deadline, pace or ToolsPace(), clock)
    while (client := logins.try_all()) is None:
        sleep(logins.next_delay_s())
    return client


def wait_tools_ready(session: Session, vm: Ref, *, timeout_s: float) -> None:
    """Return once the guest takes guest operations, told by vCenter.

    :raises TaskTimeoutError: not in time; it says what the VM last reported.
    :raises TaskError: the VM is off.
    Source: GuestInfo.guestOperationsReady: "Guest operations availability. If true, the virtual machine is ready to
    process guest operations." (vSphere Web Services API)
    """
    row: Row | None = None
    with translated("wait for VMware Tools"):
        for rows in watch_rows(session, {vm: READY_PATHS}, timeout_s=timeout_s):
            row = rows[vm]
            if row is None:
                raise NotFoundError("node", vm.moid, "it was removed while waiting for it")
            if row.get("guest.guestOperationsReady"):
                return
    raise _late(row or Row(vm), timeout_s)


@dataclass
class _Logins:
    clients: list[GuestToolsClient]
    deadline: float
    pace: ToolsPace
    clock: Callable[[], float]
    unreachable_count: int = 0
    refused_count: int = 0
    last_error: AuthenticationError | ConnectionFailedError | None = field(default=None)

    def try_all(self) -> GuestToolsClient | None:
        """The first client that could log in; one round."""
        for client in self.clients:
            try:
                client.connect()
            except AuthenticationError as error:
                self.last_error, self.unreachable_count = error, 0
            except ConnectionFailedError as error:
                self.last_error = error
                self.unreachable_count += 1
                return None
            else:
                return client
        self.refused_count += 1
        return None

    def next_delay_s(self) -> float:
        """How long to wait before the next round.

        :raises AuthenticationError, ConnectionFailedError: there is none.
        """
        left_s = self.deadline - self.clock()
        if left_s <= 0 or self.refused_count >= self.pace.passwords:
            raise self._given_up()
        if self.unreachable_count:
            return min(left_s, self.pace.unreachable.delay_s(self.unreachable_count))
        return min(left_s, self.pace.refused.delay_s(self.refused_count))

    def _given_up(self) -> AuthenticationError | ConnectionFailedError:
        reason = self.last_error.message if self.last_error else "nothing was tried"
        fault = getattr(self.last_error, "fault", None)
        if isinstance(self.last_error, AuthenticationError):
            return AuthenticationError(
                f"{reason}; no more passwords were tried; if cloud-init makes the user, see what "
                "/var/log/cloud-init.log in the guest says",
                fault=fault,
            )
        return ConnectionFailedError(reason, fault=fault)


def _late(row: Row, timeout_s: float) -> TaskError:
    name = row.get("name", row.ref.moid)
    state = row.get("runtime.powerState", "unknown")
    tools = row.get("guest.toolsRunningStatus", "unknown")
    if state != "poweredOn":
        return TaskError(f"{name!r} is {state}: VMware Tools run in a VM that is on; start it with start_node")
    return TaskTimeoutError(
        f"{name!r} took no guest operations within {timeout_s:.0f} s: its tools are {tools}; install open-vm-tools in "
        "the image, and see that they start",
        action="wait for VMware Tools",
        target=str(name),
    )
