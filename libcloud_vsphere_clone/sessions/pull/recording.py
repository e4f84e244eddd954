"""A deployment's steps, learned without a guest.

Takes one of Libcloud's own deployments; gives the files and commands that it would send, in order. Never connects:
for transports on which nothing comes back while the deployment runs (pull, keyboard).

Only Libcloud's own classes can be learned: they do the same whatever a command answers. A class of the user's may
look at an exit status and decide; here there is none yet.
"""

from __future__ import annotations

import copy
import hmac
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import IO, Any

from libcloud.compute.deployment import (
    Deployment,
    FileDeployment,
    MultiStepDeployment,
    ScriptDeployment,
    ScriptFileDeployment,
    SSHKeyDeployment,
)
from libcloud.compute.ssh import BaseSSHClient

from ...errors import InvalidRequestError
from ..steps import Delete, Put, Run, Step, is_appended
from .bootstrap import build_bootstrap

__all__ = ["Recording", "RecordingClient", "check_recordable", "record"]

RECORDABLE = (ScriptDeployment, ScriptFileDeployment, FileDeployment, SSHKeyDeployment, MultiStepDeployment)

HOME = "~/"
"""Where a relative path starts. Which folder that is, only the guest knows: its shell puts it there."""


@dataclass(frozen=True)
class Recording:
    """What is to be done in one guest, and how its report is known from another's.

    :param token: a secret of this recording; the guest repeats it.
    """

    steps: tuple[Step, ...]
    username: str = "root"
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    def of(self, name: str) -> Recording:
        """The same for the node of this name, with a token of its own, from which no other can be worked out."""
        return replace(self, token=hmac.digest(self.token.encode(), name.encode(), "sha256").hex()[:32])

    def bootstrap(self, *, report_url: str | None = None) -> str:
        """The script for the guest's first boot. See ``bootstrap.build_bootstrap``."""
        return build_bootstrap(self.steps, username=self.username, token=self.token, report_url=report_url)


def record(deployment: Deployment, username: str = "root", *, transport: str = "pull") -> Recording:
    """The deployment's steps; the deployment itself stays as it is.

    :raises InvalidRequestError: it is, or contains, another class than Libcloud's own. Nothing was sent.
    """
    check_recordable(deployment, transport)
    client = RecordingClient(username)
    copy.deepcopy(deployment).run(None, client)  # type: ignore[arg-type]  # those classes only pass the node on
    return Recording(tuple(client.steps), username)


def check_recordable(deployment: Deployment, transport: str) -> None:
    """Refuse a deployment whose steps cannot be recorded.

    :param transport: its name, for the message.
    :raises InvalidRequestError: the deployment is, or contains, another class than Libcloud's own.
    """
    for part in _parts(deployment):
        if type(part) not in RECORDABLE:
            names = ", ".join(kind.__name__ for kind in RECORDABLE)
            raise InvalidRequestError(
                f"{type(part).__name__} cannot run over {transport!r}, on which a step sees no answer: use {names} "
                "themselves (a subclass may need answers), or another transport, such as 'ssh' or 'tools'"
            )


def _parts(deployment: Deployment) -> Iterator[Deployment]:
    yield deployment
    if type(deployment) is MultiStepDeployment:
        for step in deployment.steps:
            yield from _parts(step)


class RecordingClient(BaseSSHClient):
    """Writes down what it is asked to do; each command seems to succeed, silently."""

    def __init__(self, username: str = "root") -> None:
        super().__init__("nowhere", username=username)
        self.steps: list[Step] = []

    def connect(self) -> bool:
        """Do nothing; True."""
        return True

    def put(self, path: str, contents: str | bytes | None = None, chmod: int | None = None, mode: str = "w") -> str:
        """Record the file; its path, from the home folder if it is relative."""
        data = contents.encode() if isinstance(contents, str) else contents or b""
        self.steps.append(Put(path, data, chmod, is_appended(mode)))
        return path if path.startswith("/") else HOME + path

    def putfo(self, path: str, fo: IO[Any] | None = None, chmod: int | None = None) -> str:
        """Record the file, from an open one."""
        return self.put(path, fo.read() if fo else b"", chmod)

    def delete(self, path: str) -> bool:
        """Do nothing; True."""
        self.steps.append(Delete(path))
        return True

    def run(self, cmd: str, timeout: float | None = None) -> tuple[str, str, int]:
        """Nothing, nothing, 0."""
        self.steps.append(Run(cmd, timeout or None))
        return "", "", 0

    def close(self) -> bool:
        """Do nothing; True."""
        return True
