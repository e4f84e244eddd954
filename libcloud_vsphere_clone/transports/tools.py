"""VMware Tools' guest operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient

from ..access import Access
from ..guest.tools_ready import connect_tools_when_ready
from .base import Target, Tell, Transport, check_password


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
        return connect_tools_when_ready(
            target.session,
            target.vm,
            access.usernames,
            check_password(self.name, access),
            deadline_s=timeout_s,
            windows=target.is_windows,
            await_tools=False,  # the target was awaited with what ``awaited`` says
        )
