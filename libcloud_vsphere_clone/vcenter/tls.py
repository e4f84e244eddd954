"""Whom we talk to: trust settings in, connections out that check them on every dial, before anything is sent."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from ..errors import PIN_MISMATCH, InvalidRequestError
from ..option_names import expression, option

CONNECT_TIMEOUT_S = 10.0
"""Seconds for TCP and TLS to be up; the caller's time-out is for answers, which may take longer."""


@dataclass(frozen=True)
class Trust:
    """What makes a server the right one.

    :param ca_file: trust the CAs in this PEM file only; None trusts the system's and ``extra_ca_file``'s.
    :param extra_ca_file: a bundle trusted beside the system's store.
    :param thumbprint: SHA-256 of the server's certificate; it then is what counts, beside ``ca_file`` if given.
    :param verify: False trusts anyone (a thumbprint is checked all the same).
    """

    ca_file: str | None = None
    extra_ca_file: str | None = None
    thumbprint: str | None = None
    verify: bool = True


def parse_thumbprint(text: str) -> str:
    """64 lower-case hex digits, from any usual spelling of a SHA-256 thumbprint.

    :raises InvalidRequestError: it is no SHA-256 (a SHA-1 has 40 digits and is refused).
    """
    digits = re.sub(r"[:\s-]", "", text).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise InvalidRequestError(
            f"{option('thumbprint')} must be a SHA-256 (64 hex digits, colons allowed), got {len(digits)} characters; "
            "print it with: openssl x509 -noout -fingerprint -sha256"
        )
    return digits


class _Socket(ssl.SSLSocket):
    """Closed at once when its handshake is interrupted; Python's own is left to the garbage collector then."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def build_context(trust: Trust) -> ssl.SSLContext:
    """An SSL context that verifies as ``trust`` says.

    :raises InvalidRequestError: a CA file is missing or holds no certificate.
    """
    for file in (trust.ca_file, trust.extra_ca_file):
        if file is not None and not Path(file).is_file():
            raise InvalidRequestError(f"the CA file {file!r} does not exist; check {expression('ca_cert=')}")
    try:
        context = ssl.create_default_context(cafile=trust.ca_file)
        if trust.ca_file is None and trust.extra_ca_file is not None:
            context.load_verify_locations(trust.extra_ca_file)
    except ssl.SSLError as cause:
        file = trust.ca_file or trust.extra_ca_file
        raise InvalidRequestError(f"the CA file {file!r} holds no PEM certificate: {cause}") from cause
    context.sslsocket_class = _Socket
    if not trust.verify or (trust.thumbprint and trust.ca_file is None):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def connection_class(trust: Trust) -> type[http.client.HTTPSConnection]:
    """A connection type for pyVmomi's stub, which dials by itself whenever its pool is empty.

    The pin is compared in ``connect``: pyVmomi's own is compared only after a verification failure, and then
    switches verification off for the shared context.
    """

    class Connection(_DialledConnection):
        pin = trust.thumbprint

    return Connection


class _DialledConnection(http.client.HTTPSConnection):
    pin: str | None = None
    _context: ssl.SSLContext  # given to the constructor

    def connect(self) -> None:
        answer_timeout_s = self.timeout
        self.timeout = min(answer_timeout_s or CONNECT_TIMEOUT_S, CONNECT_TIMEOUT_S)
        try:
            http.client.HTTPConnection.connect(self)
            # The handshake by itself: HTTPSConnection would lose the socket to an interrupt in it.
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock.do_handshake()
            self.sock.settimeout(answer_timeout_s)
        except BaseException:
            self.close()
            raise
        finally:
            self.timeout = answer_timeout_s
        if self.pin is not None:
            self._check_pin(self.pin)

    def _check_pin(self, pin: str) -> None:
        certificate = self.sock.getpeercert(True) or b""
        seen = hashlib.sha256(certificate).hexdigest()
        if not hmac.compare_digest(seen, pin):
            self.close()
            error = ssl.SSLCertVerificationError(f"the certificate's SHA-256 is {seen}, not the pinned {pin}")
            error.verify_message, error.verify_code = str(error.args[0]), PIN_MISMATCH
            raise error
