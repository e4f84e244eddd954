"""A session that types on a VM's console, as Libcloud's deployments use one.

Takes a VM; types text, keys, commands and files. Gives no output and no exit status: nothing comes back from a
keyboard. For what a guest without a network and without tools needs once, such as a boot prompt or its first address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...console.keyboard import Console, TypingSpeed
from ...errors import NotFoundError, TaskError
from ...vcenter.properties import fetch_row
from ...vcenter.rows import Ref
from ...vcenter.session import Session
from .typing import NO_STATUS, TypingClient

__all__ = ["NO_STATUS", "KeyboardClient", "TypingSpeed"]


class KeyboardClient(TypingClient):
    """A client that types on one VM's console. ``connect`` only reads whether the VM is on.

    :param name: what to call the VM in errors; its MoID by default.
    :param layout: the guest's keyboard: ``us``, ``de``, ``fr``, or ``{character: (usage id, modifiers)}``.
    :param pace: how fast to type.
    """

    def __init__(
        self,
        session: Session,
        vm: Ref,
        *,
        name: str = "",
        layout: str | Mapping[str, Any] = "us",
        pace: TypingSpeed | None = None,
        username: str = "root",
    ) -> None:
        console = Console(session, vm, repr(name) if name else vm.moid, pace or TypingSpeed())
        super().__init__(console, name or vm.moid, layout=layout, username=username)
        self._session = session
        self._ref = vm

    def connect(self) -> bool:
        """Read whether the VM is on; True if it is.

        :raises NotFoundError: it is gone.
        :raises TaskError: it is off, or suspended.
        """
        row = fetch_row(self._session, self._ref, ("runtime.powerState",))
        if row is None:
            raise NotFoundError("node", self.hostname, "it was removed, or this user cannot see it")
        state = row.get("runtime.powerState", "poweredOn")  # a user who may not read it may still type
        if state != "poweredOn":
            raise TaskError(
                f"could not type on the console of {self.hostname!r}: it is {state}; start it first",
                action="type",
                target=self.hostname,
            )
        return True
