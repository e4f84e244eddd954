"""The connections of pyVmomi's stub: taken from its pool and put back, so that neither a server that closes idle ones
nor an interrupt does harm.
"""

from __future__ import annotations

import http.client
import selectors
import time

from pyVmomi import SoapStubAdapter

__all__ = ["PoolingStub", "has_ended"]


class PoolingStub(SoapStubAdapter):  # type: ignore[misc]  # pyVmomi is untyped
    """A stub whose pool no interrupt leaves locked, as pyVmomi's own would be, and which keeps nothing once closed."""

    pool: list[tuple[http.client.HTTPConnection, float]]
    closed = False
    """Whether no connection is to be kept any more."""

    def GetConnection(self) -> http.client.HTTPConnection:  # noqa: N802
        """A connection for one call; a new one dials with its first request."""
        with self.lock:
            self._CloseIdleConnections()
            if self.pool:
                return self.pool.pop(0)[0]
        host = self.host.rpartition(":")[0].strip("[]")
        made: http.client.HTTPConnection = self.scheme(host, self.port, **self.schemeArgs)
        return made

    def ReturnConnection(self, conn: http.client.HTTPConnection) -> None:  # noqa: N802
        """Keep the connection for the next call."""
        is_kept = False
        try:
            with self.lock:
                self._CloseIdleConnections()
                if not self.closed and len(self.pool) < self.poolSize:
                    self.pool.insert(0, (conn, time.time()))
                    is_kept = True
        finally:
            if not is_kept:
                conn.close()

    def DropConnections(self) -> None:  # noqa: N802
        """Close all that are not in use."""
        with self.lock:
            dropped, self.pool = self.pool, []
        for connection, _ in dropped:
            connection.close()


def has_ended(connection: http.client.HTTPConnection) -> bool:
    """Whether there is something to read where nothing was asked: the end of the connection, most likely.

    What is written there would be lost.
    """
    if connection.sock is None:
        return False  # it dials again by itself
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(connection.sock, selectors.EVENT_READ)
            return bool(selector.select(0))
    except (OSError, ValueError):
        return True
