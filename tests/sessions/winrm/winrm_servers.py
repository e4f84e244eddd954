"""WinRM servers for tests: the lab's, and one that takes logins by NTLM only, with encrypted messages.

The second one's accepting side is pyspnego, which the client uses as well: it shows that messages are encrypted and
that logins end as they should, not that Windows agrees.
"""

from __future__ import annotations

import base64
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import spnego
from pypsrp.encryption import WinRMEncryption
from spnego.exceptions import SpnegoError

from libcloud_vsphere_clone.lab.winrm import LabWinRM

STAND_IN = Path(__file__).with_name("windows_stand_in.py")
BOUNDARY = "Encrypted Boundary"


def windows(folder: Path) -> list[str]:
    """The program behind a server that is to look like Windows, with a folder as its drive C:."""
    return [sys.executable, "-S", str(STAND_IN), str(folder)]


class EncryptedFront(ThreadingHTTPServer):
    """Log in by Negotiate, decrypt, and ask the lab's server."""

    daemon_threads = True

    def __init__(self, behind: LabWinRM) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind
        self.seen: list[bytes] = []
        """All bodies as they came over the wire."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: EncryptedFront

    def setup(self) -> None:
        super().setup()
        self.context: Any = None

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append(body)
        token = self.headers.get("Authorization", "").removeprefix("Negotiate ")
        if token:
            try:
                answer = self._step(base64.b64decode(token))
            except SpnegoError:
                self.context = None
                return self._reply(401, {"WWW-Authenticate": "Negotiate"})
            header = {"WWW-Authenticate": f"Negotiate {base64.b64encode(answer).decode()}"} if answer else {}
            return self._reply(200 if self.context.complete else 401, header)
        if self.context is None or not self.context.complete:
            return self._reply(401, {"WWW-Authenticate": "Negotiate"})
        return self._forward(body)

    def _step(self, token: bytes) -> bytes | None:
        if self.context is None or self.context.complete:
            self.context = spnego.server(protocol="negotiate")
        return bytes(self.context.step(token) or b"") or None

    def _forward(self, body: bytes) -> None:
        encryption = WinRMEncryption(self.context, WinRMEncryption.SPNEGO)
        behind = self.server.behind
        login = base64.b64encode(f"{behind.username}:{behind.password}".encode()).decode()
        connection = HTTPConnection(behind.host, behind.port)
        try:
            clear = encryption.unwrap_message(body, BOUNDARY)
            connection.request("POST", "/wsman", clear, {"Authorization": f"Basic {login}"})
            response = connection.getresponse()
            kind, wrapped = encryption.wrap_message(response.read())
        finally:
            connection.close()
        content = f'{kind};protocol="{encryption.protocol}";boundary="{BOUNDARY}"'
        self._reply(response.status, {"Content-Type": content}, wrapped)

    def _reply(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def encrypted_front(behind: LabWinRM) -> Iterator[EncryptedFront]:
    """A running front; NTLM_USER_FILE must name a file with the user."""
    with EncryptedFront(behind) as front:
        thread = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield front
        finally:
            front.shutdown()
            thread.join()
