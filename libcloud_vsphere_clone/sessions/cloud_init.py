"""The end of cloud-init in a guest: an open guest session in, nothing or an error out."""

from __future__ import annotations

import time

from libcloud.compute.ssh import BaseSSHClient, SSHCommandTimeoutError

from ..errors import TaskError, TaskTimeoutError
from .login_retry import reconnect

__all__ = ["wait_cloud_init"]

COMMAND = "cloud-init status --wait --long"
RECOVERABLE = 2
"""cloud-init 23.4 and later: done, with errors that it got over."""

NO_STATUS = -1
"""Of a command that was cut off: user data often has the guest reboot."""

REBOOTS = 3
RECONNECT_S = 300.0
"""Seconds that a guest may take for each reboot."""


def wait_cloud_init(client: BaseSSHClient, name: str, *, timeout_s: float) -> None:
    """Wait until cloud-init has ended well in the guest. A guest that reboots meanwhile is asked again.

    :param name: the node's, for errors.
    :raises TaskTimeoutError: it goes on.
    :raises TaskError: it failed; the message has its own words, and where its log is.
    Source: cloud-init documentation, "CLI commands: status"; checked with cloud-init 22.4.2.
    """
    deadline = time.monotonic() + timeout_s
    try:
        stdout, stderr, status = client.run(COMMAND, timeout=timeout_s)
        for _ in range(REBOOTS):
            if status != NO_STATUS:
                break
            reconnect(client, deadline_s=RECONNECT_S)
            stdout, stderr, status = client.run(COMMAND, timeout=max(1.0, deadline - time.monotonic()))
    except SSHCommandTimeoutError as late:
        raise TaskTimeoutError(
            f"cloud-init in node {name!r} did not end within {timeout_s:g} s; /var/log/cloud-init.log says what it "
            "is at",
            action="customize",
        ) from late
    if status not in (0, RECOVERABLE):
        said = "; ".join(line.strip() for line in f"{stdout}\n{stderr}".splitlines() if line.strip(" ."))
        raise TaskError(
            f"cloud-init in node {name!r} failed: {said or f'exit status {status}'}; see /var/log/cloud-init.log and "
            "/var/log/cloud-init-output.log in the guest",
            action="customize",
        )
