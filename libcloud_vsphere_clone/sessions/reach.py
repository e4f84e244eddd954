"""The wait until nodes can be reached: their rows in; targets for guest sessions, or errors, out as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

from ..errors import InvalidRequestError, VsphereError
from ..guest.readiness import RUNNING_PATHS, watch_running
from ..guest.wait import Wait
from ..model import marks
from ..model.names import unescape_name
from ..model.vm import NODE_PATHS, SESSION_PATHS
from ..vcenter.rows import Ref, Row
from ..vcenter.session import Session
from .base import Target, Transport

__all__ = ["REACH_PATHS", "Reacher", "awaited_of"]

REACH_PATHS = tuple(path for path in (*SESSION_PATHS, *RUNNING_PATHS) if path not in NODE_PATHS)
"""What is asked beside ``NODE_PATHS`` of a node to be reached: which way, and whether it is ready."""


@dataclass(frozen=True)
class Reacher:
    """How nodes are awaited.

    :param session: to vCenter.
    :param choose: gives the transport for a node's row; an InvalidRequestError of it is that node's.
    :param wait: the caller's wishes, for all nodes.
    :param timeout_s: seconds for all nodes together.
    """

    session: Session
    choose: Callable[[Row], Transport]
    wait: Wait
    timeout_s: float

    def reach(self, rows: Iterable[Row], *, new: bool) -> Iterator[tuple[Row, Target | VsphereError]]:
        """Yield each node's row, as it is by then, as soon as a guest session can be opened, or cannot ever.

        :param rows: read just now, with ``NODE_PATHS`` and ``REACH_PATHS``.
        :param new: the nodes were made just now, and may still be customized.
        """
        left: dict[Ref, tuple[Row, Transport, Wait]] = {}
        for row in rows:
            try:
                transport = self.choose(row)
            except InvalidRequestError as refused:
                yield row, refused
                continue
            if transport.awaited is None:
                yield row, Target(self.session, transport, row, _name(row), [], self.wait)
            else:
                left[row.ref] = row, transport, awaited_of(row, transport, self.wait, new=new)
        yield from self._await(left)

    def _await(self, left: dict[Ref, tuple[Row, Transport, Wait]]) -> Iterator[tuple[Row, Target | VsphereError]]:
        waits = {ref: wait for ref, (_, _, wait) in left.items()}
        known, extra = [row for row, _, _ in left.values()], (*NODE_PATHS, *SESSION_PATHS)
        watching = watch_running(self.session, waits, timeout_s=self.timeout_s, known=known, extra=extra)
        with closing(watching) as readied:
            for row, ready in readied:
                if isinstance(ready, VsphereError):
                    yield row, ready
                else:
                    _, transport, wait = left[row.ref]
                    yield row, Target(self.session, transport, row, _name(row), ready, wait)


def awaited_of(row: Row, transport: Transport, wait: Wait, *, new: bool) -> Wait:
    """What is awaited of one node before a guest session can be opened.

    :param row: read with ``NODE_PATHS`` and ``SESSION_PATHS``.
    :param wait: the caller's wishes, for all nodes.
    :param new: it was made just now: what customizes it from outside may cut the session off, so that is awaited too,
        and so are the addresses that it was told.
    """
    by_vcenter = marks.read_customization(row)[0] in marks.SPEC_MECHANISMS
    follows = by_vcenter and (new or wait.wait_for == "customized")
    wait = replace(wait, wait_for=transport.awaited or wait.wait_for, customizing=follows)
    return wait.expecting(marks.read_addresses(row)) if new else wait


def _name(row: Row) -> str:
    return unescape_name(row["name"])
