"""A deployment run in a guest, again where it failed: an open guest session in, nothing or an error out."""

from __future__ import annotations

import traceback
from contextlib import suppress

from libcloud.common.types import LibcloudError
from libcloud.compute.base import Node
from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient, SSHCommandTimeoutError

from ..sessions.login_retry import reconnect

__all__ = ["run_deployment"]

BROKEN = "ssh session not active"
"""What is in the error of a session that broke, whatever the transport; Libcloud's own clients say so, too."""

REBOOT_S = 120.0
"""Seconds that a guest may take to accept a login again after its session broke: it may be rebooting. Libcloud would
give it no longer than one attempt at a connection takes."""

CONNECT_S = 10.0
"""Seconds for one attempt at a connection, where the client does not say."""


def run_deployment(deploy: Deployment, node: Node, client: BaseSSHClient, *, max_tries: int) -> None:
    """Run the deployment until it succeeds, as often as allowed, as Libcloud's own ``deploy_node`` does.

    :raises SSHCommandTimeoutError: a command took too long; that is not repeated.
    :raises LibcloudError: every try failed; the message has the last one's error.
    """
    for left in reversed(range(max_tries)):
        try:
            deploy.run(node, client)
        except SSHCommandTimeoutError:
            raise
        except Exception as failure:
            if not left:
                told = f"Failed after {max_tries} tries: {failure}.\n{traceback.format_exc()}"
                raise LibcloudError(told, driver=node.driver) from failure
            if BROKEN in str(failure).lower():
                with suppress(Exception):  # it is most likely closed already
                    client.close()
                reconnect(client, deadline_s=max(float(client.timeout or CONNECT_S), REBOOT_S))
        else:
            return
