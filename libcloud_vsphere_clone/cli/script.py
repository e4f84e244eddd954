"""A script as a step of a deployment, which says when it begins and ends and keeps why it could not run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from libcloud.compute.deployment import ScriptDeployment

from ..plan.guest.user_data import to_script

if TYPE_CHECKING:
    from libcloud.compute.base import Node
    from libcloud.compute.ssh import BaseSSHClient


class Script(ScriptDeployment):
    """A script that runs once in a node and leaves no copy of itself there.

    The driver gives each node of a group a deep copy, so callbacks must be functions and no methods: copying a method
    copies its object.

    :param on_start: called with the node when it is logged in to.
    :param on_end: called with the node and this script when it has run, or could not.
    """

    def __init__(
        self, text: str, on_start: Callable[[Node], None], on_end: Callable[[Node, Script], None] | None = None
    ) -> None:
        super().__init__(to_script(text), delete=True)
        self.failure: Exception | None = None
        self._on_start = on_start
        self._on_end = on_end

    @property
    def facts(self) -> dict[str, Any]:
        """How it went, as JSON has it."""
        return {"exit_status": self.exit_status, "stdout": self.stdout or "", "stderr": self.stderr or ""}

    def run(self, node: Node, client: BaseSSHClient) -> Node:
        self._on_start(node)
        try:
            return super().run(node, client)
        except Exception as failure:
            # Libcloud passes it on as a text that has the traceback in it.
            self.failure = failure
            raise
        finally:
            if self._on_end:
                self._on_end(node, self)
