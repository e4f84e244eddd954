"""A remote shell over WinRM: commands with input, output and exit status.

Takes an address and a login; gives commands run. The only module that knows pypsrp, so imported when first needed.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import requests
from pypsrp.client import Client
from pypsrp.exceptions import AuthenticationError as LoginRefused
from pypsrp.exceptions import WinRMError, WinRMTransportError, WSManFaultError
from pypsrp.shell import CommandState, Process, SignalCode, WinRS
from pypsrp.wsman import WSMan
from requests.adapters import BaseAdapter, HTTPAdapter
from spnego.exceptions import SpnegoError

from ...errors import AuthenticationError, ConnectionFailedError
from ..output import Listener, Output
from .login import WinRMLogin

__all__ = ["RemoteShell", "ShellResult"]

POLL_S = 20
"""Seconds that one request waits for output, as Windows' own client."""

GOODBYE_S = 5
"""Seconds for requests whose answer matters to nobody: the end of a command, of a shell."""

UTF_8 = 65001
"""The code page of the shell; what ignores it and writes in another comes out with replacement characters."""

XML_HEAD = b"#< CLIXML"

ACCESS_DENIED = 5
SHELL_GONE = 2150858843

for _name in ("pypsrp.wsman", "pypsrp.negotiate"):
    # It logs a guest that is still booting as errors with tracebacks; what matters is in our own errors.
    if logging.getLogger(_name).level == logging.NOTSET:
        logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


@dataclass
class ShellResult:
    """What a command wrote, and its exit status; None while it has not ended."""

    stdout: str
    stderr: str
    exit_status: int | None


class _Streams:
    """The output of one command, taken from each answer.

    An error output that begins as PowerShell's XML is kept until its end, as only the whole of it can be read.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._xml = b""
        self._is_text = False

    def take(self, process: Process) -> None:
        """Add what the last answer brought."""
        stdout, stderr, process.stdout, process.stderr = process.stdout, self._xml + process.stderr, b"", b""
        if stdout:
            self._output.add(stdout, is_error=False)
        self._is_text = self._is_text or not XML_HEAD.startswith(stderr[: len(XML_HEAD)])
        self._xml = b"" if self._is_text else stderr
        if self._is_text and stderr:
            self._output.add(stderr, is_error=True)

    def outcome(self, status: int | None) -> ShellResult:
        """All of it, but for what a listener has."""
        if self._xml:
            self._output.add(_error_text(self._xml).encode(), is_error=True)
        return ShellResult(self._output.stdout, self._output.stderr, status)


class _Connection(WSMan):
    """pypsrp's, which waits without need where a guest is gone."""

    last: requests.Response | None = None

    def open_session(self, server_name: str | None) -> None:
        """Makes the session that requests go over, before the first one."""
        session = self.transport.session = self.transport._build_session()
        inner = cast(HTTPAdapter, session.get_adapter(self.transport.endpoint))
        if server_name is not None:
            names = {"assert_hostname": server_name, "server_hostname": server_name}
            inner.poolmanager.connection_pool_kw.update(names)
        session.mount(self.transport.endpoint, _Remembering(self, inner))

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


class _Remembering(BaseAdapter):
    """Tells a connection of each answer before anybody else sees it."""

    def __init__(self, connection: _Connection, inner: HTTPAdapter) -> None:
        super().__init__()
        self._connection, self._inner = connection, inner

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        self._connection.last = self._inner.send(*args, **kwargs)
        return self._connection.last

    def close(self) -> None:
        self._inner.close()


