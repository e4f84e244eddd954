"""A connection to WinRM as pypsrp makes it: a login in, a connection for requests out. Nothing is sent by itself."""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ET
from typing import Any, cast

import requests
from pypsrp.exceptions import WinRMError
from pypsrp.wsman import WSMan
from requests.adapters import BaseAdapter, HTTPAdapter

from .login import WinRMLogin

__all__ = ["POLL_S", "WinRMConnection", "connect"]

POLL_S = 20
"""Seconds that one request waits for output, as Windows' own client."""

GOODBYE_S = 5
"""Seconds for requests whose answer does not matter: the end of a command, of a shell."""

for _name in ("pypsrp.wsman", "pypsrp.negotiate"):
    # It logs a guest that is still booting as errors with tracebacks; what matters is in our own errors.
    if logging.getLogger(_name).level == logging.NOTSET:
        logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


def connect(login: WinRMLogin, *, connect_timeout_s: float, answer_timeout_s: float) -> WinRMConnection:
    """The connection for this login; nothing is sent yet.

    :param connect_timeout_s: seconds for the TCP connection.
    :param answer_timeout_s: seconds for an answer, where that is more than a request may wait for output.
    """
    connection = WinRMConnection(
        login.hostname,
        port=login.port,
        username=login.username,
        password=login.password,
        ssl=login.ssl,
        auth=login.auth,
        cert_validation=login.trust,  # type: ignore[arg-type]  # its documentation: a path too
        connection_timeout=connect_timeout_s,  # type: ignore[arg-type]
        read_timeout=max(POLL_S + 10, answer_timeout_s),  # type: ignore[arg-type]
        operation_timeout=POLL_S,
        reconnection_backoff=0.5,
        no_proxy=True,  # a proxy of the environment is not for guests
        **login.options,
    )
    connection.open_session(login.server_name)
    return connection


class WinRMConnection(WSMan):
    """pypsrp's connection, without its waits for a guest that is gone."""

    last: requests.Response | None = None

    def open_session(self, server_name: str | None) -> None:
        """Make the session that requests go over, before the first one."""
        session = self.transport.session = self.transport._build_session()
        inner = cast(HTTPAdapter, session.get_adapter(self.transport.endpoint))
        if server_name is not None:
            names = {"assert_hostname": server_name, "server_hostname": server_name}
            inner.poolmanager.connection_pool_kw.update(names)
        session.mount(self.transport.endpoint, _AnswerRecorder(self, inner))

    def close(self) -> None:
        # A refused login leaves an answer unread, and with it its socket open.
        if self.last is not None:
            self.last.close()
        super().close()

    def receive(self, resource_uri: str, resource: ET.Element, *args: Any, **kwargs: Any) -> ET.Element:
        # Not repeated after a lost connection when a deadline was given: pypsrp's pauses know nothing of it.
        if kwargs.get("timeout") is None:
            return super().receive(resource_uri, resource, *args, **kwargs)
        action = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive"
        answer = self.invoke(action, resource_uri, resource, *args, **kwargs)
        return _body(answer)

    def signal(self, *args: Any, **kwargs: Any) -> ET.Element:
        return super().signal(*args, **{"timeout": GOODBYE_S, **kwargs})

    def delete(self, *args: Any, **kwargs: Any) -> ET.Element:
        return super().delete(*args, **{"timeout": GOODBYE_S, **kwargs})


class _AnswerRecorder(BaseAdapter):
    """Keeps each answer as the connection's last before it is passed on."""

    def __init__(self, connection: WinRMConnection, inner: HTTPAdapter) -> None:
        super().__init__()
        self._connection, self._inner = connection, inner

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        self._connection.last = self._inner.send(*args, **kwargs)
        return self._connection.last

    def close(self) -> None:
        self._inner.close()


def _body(envelope: ET.Element) -> ET.Element:
    body = envelope.find("{http://www.w3.org/2003/05/soap-envelope}Body")
    if body is None:
        raise WinRMError("an answer without a body")
    return body
