"""A fake: a server that answers with prepared bytes what the lab's simulator never says."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<soapenv:Body>{}</soapenv:Body></soapenv:Envelope>"
)


@dataclass(frozen=True)
class Answer:
    """One prepared reply."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = ()


def envelope(body: str) -> bytes:
    return ENVELOPE.format(body).encode()


def returned(method: str, value: str) -> Answer:
    """The reply to a call that went well; ``value`` is what stands in it."""
    return Answer(envelope(f'<{method}Response xmlns="urn:vim25">{value}</{method}Response>'))


def fault(text: str, detail: str) -> Answer:
    body = f"<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{text}</faultstring>"
    return Answer(envelope(f"{body}<detail>{detail}</detail></soapenv:Fault>"), status=500)


class ScriptedServer(ThreadingHTTPServer):
    """Gives one answer after the other, and remembers the cookies that it was sent.

    :param closes: it closes each connection after its answer, without a word.
    """

    daemon_threads = True

    def __init__(self, *answers: Answer, closes: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.closes = closes
        self.closed = threading.Event()
        self.cookies: list[str] = []

    @property
    def port(self) -> int:
        return self.server_port

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.closed.set()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may go away at any time."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.cookies.append(self.headers.get("Cookie", ""))
        answer = self.server.answers.pop(0)
        self.send_response(answer.status)
        headers = list(answer.headers.items() if isinstance(answer.headers, Mapping) else answer.headers)
        if not any(name == "Content-Length" for name, _ in headers):
            headers.append(("Content-Length", str(len(answer.body))))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)
        self.close_connection = self.close_connection or self.server.closes

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@contextmanager
def scripted(*answers: Answer, closes: bool = False) -> Iterator[ScriptedServer]:
    with ScriptedServer(*answers, closes=closes) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
