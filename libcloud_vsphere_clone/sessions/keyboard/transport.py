"""The console's keyboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient

from ...console.keystrokes import parse_keys, parse_text
from ...console.layouts import find_layout
from ..access import Access
from ..base import Target, Tell, Transport, check_password
from .client import KeyboardClient, TypingSpeed
from .dry_run import dry_run


@dataclass(frozen=True)
class Keyboard(Transport):
    """Types on the console, where a shell is logged in or, with ``log_in``, shows its prompt. Nothing comes back.

    :param layout: the guest's keyboard: ``us``, ``de``, ``fr``, or ``{character: (usage id, modifiers)}``.
    :param log_in: type user name and password first.
    :param before: keys to type before anything else, as ``type_keys`` has them: ``<wait30s><enter>``.
    """

    name: ClassVar[str] = "keyboard"
    awaited: ClassVar[str | None] = None
    repeatable: ClassVar[bool] = False

    layout: str | Mapping[str, Any] = "us"
    log_in: bool = False
    before: str = ""
    pace: TypingSpeed | None = None

    def prepared(self, deploy: Deployment | None, access: Access, *, new: bool) -> Transport:
        if deploy is not None:
            dry_run(deploy, layout=self.layout, pace=self.pace)
        layout = find_layout(self.layout)
        parse_keys(self.before, layout)
        if self.log_in:
            parse_text(access.username, layout)
            parse_text(check_password(self.name, access), layout, secret=True)
        return self

    def open(self, target: Target, access: Access, *, timeout_s: float, tell: Tell) -> BaseSSHClient:
        tell("typing on the console")
        client = KeyboardClient(
            target.session,
            target.vm,
            name=target.name,
            layout=self.layout,
            pace=self.pace,
            username=access.username,
        )
        client.connect()
        if self.before:
            client.type_keys(self.before)
        if self.log_in:
            client.log_in(access.username, check_password(self.name, access))
        return client
