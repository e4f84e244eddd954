"""A remote shell over WinRM: commands with input, output and exit status.

Takes an address and a login; gives commands run. It and the modules below it know pypsrp, so it is imported when first
needed.
"""

from __future__ import annotations

import contextlib
import math
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass

import requests
from pypsrp.client import Client
from pypsrp.exceptions import WinRMError, WSManFaultError
from pypsrp.shell import CommandState, Process, SignalCode, WinRS
from spnego.exceptions import SpnegoError

from ..output import Listener, Output
from .connection import POLL_S, connect
from .faults import translated
from .login import WinRMLogin

__all__ = ["RemoteShell", "ShellResult"]

UTF_8 = 65001
"""The code page of the shell; what ignores it and writes in another comes out with replacement characters."""

XML_HEAD = b"#< CLIXML"

SHELL_GONE = 2150858843


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


class RemoteShell:
    """A shell of the guest; open from the start, until ``close``.

    :raises AuthenticationError, ConnectionFailedError: it could not be opened.
    Source: MS-WSMV §3.1.4 (Create, Command, Send, Receive, Signal, Delete).
    """

    def __init__(self, login: WinRMLogin, *, connect_timeout_s: float, answer_timeout_s: float) -> None:
        self._login = login
        with translated(login):
            self._connection = connect(login, connect_timeout_s=connect_timeout_s, answer_timeout_s=answer_timeout_s)
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
        """Run a command line; what it wrote, and its exit status, which is None for one that the time-out ended.

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
        """Close the shell and its connection, as far as the guest still answers."""
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


def _error_text(data: bytes) -> str:
    """The text that PowerShell means: it may write its errors as XML, with its progress."""
    text = data.decode("utf-8", errors="replace")
    with contextlib.suppress(ET.ParseError, ValueError):
        return Client.sanitise_clixml(text)
    return text