class RemoteShell:
    """A shell of the guest; open from the start, until ``close``.

    :raises AuthenticationError, ConnectionFailedError: it could not be opened.
    Source: MS-WSMV §3.1.4 (Create, Command, Send, Receive, Signal, Delete).
    """

    def __init__(self, login: WinRMLogin, *, connect_timeout_s: float, answer_timeout_s: float) -> None:
        self._login = login
        with translated(login):
            self._connection = _connect(login, connect_timeout_s, answer_timeout_s)
            self._shell = WinRS(self._connection, codepage=UTF_8)
            try:
                self._shell.open()
            except BaseException:
                self._connection.close()
                raise

    def run(
        self,
        line: str,
        timeout_s: float | None,
        lines_in: Iterable[bytes] | None = None,
        listener: Listener | None = None,
    ) -> ShellResult:
        """What a command line wrote, and its exit status; None for one that the time-out ended.

        :param lines_in: what it is to read, one request each; None is the end of the input at once.
        :param listener: is given the output, as it comes, instead.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with translated(self._login):
            process = Process(self._shell, line)
            process.begin_invoke()
        output = _Streams(Output(listener=listener))
        try:
            with translated(self._login):
                self._feed(process, lines_in)
            while process.state != CommandState.DONE:
                left_s = math.inf if deadline is None else deadline - time.monotonic()
                if left_s <= 0:
                    break
                with translated(self._login):
                    # The server's time-out is in whole seconds: a shorter rest of the time is a second.
                    process.poll_invoke(None if deadline is None else math.ceil(min(left_s, POLL_S)))
                output.take(process)  # not inside: what a listener raises is no error of the transport
        finally:
            # Ends the command when it has not, and frees what the server keeps of it.
            with contextlib.suppress(WinRMError, requests.RequestException):
                process.signal(SignalCode.TERMINATE)
        done = process.state == CommandState.DONE
        return output.outcome(None if not done else -1 if process.rc is None else process.rc)

    def close(self) -> None:
        """The shell and its connection closed, as far as the guest still answers."""
        with contextlib.suppress(WinRMError, requests.RequestException, SpnegoError):
            self._shell.close()
        self._connection.close()

    @property
    def chunk_bytes(self) -> int:
        """How many bytes of a file fit into one line of input: base64 in base64."""
        return int(self._connection.max_payload_size // 4 * 3) - 8

    @staticmethod
    def _feed(process: Process, lines_in: Iterable[bytes] | None) -> None:
        try:
            for line in lines_in or ():
                process.send(line + b"\r\n", end=False)
            process.send(b"", end=True)
        except WSManFaultError as error:
            if error.code == SHELL_GONE:
                raise
            # It ended without reading all of its input: its own output says why.


def _connect(login: WinRMLogin, connect_timeout_s: float, answer_timeout_s: float) -> _Connection:
    connection = _Connection(
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


@contextlib.contextmanager
def translated(login: WinRMLogin) -> Iterator[None]:
    """What pypsrp and its parts raise inside, as our errors."""
    where = f"{login.hostname} port {login.port}"
    try:
        with _without_requests():
            yield
    except LoginRefused as error:
        raise AuthenticationError(
            f"{where} refused the login as {login.username!r} by {login.auth}", fault=error
        ) from error
    except SpnegoError as error:
        reason = f"no login as {login.username!r} by {login.auth} could be made for {where}: {error}"
        raise AuthenticationError(reason, fault=error) from error
    except WSManFaultError as error:
        if error.code == ACCESS_DENIED:
            reason = (
                f"{where} knows {login.username!r} and lets it open no remote shell: put it into the guest's group "
                "Administrators or Remote Management Users"
            )
            raise AuthenticationError(reason, fault=error) from error
        raise _failed(where, str(error.reason or error), error) from error
    except WinRMTransportError as error:
        raise _failed(where, f"its answer is HTTP {error.code}; does WinRM listen there?", error) from error
    except (requests.RequestException, WinRMError, OSError) as error:
        raise _failed(where, _reason(error), error) from error


@contextlib.contextmanager
def _without_requests() -> Iterator[None]:
    """Errors come out without the requests that failed: their headers may hold the password."""
    try:
        yield
    except Exception as raised:
        error: BaseException | None = raised
        while error is not None:
            if isinstance(error, requests.RequestException):
                error.request = error.response = None
            error = error.__cause__ or error.__context__
        raise


def _failed(where: str, reason: str, error: Exception) -> ConnectionFailedError:
    return ConnectionFailedError(f"WinRM to {where} failed: {reason}", fault=error)


def _reason(error: Exception) -> str:
    """What a chain of wrapped errors is about: the text of the innermost."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    inner: BaseException = error
    while (deeper := getattr(inner, "reason", None) or inner.__context__) is not None:
        if not isinstance(deeper, BaseException):
            break
        inner = deeper
    return getattr(inner, "strerror", None) or getattr(inner, "verify_message", None) or str(inner)


def _body(envelope: ET.Element) -> ET.Element:
    body = envelope.find("{http://www.w3.org/2003/05/soap-envelope}Body")
    if body is None:
        raise WinRMError("an answer without a body")
    return body


def _error_text(data: bytes) -> str:
    """As PowerShell means it: it may write its errors as XML, with its progress."""
    text = data.decode("utf-8", errors="replace")
    with contextlib.suppress(ET.ParseError, ValueError):
        return Client.sanitise_clixml(text)
    return text
