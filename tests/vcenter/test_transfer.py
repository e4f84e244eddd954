"""Files over HTTP. The servers of plain HTTP are fakes: no vCenter sends to an address of ours, or breaks off half-way.

Whole transfers, by the URLs of guest operations, run in tests/guest/test_tools.py.
"""

from __future__ import annotations

import io
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from libcloud_vsphere_clone.errors import ConnectionFailedError, InvalidRequestError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.properties import fetch_row, fetch_rows
from libcloud_vsphere_clone.vcenter.rows import Ref
from libcloud_vsphere_clone.vcenter.session import Endpoint
from libcloud_vsphere_clone.vcenter.tls import Trust
from libcloud_vsphere_clone.vcenter.transfer import download, upload

from .conftest import Connect

VM = Ref("VirtualMachine", "vm-none")
URL = "https://{}/guestFile?id=1&token=t0ken"


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, body, self.headers.get("Cookie")))
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"short" if "short" in self.path else b"ten bytes.")

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@pytest.fixture
def server() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as made:
        made.seen = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def _session(host: str, port: int) -> Any:
    endpoint = Endpoint(host, port, "ann", "secret", None, timeout_s=5)
    return SimpleNamespace(endpoint=endpoint, stub=SimpleNamespace(cookie="session=1"))


def test_the_star_is_vcenter_and_its_port(server: Any) -> None:
    upload(_session("127.0.0.1", server.server_port), VM, URL.format("*"), io.BytesIO(b"hello, and more"), 5)
    assert server.seen == [("/guestFile?id=1&token=t0ken", b"hello", "session=1")]
    into = io.BytesIO()
    assert download(_session("127.0.0.1", server.server_port), VM, URL.format("*"), into) == 10
    assert into.getvalue() == b"ten bytes."


def test_a_host_is_not_told_vcenters_cookie(server: Any) -> None:
    url = URL.format(f"127.0.0.1:{server.server_port}").replace("https", "http")
    upload(_session("vcenter.example.org", 443), VM, url, io.BytesIO(b"x"), 1)
    assert server.seen == [("/guestFile?id=1&token=t0ken", b"x", None)]


def test_what_is_cut_short_is_no_file(server: Any) -> None:
    session = _session("127.0.0.1", server.server_port)
    with pytest.raises(ConnectionFailedError, match=r"cut short|IncompleteRead"):
        download(session, VM, "https://*/short", io.BytesIO())
    with pytest.raises(InvalidRequestError, match="2 bytes are missing"):
        upload(session, VM, URL.format("*"), io.BytesIO(b"abc"), 5)


def test_the_scheme_is_the_sessions(connect: Connect) -> None:
    with pytest.raises(InvalidRequestError, match="by http with esx1"):
        download(connect(), VM, URL.format("esx1").replace("https", "http"), io.BytesIO())


def test_a_refusal_says_whose_and_never_the_url(connect: Connect, calm_lab: Lab) -> None:
    for host in ("*", f"localhost:{calm_lab.port}"):
        with pytest.raises(ConnectionFailedError, match="HTTP 404 no such ticket") as caught:
            download(connect(), VM, URL.format(host), io.BytesIO())
        assert "t0ken" not in str(caught.value)


def test_a_stranger_gets_nothing(connect: Connect, calm_lab: Lab) -> None:
    session = connect()
    calm_lab.control.swap_certificate()
    with pytest.raises(ConnectionFailedError, match=r"certificate is not trusted.*ca_cert"):
        upload(session, VM, URL.format("*"), io.BytesIO(b"x"), 1)
    with pytest.raises(ConnectionFailedError, match=r"localhost is the ESXi host.*not trusted"):
        upload(session, VM, URL.format(f"localhost:{calm_lab.port}"), io.BytesIO(b"x"), 1)


def test_a_host_has_the_certificate_that_vcenter_says(connect: Connect, endpoint: Endpoint, calm_lab: Lab) -> None:
    session = connect()
    session.endpoint = replace(endpoint, trust=Trust(thumbprint="ab" * 32))  # vCenter's own, no host's
    vm, row = next(iter(fetch_rows(session, {"VirtualMachine": ("runtime.host",)}).items()))
    host: Any = fetch_row(session, row["runtime.host"], ("configManager.certificateManager", "config.certificate"))
    manager = session.managed(*host["configManager.certificateManager"])
    before = bytes(int(byte) & 0xFF for byte in host["config.certificate"])
    url = URL.format(f"localhost:{calm_lab.port}")
    with pytest.raises(ConnectionFailedError, match=r"localhost is the ESXi host.*not the one that vCenter knows"):
        download(session, vm, url, io.BytesIO())
    manager.InstallServerCertificate(ssl.get_server_certificate((calm_lab.host, calm_lab.port)))
    try:
        for _ in range(2):
            calm_lab.reset_calls()
            with pytest.raises(ConnectionFailedError, match="HTTP 404 no such ticket"):
                download(session, vm, url, io.BytesIO())
        assert calm_lab.calls().total == 0  # asked once
    finally:
        manager.InstallServerCertificate(before.decode())


def test_a_host_that_is_not_reached(connect: Connect) -> None:
    with pytest.raises(ConnectionFailedError, match=r"esx1\.invalid is the ESXi host.*resolve its name"):
        download(connect(), VM, URL.format("esx1.invalid"), io.BytesIO())
