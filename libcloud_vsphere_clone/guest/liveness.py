"""A VM whose guest does not answer a login: whether it still may, and at which address. One read a check."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from ..errors import ConnectionFailedError, NotFoundError
from ..vcenter.properties import fetch_row
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from .address_choice import choose_addresses
from .customization import customization_outcome
from .debounce import Debounce
from .obstacles import find_obstacle
from .readiness import RUNNING_PATHS
from .wait import Wait

__all__ = ["LivenessCheck"]


class LivenessCheck:
    """One VM, checked now and then while its guest does not answer.

    :param wait: what was awaited of it before.
    :param addresses: those with which it was ready, the best first.
    :param try_others: try the other addresses in turn, too. Only where a server proves that it is this guest: what
        else a guest's second address leads to from here is not known.
    """

    def __init__(
        self, session: Session, vm: Ref, wait: Wait, addresses: Sequence[str], *, try_others: bool = False
    ) -> None:
        self.debounce = Debounce()
        self._session, self._vm, self._wait = session, vm, wait
        self._addresses, self._try_others, self._turn = list(addresses), try_others, 0

    @property
    def address(self) -> str:
        """The address to try now."""
        return self._addresses[self._turn % len(self._addresses)]

    def check(self) -> None:
        """Find out whether the guest may still answer, and where.

        :raises NotFoundError: the VM was removed.
        :raises TaskError: it is off, or there is another reason why it never will.
        """
        with suppress(ConnectionFailedError):  # while vCenter is away, there may still be a guest
            row = fetch_row(self._session, self._vm, RUNNING_PATHS)
            if row is None:
                raise NotFoundError("node", self._vm.moid, "it was removed while its guest was waited for")
            self._judge(row)

    def _judge(self, row: Row) -> None:
        obstacle = find_obstacle(row, self._wait, customization_outcome(row, None), self.debounce)
        if obstacle is not None:
            raise obstacle
        addresses = choose_addresses(row, self._wait).addresses
        if addresses and addresses != self._addresses:
            self._addresses, self._turn = addresses, 0
        elif self._try_others:
            self._turn += 1
