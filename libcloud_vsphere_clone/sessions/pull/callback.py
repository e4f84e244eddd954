"""A small HTTP server to which guests report that may not write guestinfo.

Takes an address of this machine that the guests reach; gives the reports that came, by their tokens: each guest has its
own, and posts to an address of its own, so one receiver does for many. Plain HTTP: the network on the way can read the
outputs. Use it in networks of your own, or let a web server of yours take the report (JSON ``{"token", "report"}``) and
give its text to ``read_report``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from ...errors import TaskError
from .report import Report, read_report

__all__ = ["CallbackReceiver"]

MAX_BYTES = 8 * 1024 * 1024
READ_TIMEOUT_S = 60.0


class CallbackReceiver:
    """Takes each expected report once; runs from ``with`` until its end.

    A client that does not know a guest's address gets a 404, before what it posts is read. The address is in the
    guest's list of processes while it posts, so the token in what is posted has to be right too.

    :param address: of this machine, as the guests reach it.
    :param port: 0 for any that is free.
    """

    def __init__(self, address: str, port: int = 0) -> None:
        self._server = (_Server6 if ":" in address else _Server)((address, port), _Handler)
        self._server.receiver = self
        self._thread = threading.Thread(target=self._server.serve_forever, name="callbacks", daemon=True)
        self._changed = threading.Condition()
        self._expected: dict[str, str] = {}
        """{the path's only part: token}"""
        self._arrived: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        """Below which guests post."""
        host, port = self._server.server_address[:2]
        return f"http://[{host!s}]:{port}/" if ":" in str(host) else f"http://{host!s}:{port}/"

    def expect(self, token: str, base_url: str | None = None) -> str:
        """Take the report of the guest with this token from now on, once; the URL where it posts.

        :param base_url: ``url`` as the guests see it.
        """
        path = _path_of(token)
        with self._changed:
            self._expected[path] = token
        return f"{(base_url or self.url).rstrip('/')}/{path}"

    def forget(self, token: str) -> None:
        """Take no report with this token any more, and drop the one that came."""
        with self._changed:
            self._expected.pop(_path_of(token), None)
            self._arrived.pop(token, None)

    def take(self, token: str, *, timeout_s: float) -> Report | None:
        """Give out the report with this token, once; None when none came in time.

        :raises TaskError: the guest says that it cannot carry out the deployment.
        """
        with self._changed:
            self._changed.wait_for(lambda: token in self._arrived, timeout_s)
            posted = self._arrived.pop(token, None)
        if posted is None:
            return None
        if "failure" in posted:
            raise TaskError(f"the guest cannot carry out the deployment: {posted['failure']}", action="deploy")
        return read_report(str(posted.get("report")))

    def is_expected(self, path: str) -> bool:
        """Whether a report may be posted there."""
        with self._changed:
            return path in self._expected

    def accept(self, path: str, posted: Any) -> bool:
        """Keep what is posted, if it is expected there, and take nothing more there; whether it was."""
        token = posted.get("token") if isinstance(posted, dict) else None
        if not isinstance(token, str):
            return False
        with self._changed:
            expected = self._expected.get(path, "")
            if not expected or not hmac.compare_digest(expected.encode(), token.encode(errors="replace")):
                return False
            del self._expected[path]
            self._arrived[expected] = posted
            self._changed.notify_all()
        return True

    def close(self) -> None:
        """Stop listening."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _path_of(token: str) -> str:
    """Not the token itself, and nothing that tells how much of a guess was right."""
    return hashlib.sha256(b"path of " + token.encode()).hexdigest()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # guests of a group may report in the same moment
    receiver: CallbackReceiver


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    timeout = READ_TIMEOUT_S
    server: _Server

    def do_POST(self) -> None:
        receiver, path = self.server.receiver, self.path.removeprefix("/")
        length = self.headers.get("Content-Length", "")
        if not receiver.is_expected(path):
            self._answer(404)
        elif not length.isdecimal() or int(length) > MAX_BYTES:
            self._answer(413)
        else:
            self._answer(204 if receiver.accept(path, self._read(int(length))) else 403)

    def _read(self, length: int) -> Any:
        """What is posted; None when it is no JSON."""
        try:
            return json.loads(self.rfile.read(length))
        except (ValueError, RecursionError):
            return None

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing: requests to this port are not worth it."""
