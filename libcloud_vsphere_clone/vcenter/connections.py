"""The connections of pyVmomi's stub: taken from its pool and put back, so that neither a server that closes idle ones
nor an interrupt does harm.
"""

from __future__ import annotations

import http.client
import selectors
import time

from pyVmomi import SoapStubAdapter

__all__ = ["PoolingStub"]


class PoolingStub(SoapStubAdapter):  # type: ignore[misc]  # pyVmomi is untyped
    """A stub that gives out no connection which the server has closed meanwhile: what is written there is lost.

    pyVmomi's own pool stays locked for good when an interrupt comes at the wrong moment.
    """

    pool: list[tuple[http.client.HTTPConnection, float]]
    closed = False
    """Whether no connection is to be kept any more."""

    def GetConnection(self) -> http.client.HTTPConnection:  # noqa: N802
        """A connection for one call; a new one dials with its first request."""
        while (connection := self._take()) is not None:
            if not _has_ended(connection):
                return connection
            connection.close()
        host = self.host.rpartition(":")[0].strip("[]")
        made: http.client.HTTPConnection = self.scheme(host, self.port, **self.schemeArgs)
        return made

    def ReturnConnection(self, conn: http.client.HTTPConnection) -> None:  # noqa: N802
        """Keep the connection for the next call."""
        with self.lock:
            self._CloseIdleConnections()
            is_kept = not self.closed and len(self.pool) < self.poolSize
            if is_kept:
                self.pool.insert(0, (conn, time.time()))
        if not is_kept:
            conn.close()

    def DropConnections(self) -> None:  # noqa: N802
        """Close all that nobody uses."""
        with self.lock:
            dropped, self.pool = self.pool, []
        for connection, _ in dropped:
            connection.close()

    def _take(self) -> http.client.HTTPConnection | None:
        with self.lock:
            self._CloseIdleConnections()
            return self.pool.pop(0)[0] if self.pool else None


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """Whether there is something to read where nothing was asked: the end of the connection, most likely."""
    if connection.sock is None:
        return False  # it dials again by itself
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(connection.sock, selectors.EVENT_READ)
            return bool(selector.select(0))
    except (OSError, ValueError):
        return True
