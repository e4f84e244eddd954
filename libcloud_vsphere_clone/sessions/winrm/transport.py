"""WinRM to an address of a Windows guest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient

from ...model.login import WINDOWS_ADMINISTRATOR
from ..access import Access
from ..base import Target, Tell, Transport, check_password
from ..login_retry import connect_when_ready
from .client import WINRM_PACE, GuestWinRMClient

SSH_PORT = 22
"""``ssh_port`` where none was given."""


@dataclass(frozen=True)
class WinRM(Transport):
    """WinRM to an address of a Windows guest; the parameters are those of ``GuestWinRMClient``.

    :param port: default 5986, or 5985 without TLS.
    """

    name: ClassVar[str] = "winrm"
    username: ClassVar[str] = WINDOWS_ADMINISTRATOR

    port: int | None = None
    ca_cert: str | None = None
    verify: bool = True
    server_name: str | None = None
    ssl: bool = True
    auth: str = "negotiate"
    certificate: tuple[str, str] | None = None

    @property
    def has_own_login(self) -> bool:
        return self.certificate is not None

    def prepared(self, deploy: Deployment | None, access: Access, *, new: bool) -> Transport:
        if self.certificate is None:
            check_password(self.name, access)
        self._client("prepared.invalid", access, access.username)  # refuses what cannot be
        return self

    def open(self, target: Target, access: Access, *, timeout_s: float, tell: Tell) -> BaseSSHClient:
        liveness = target.liveness(try_others=self.ssl and self.verify)
        tell(f"logging in to {liveness.address} by WinRM as {access.username}")
        return connect_when_ready(
            lambda username: self._client(liveness.address, access, username),
            access.usernames,
            deadline_s=timeout_s,
            pace=WINRM_PACE,
            check=liveness.check,
        )

    def _client(self, address: str, access: Access, username: str) -> GuestWinRMClient:
        return GuestWinRMClient(
            address,
            self.port or (access.port if access.port != SSH_PORT else None),
            username,
            access.password,
            ca_cert=self.ca_cert,
            verify=self.verify,
            server_name=self.server_name,
            ssl=self.ssl,
            auth=self.auth,
            certificate=self.certificate,
            timeout=access.timeout_s,
        )
