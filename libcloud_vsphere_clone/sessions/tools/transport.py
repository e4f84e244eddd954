"""VMware Tools' guest operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient

from ..access import Access
from ..base import Target, Tell, Transport, check_password
from ..login_retry import Backoff, RetryPace, connect_when_ready
from .client import GuestToolsClient

TOOLS_PACE = RetryPace(
    unreachable=Backoff(0.25, 1.5, 5.0),
    password_refused=Backoff(1.0, 2.0, 60.0),
    passwords_per_window=10,
    window_s=900.0,
)
"""For one user. VMware Tools log in by PAM, and pam_faillock, where an image sets it up, locks a user for some minutes
after a few refusals in 15 (``deny`` and ``fail_interval`` in faillock.conf). Cloud-init makes users early in the boot:
so the first tries come soon, and the later ones are few."""


@dataclass(frozen=True)
class Tools(Transport):
    """VMware Tools' guest operations: no network into the guest is needed. They log in with a password."""

    name: ClassVar[str] = "tools"
    awaited: ClassVar[str | None] = "tools"

    def prepared(self, deploy: Deployment | None, access: Access, *, new: bool) -> Transport:
        check_password(self.name, access)
        return self

    def open(self, target: Target, access: Access, *, timeout_s: float, tell: Tell) -> BaseSSHClient:
        tell(f"logging in through VMware Tools as {access.username}")
        password = check_password(self.name, access)
        return connect_when_ready(
            lambda username: GuestToolsClient(target.session, target.vm, username, password, windows=target.is_windows),
            access.usernames,
            deadline_s=timeout_s,
            pace=pace_for(access.usernames),
            check=target.liveness().check,
        )


def pace_for(usernames: Sequence[str]) -> RetryPace:
    """How fast these users are tried: PAM counts the refusals of each by itself."""
    return replace(TOOLS_PACE, passwords_per_window=TOOLS_PACE.passwords_per_window * len(set(usernames)))
