"""Between any client and the lab: counts the round trips and the bytes, and makes each call take longer.

It speaks TLS on both sides, so that it sees requests and not packets: a latency is added once per request, however
many packets it has. It runs in a process of its own (``Relay`` is its handle), since it must not slow the client
that is measured. The seconds without latency are measured without it.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from .children import Child, serve

CHUNK = 1 << 16
_METHOD = re.compile(rb"<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Counts:
    """What went over the wire since the last reset.

    :param requests: round trips: HTTP requests that the server got. ``methods`` has them by SOAP method.
    :param sent: bytes from the client, without what TLS adds; ``received`` those to it.
    """

    requests: int
    sent: int
    received: int
    methods: dict[str, int]

    @property
    def writes(self) -> int:
        """Calls that change the inventory."""
        return sum(n for method, n in self.methods.items() if method.endswith("_Task") or method == "CreateFolder")


class Relay(Child):
    """A relay to one server, on a port of its own.

    :param ca_cert: what the server's certificate is checked with.
    :param certificate: a PEM file with the relay's own certificate and key; clients check it with the file itself.
    """

    def __init__(self, host: str, port: int, ca_cert: str, certificate: str) -> None:
        super().__init__("relay", host, str(port), ca_cert, certificate)
        self.certificate = certificate
        self.port = int(self.ask()["port"])

    def delay(self, latency_ms: float) -> None:
        self.ask(latency_ms=latency_ms)

    def reset(self) -> None:
        self.ask(reset=True)

    def counts(self) -> Counts:
        return Counts(**self.ask()["counts"])

    def requests(self) -> list[dict[str, Any]]:
        """All requests since the last reset: ``{"method", "headers", "body"}``."""
        return list(self.ask(requests=True)["requests"])


@dataclass
class _Traffic:
    latency_s: float = 0.0
    sent: int = 0
    received: int = 0
    methods: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, bytes]] = field(default_factory=list)

    def note(self, request: bytes) -> None:
        found = _METHOD.search(request)
        method = found[1].decode() if found else request.split(b" HTTP", 1)[0].decode(errors="replace")
        self.sent += len(request)
        self.methods[method] += 1
        self.requests.append((method, request))

    def reset(self) -> None:
        self.sent = self.received = 0
        self.methods = Counter()
        self.requests = []


class _Link:
    """One client's connection and ours to the server. One thread: an SSL object must not be used by two."""

    def __init__(self, client: ssl.SSLSocket, server: ssl.SSLSocket, traffic: _Traffic) -> None:
        self._client, self._server, self._traffic = client, server, traffic
        self._begun = b""

    def run(self) -> None:
        with self._client, self._server:
            try:
                while all(self._pass_on(side) for side in self._readable()):
                    pass
            except OSError:
                pass  # either side hung up

    def _readable(self) -> list[ssl.SSLSocket]:
        sides = [self._client, self._server]
        return [side for side in sides if side.pending()] or select.select(sides, [], [])[0]

    def _pass_on(self, side: ssl.SSLSocket) -> bool:
        data = side.recv(CHUNK)
        if not data:
            return False
        if side is self._server:
            self._traffic.received += len(data)
            self._client.sendall(data)
            return True
        self._begun += data
        if _is_whole(self._begun):
            request, self._begun = self._begun, b""
            self._traffic.note(request)
            time.sleep(self._traffic.latency_s)
            self._server.sendall(request)
        return True


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    if b"\r\ntransfer-encoding: chunked" in head.lower():  # as Go's client sends them
        return body.endswith(b"0\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


def _to_dict(method: str, request: bytes) -> dict[str, object]:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line.partition(":")[::2] for line in head.decode().split("\r\n")[1:]]
    return {"method": method, "headers": {name: value.strip() for name, value in lines}, "body": body.decode()}


def _listen(certificate: str, upstream: tuple[str, int], ca_cert: str, traffic: _Traffic) -> int:
    inward = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inward.load_cert_chain(certificate)
    outward = ssl.create_default_context(cafile=ca_cert)
    # TLS 1.3 sends tickets when it likes: the socket looks readable, and reading waits for data that are not due.
    inward.maximum_version = outward.maximum_version = ssl.TLSVersion.TLSv1_2
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept() -> None:
        while True:
            raw, _ = listener.accept()
            threading.Thread(target=link, args=(raw,), daemon=True).start()

    def link(raw: socket.socket) -> None:
        try:
            client = inward.wrap_socket(_prompt(raw), server_side=True)
            dialled = _prompt(socket.create_connection(upstream))
            server = outward.wrap_socket(dialled, server_hostname=upstream[0])
        except OSError:
            raw.close()
            return
        _Link(client, server, traffic).run()

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])


def _prompt(raw: socket.socket) -> socket.socket:
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return raw


def main(host: str, port: str, ca_cert: str, certificate: str) -> None:
    traffic = _Traffic()
    own_port = _listen(certificate, (host, int(port)), ca_cert, traffic)

    def answer(request: dict[str, Any]) -> object:
        if "latency_ms" in request:
            traffic.latency_s = request["latency_ms"] / 1e3
        if "requests" in request:
            return {"requests": [_to_dict(*pair) for pair in traffic.requests]}
        if "reset" in request:
            traffic.reset()
        counts = {
            "requests": traffic.methods.total(),
            "sent": traffic.sent,
            "received": traffic.received,
            "methods": dict(traffic.methods),
        }
        return {"port": own_port, "counts": counts}

    serve(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
