"""A script as a step of Libcloud's ``deploy_node``, which says when it begins and keeps why it could not run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from libcloud.compute.deployment import ScriptDeployment

if TYPE_CHECKING:
    from libcloud.compute.base import Node
    from libcloud.compute.ssh import BaseSSHClient

SHELL = "#!/bin/sh\n"


class Script(ScriptDeployment):
    """A script that runs once in the node and leaves no copy of itself there.

    :param on_start: called when the node is logged in to.
    """

    def __init__(self, text: str, on_start: Callable[[], None]) -> None:
        super().__init__(text if text.startswith("#!") else SHELL + text, delete=True)
        self.failure: Exception | None = None
        self._on_start = on_start

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        self._on_start()
        try:
            return super().run(node, client)
        except Exception as failure:
            # Libcloud passes it on as a text that has the traceback in it.
            self.failure = failure
            raise
