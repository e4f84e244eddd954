"""A small HTTP server to which guests report that may not write guestinfo.

Takes an address of this machine that the guests reach; gives the reports that came, by their tokens. Plain HTTP:
whoever is on the way reads the outputs. Use it in networks of your own, or let a web server of yours take the
report (JSON ``{"token", "report"}``) and give its text to ``read_report``.
"""

from __future__ import annotations

import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from ..errors import TaskError
from .report import Report, read_report

__all__ = ["CallbackReceiver"]

MAX_BYTES = 8 * 1024 * 1024
READ_TIMEOUT_S = 60.0


class CallbackReceiver:
    """Takes each awaited report once; runs from ``with`` until its end.

    :param address: of this machine, as the guests reach it.
    :param port: 0 for any that is free.
    """

    def __init__(self, address: str, port: int = 0) -> None:
        self._server = _Server((address, port), _Handler)
        self._server.receiver = self
        self._thread = threading.Thread(target=self._server.serve_forever, name="callbacks", daemon=True)
        self._changed = threading.Condition()
        self._awaited: set[str] = set()
        self._arrived: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        """Where guests post."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/"

    def expect(self, token: str) -> None:
        """From now on a report with this token is taken, once."""
        with self._changed:
            self._awaited.add(token)

    def take(self, token: str, *, timeout_s: float) -> Report | None:
        """The report with this token; None when none came in time.

        :raises TaskError: the guest says that it cannot carry out the deployment.
        """
        with self._changed:
            self._changed.wait_for(lambda: token in self._arrived, timeout_s)
            posted = self._arrived.get(token)
        if posted is None:
            return None
        if "failure" in posted:
            raise TaskError(f"the guest cannot carry out the deployment: {posted['failure']}", action="deploy")
        return read_report(str(posted.get("report")))

    def accept(self, posted: Any) -> bool:
        """Whether it was awaited; then it is kept."""
        token = posted.get("token") if isinstance(posted, dict) else None
        if not isinstance(token, str):
            return False
        with self._changed:
            for awaited in self._awaited:
                if hmac.compare_digest(awaited.encode(), token.encode()):
                    self._awaited.remove(awaited)
                    self._arrived[awaited] = posted
                    self._changed.notify_all()
                    return True
        return False

    def close(self) -> None:
        """Stops listening."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> CallbackReceiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: CallbackReceiver


class _Handler(BaseHTTPRequestHandler):
    timeout = READ_TIMEOUT_S
    server: _Server

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BYTES:
            self.send_error(413)
            return
        try:
            posted = json.loads(self.rfile.read(int(length)))
        except ValueError:
            posted = None
        self.send_response(204 if self.server.receiver.accept(posted) else 403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: who polls this port is no news."""
