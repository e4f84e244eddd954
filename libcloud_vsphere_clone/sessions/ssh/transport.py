"""SSH to an address of the guest, its host key checked, or accepted and remembered."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient

from ...errors import InvalidRequestError, VsphereError
from ...model import marks
from ...operations.extra_config import write_marks
from ...option_names import expression
from ..access import Access
from ..base import Target, Tell, Transport
from ..login_retry import connect_when_ready
from .client import GuestSSHClient
from .host_keys import HostKeyCheck, read_host_keys, to_mark

log = logging.getLogger(__name__)

MARK_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class SSH(Transport):
    """SSH to an address of the guest.

    :param host_keys: fingerprints (``ssh-ed25519 SHA256:…``) that the guest's key must be one of, and that are
        remembered from now on. Default: those that the driver gave the guest or remembers, or that the guest
        published through vCenter; else the first key that a node shows is accepted and remembered.
    """

    name: ClassVar[str] = "ssh"

    host_keys: Sequence[str] = ()

    def prepared(self, deploy: Deployment | None, access: Access, *, new: bool) -> Transport:
        if self.host_keys:
            HostKeyCheck(frozenset(self.host_keys))  # refuses what is no fingerprint
        if access.password is None and not access.private_keys:
            key, password = expression("ssh_key=..."), expression("auth=NodeAuthPassword(...)")
            raise InvalidRequestError(f"the transport 'ssh' needs something to log in with: pass {key}, or {password}")
        return self

    def open(self, target: Target, access: Access, *, timeout_s: float, tell: Tell) -> BaseSSHClient:
        marked, is_marked = read_host_keys(target.row)
        known = frozenset(self.host_keys) or marked
        liveness = target.liveness(try_others=bool(known))
        tell(f"logging in to {liveness.address} as {access.username}")

        def build(username: str) -> GuestSSHClient:
            return GuestSSHClient(
                liveness.address,
                access.port,
                username,
                password=access.password,
                pkeys=access.private_keys,
                timeout=access.timeout_s,
                host_key=HostKeyCheck(known) if known else None,
            )

        client = connect_when_ready(build, access.usernames, deadline_s=timeout_s, check=liveness.check)
        if not is_marked or not known <= marked:
            _remember(target, known or {str(client.host_key_fingerprint)})
        return client


def _remember(target: Target, fingerprints: frozenset[str] | set[str]) -> None:
    """Mark the node with its host keys; a node that cannot be marked is only less safe than it could be."""
    if not marks.is_managed(target.row):
        return
    values = {marks.HOST_KEY: to_mark(fingerprints)}
    try:
        action = f"remember the host key of {target.name!r}"
        write_marks(target.session, target.vm, values, action, timeout_s=MARK_TIMEOUT_S)
    except VsphereError as failure:
        log.warning("%s", failure)
