"""Whom the driver talks to: no credential leaves for a server that it does not trust."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest

from libcloud_vsphere_clone.errors import ConnectionFailedError, InvalidRequestError, translated
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.properties import fetch_rows
from libcloud_vsphere_clone.vcenter.session import Session
from libcloud_vsphere_clone.vcenter.tls import Trust, build_context, parse_thumbprint

from .conftest import Connect

PATHS = {"Folder": ("name",)}
SHA_256 = "AB:" * 31 + "AB"


@pytest.fixture
def pin(calm_lab: Lab) -> str:
    """The SHA-256 of the lab's certificate, as a browser would show it."""
    pem = ssl.get_server_certificate((calm_lab.host, calm_lab.port))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    return ":".join(digest[i : i + 2] for i in range(0, 64, 2))


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("text", [SHA_256, SHA_256.lower(), SHA_256.replace(":", ""), SHA_256.replace(":", " ")])
def test_a_thumbprint_may_be_spelled_as_usual(text: str) -> None:
    assert parse_thumbprint(text) == "ab" * 32


@pytest.mark.parametrize("text", ["", "AB:" * 19 + "AB", "ab" * 33, "xy" * 32, "sha256 Fingerprint=" + SHA_256])
def test_what_is_no_sha_256_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"SHA-256.*openssl"):
        parse_thumbprint(text)


def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no certificate")
    with pytest.raises(InvalidRequestError, match=r"notes\.txt.*no PEM"):
        build_context(Trust(ca_file=str(text)))
    with pytest.raises(InvalidRequestError, match=r"notes\.txt.*no PEM"):
        build_context(Trust(extra_ca_file=str(text)))
    with pytest.raises(InvalidRequestError, match=r"missing\.pem.*does not exist"):
        build_context(Trust(ca_file=str(tmp_path / "missing.pem")))


def test_a_context_verifies_unless_told_otherwise() -> None:
    for trust in (Trust(), Trust(ca_file=certifi.where()), Trust(ca_file=certifi.where(), thumbprint="ab" * 32)):
        context = build_context(trust)
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    for trust in (Trust(verify=False), Trust(thumbprint="ab" * 32)):
        assert build_context(trust).verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"trust": Trust(ca_file=certifi.where())}, "pass ca_cert="),
        ({"trust": Trust()}, "pass ca_cert="),
        ({"host": "127.1"}, "as host="),  # the same address, by a name that the certificate does not have
        ({"trust": Trust(thumbprint="ab" * 32)}, "before you change ex_thumbprint="),
        ({"trust": Trust(thumbprint="ab" * 32, verify=False)}, "before you change ex_thumbprint="),
    ],
    ids=["wrong CA", "system store", "wrong host name", "wrong pin", "wrong pin, not verified"],
)
def test_nothing_is_sent_to_a_server_that_is_not_trusted(
    calm_lab: Lab, connect: Connect, changes: dict[str, Any], advice: str
) -> None:
    logins = calm_lab.control.logins()
    with pytest.raises(ConnectionFailedError, match=f"certificate is not trusted.*{advice}"):
        connect(**changes)
    assert calm_lab.calls().total == 0
    assert calm_lab.control.logins() == logins


@pytest.mark.parametrize("ends", [False, True], ids=["session lives", "session ended"])
@pytest.mark.parametrize("pinned", [False, True], ids=["ca", "pin"])
def test_a_certificate_swapped_while_connected_gets_nothing(
    calm_lab: Lab, connect: Connect, pin: str, pinned: bool, ends: bool
) -> None:
    session = connect(trust=Trust(thumbprint=parse_thumbprint(pin)) if pinned else Trust(calm_lab.ca_cert))
    logins = calm_lab.control.logins()
    calm_lab.control.swap_certificate()
    session.stub.DropConnections()
    if ends:
        calm_lab.expire_sessions()
    calm_lab.reset_calls()
    for _ in range(2):
        with pytest.raises(ConnectionFailedError, match="certificate"), translated("list nodes"):
            fetch_rows(session, PATHS)
    assert calm_lab.calls().total == 0
    assert calm_lab.control.logins() == logins
    calm_lab.control.restore_certificate()
    assert fetch_rows(session, PATHS)


def test_a_new_login_over_a_swapped_certificate_sends_no_password(calm_lab: Lab, session: Session) -> None:
    logins = calm_lab.control.logins()
    calm_lab.control.swap_certificate()
    session.stub.DropConnections()
    calm_lab.reset_calls()
    with pytest.raises(ConnectionFailedError, match="certificate"):
        session.stub.renew(session.stub.generation)
    assert calm_lab.calls().total == 0
    assert calm_lab.control.logins() == logins


def test_a_pin_replaces_the_ca(connect: Connect, pin: str) -> None:
    assert fetch_rows(connect(trust=Trust(thumbprint=parse_thumbprint(pin))), PATHS)


def test_a_pin_beside_a_ca_is_not_enough(calm_lab: Lab, connect: Connect, pin: str) -> None:
    digits = parse_thumbprint(pin)
    assert fetch_rows(connect(trust=Trust(calm_lab.ca_cert, thumbprint=digits)), PATHS)
    with pytest.raises(ConnectionFailedError):
        connect(trust=Trust(certifi.where(), thumbprint=digits))


def test_unverified_trusts_anyone(calm_lab: Lab, connect: Connect) -> None:
    calm_lab.control.swap_certificate()
    assert fetch_rows(connect(trust=Trust(verify=False)), PATHS)


def test_a_server_that_never_speaks_is_given_up(connect: Connect, silent_port: int) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectionFailedError, match="no answer in time"):
        connect(port=silent_port, timeout_s=0.3)
    assert time.monotonic() - began < 8  # a connection without a limit of its own gets ten seconds


def test_an_interrupt_while_dialling_leaves_no_connection_open(connect: Connect, noticed: threading.Event) -> None:
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def interrupt() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)  # the handshake has begun
                while not (noticed.is_set() or ended.is_set()):  # one just before the wait for the server is late
                    os.kill(os.getpid(), signal.SIGINT)
                    noticed.wait(0.1)
                ended.wait(60)

        thread = threading.Thread(target=interrupt, daemon=True)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                with pytest.raises(KeyboardInterrupt) as caught:
                    thread.start()
                    connect(port=listener.getsockname()[1], timeout_s=60)
                del caught
                gc.collect()
            finally:
                ended.set()
                thread.join(60)  # no interrupt comes after this
    assert [str(warning.message) for warning in told] == []


def test_an_answer_that_never_comes_is_given_up(calm_lab: Lab, connect: Connect) -> None:
    session = connect(timeout_s=1.5)
    calm_lab.faults.add("RetrievePropertiesEx", when="stall", times=0)
    calm_lab.reset_calls()
    began = time.monotonic()
    with pytest.raises(ConnectionFailedError, match="no answer in time"), translated("list nodes"):
        fetch_rows(session, PATHS)
    assert time.monotonic() - began > 1.4
    assert calm_lab.calls().by_method["RetrievePropertiesEx"] == 1  # once, and not asked for again
