"""Logins over WinRM that are refused before anything is sent, and the one by certificate."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from libcloud_vsphere_clone.errors import AuthenticationError, InvalidRequestError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.winrm.client import GuestWinRMClient
from libcloud_vsphere_clone.sessions.winrm.login import find_trust


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        ({"auth": "basic", "ssl": False}, "basic over plain http shows the login"),
        ({"auth": "certificate", "ssl": False}, "certificate over plain http shows"),
        ({"auth": "digest"}, "the WinRM login 'digest' is not known: use one of negotiate"),
        ({"auth": "certificate"}, "needs certificate="),
        ({"auth": "certificate", "certificate": ("/nothing.pem", "/nothing.key")}, "'/nothing.pem' does not exist"),
        ({"password": None}, "a WinRM login by negotiate needs a password"),
        ({"auth": "basic", "password": "sécret"}, "it is not ASCII"),
        ({"ca_cert": "/nothing.pem"}, "the CA file '/nothing.pem' does not exist"),
    ],
)
def test_refused_logins(login: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason) as caught:
        GuestWinRMClient("127.0.0.1", **{"password": "secret", **login})
    assert "secret" not in str(caught.value)


def test_the_port_follows_from_ssl() -> None:
    assert GuestWinRMClient("127.0.0.1", password="x").port == 5986
    assert GuestWinRMClient("127.0.0.1", password="x", ssl=False).port == 5985


def test_trust_is_the_systems_store_unless_told_otherwise() -> None:
    assert find_trust(None, verify=False) is False
    store = find_trust(None, verify=True)
    assert store is True or Path(str(store)).exists()


def user_certificate(folder: Path, name: str) -> tuple[str, str]:
    """A self-signed certificate and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(files[0]), str(files[1])


def test_a_certificate_logs_in(bare_lab: Lab, tmp_path: Path) -> None:
    known = user_certificate(tmp_path, "known")
    with bare_lab.start_winrm(["/bin/sh", "-c"], password="unused", client_ca=Path(known[0]).read_text()) as server:
        address: dict[str, Any] = {"port": server.port, "auth": "certificate", "ca_cert": bare_lab.ca_cert}
        session = GuestWinRMClient(server.host, certificate=known, **address)
        assert not session.needs_password
        assert session.connect(send_password=False)
        assert session.run("echo in") == ("in\n", "", 0)
        session.close()
    with bare_lab.start_winrm(["/bin/sh", "-c"], password="unused") as server:
        session = GuestWinRMClient(server.host, certificate=known, **{**address, "port": server.port})
        with pytest.raises(AuthenticationError, match="refused the login as 'Administrator' by certificate"):
            session.connect()
        assert not session.password_refused
