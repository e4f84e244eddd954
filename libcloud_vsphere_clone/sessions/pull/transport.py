"""Nothing connects in: the guest runs the deployment by itself, and reports."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient

from ...errors import InvalidRequestError
from ..access import Access
from ..base import FirstBootScript, Target, Tell, Transport
from .callback import CallbackReceiver
from .recording import Recording, record
from .replay import replay
from .wait import wait_report


@dataclass(frozen=True)
class Pull(Transport):
    """Nothing connects in: the guest runs the deployment at its first boot, and reports through vCenter.

    :param receiver: where the guest reports by HTTP instead, if it may not write guestinfo.
    :param report_url: its address as the guests see it; default the receiver's own. A path follows it that is each
        node's own.
    """

    name: ClassVar[str] = "pull"
    awaited: ClassVar[str | None] = None
    logs_in: ClassVar[bool] = False
    repeatable: ClassVar[bool] = False

    receiver: CallbackReceiver | None = None
    report_url: str | None = None
    recording: Recording | None = field(default=None, repr=False)

    def prepared(self, deploy: Deployment | None, access: Access, *, new: bool) -> Transport:
        if deploy is None or not new:
            raise InvalidRequestError(
                "the transport 'pull' runs a deployment at a node's first boot: this node is there already; use 'ssh' "
                "or 'tools'"
            )
        return replace(self, recording=record(deploy, access.username))

    def first_boot_script(self) -> FirstBootScript:
        return self._script_of

    def open(self, target: Target, access: Access, *, timeout_s: float, tell: Tell) -> BaseSSHClient:
        tell("waiting for its report")
        recording = self._recorded().of(target.name)
        report = wait_report(
            target.session, target.vm, timeout_s=timeout_s, token=recording.token, receiver=self.receiver
        )
        client = replay(recording, report)
        client.connect()
        return client

    def _script_of(self, name: str) -> str:
        """The script of the node of this name, whose report is taken from now on: it may come before it is awaited."""
        recording, url = self._recorded().of(name), self.report_url
        if self.receiver is not None:
            url = self.receiver.expect(recording.token, url)
        return recording.bootstrap(report_url=url)

    def _recorded(self) -> Recording:
        if self.recording is None:
            raise InvalidRequestError("the transport 'pull' was not prepared with a deployment")
        return self.recording
