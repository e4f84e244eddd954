"""The constructor's words → a session: every parameter is checked before anything is sent."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import certifi
import libcloud.security
from libcloud.utils.loggingconnection import LoggingConnection

from .errors import InvalidRequestError
from .vcenter.session import Endpoint, Session
from .vcenter.tls import Trust, parse_thumbprint

log = logging.getLogger("libcloud_vsphere_clone")


def check_words(words: Mapping[str, Any], where: str, *, ignored: Iterable[str] = ()) -> None:
    """Refuse unknown keyword arguments. What starts with ``__`` is the caller's framework talking to itself.

    :raises InvalidRequestError: names the words.
    """
    unknown = [word for word in words if not word.startswith("__") and word not in ignored]
    if unknown:
        raise InvalidRequestError(f"{where} does not take {', '.join(unknown)}; check the spelling")


def build_endpoint(
    username: str,
    password: str | None,
    secure: bool,
    host: str | None,
    port: int | None,
    api_version: str | None,
    ca_cert: str | None,
    timeout_s: float,
    allow_insecure: bool,
    thumbprint: str | None,
) -> Endpoint:
    """Where to connect to and what to trust there.

    :raises InvalidRequestError: something is missing or cannot be right.
    """
    if not username or not password:
        raise InvalidRequestError("vsphere_clone needs a user name and a password: driver(user, password, host=...)")
    if not host or "/" in host:
        raise InvalidRequestError(f"host= must be the vCenter Server's name or address, without a scheme; got {host!r}")
    if not isinstance(timeout_s, int | float) or timeout_s <= 0:
        raise InvalidRequestError(f"timeout= must be a positive number of seconds, got {timeout_s!r}")
    if not secure and not allow_insecure:
        raise InvalidRequestError(
            "secure=False sends the password in clear; if you mean that, add allow_insecure=True. To talk TLS without "
            "verifying the certificate, pin it with ex_thumbprint="
        )
    trust = _build_trust(ca_cert, thumbprint) if secure else None
    return Endpoint(
        host, int(port or (443 if secure else 80)), username, password, trust, float(timeout_s), api_version
    )


def open_session(endpoint: Endpoint) -> Session:
    """A session; what it sends goes to Libcloud's debug log too, if there is one."""
    _follow_libcloud_debug()
    return Session(endpoint)


def _build_trust(ca_cert: str | None, thumbprint: str | None) -> Trust:
    """What to trust, with Libcloud's own settings read now: scripts change them after the import."""
    pin = parse_thumbprint(thumbprint) if thumbprint is not None else None
    if not libcloud.security.VERIFY_SSL_CERT and pin is None:
        warnings.warn(
            "libcloud.security.VERIFY_SSL_CERT is False: anyone on the way can read the vCenter password; pass "
            "ca_cert= or ex_thumbprint= instead",
            stacklevel=4,
        )
        return Trust(verify=False)
    bundle = libcloud.security.CA_CERTS_PATH
    bundle = bundle[0] if isinstance(bundle, list | tuple) else bundle
    if ca_cert is None and bundle is not None and bundle != certifi.where():
        ca_cert = bundle  # someone chose it, so nothing else shall do
    return Trust(ca_file=ca_cert, extra_ca_file=bundle if ca_cert is None else None, thumbprint=pin)


class _LibcloudDebug(logging.Handler):
    """Writes our calls, names and times only, to the file that LIBCLOUD_DEBUG opened."""

    def emit(self, record: logging.LogRecord) -> None:
        if LoggingConnection.log is not None:
            LoggingConnection.log.write(f"# vsphere_clone {self.format(record)}\n")
            LoggingConnection.log.flush()


def _follow_libcloud_debug() -> None:
    if LoggingConnection.log is not None and not any(isinstance(h, _LibcloudDebug) for h in log.handlers):
        log.addHandler(_LibcloudDebug())
        log.setLevel(logging.DEBUG)
