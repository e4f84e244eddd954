"""The constructor's words → a session: every parameter is checked before anything is sent."""

from __future__ import annotations

import ipaddress
import logging
import sys
import warnings
from typing import IO

import certifi
import libcloud.security

from .. import vcenter
from ..errors import InvalidRequestError
from ..option_names import expression, option

log = logging.getLogger("libcloud_vsphere_clone")

LONGEST_TIMEOUT_S = 86400.0
"""Sockets refuse infinity, and what lasts longer than a day is meant as one."""


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
) -> vcenter.session.Endpoint:
    """Where to connect to and what to trust there.

    :raises InvalidRequestError: something is missing or cannot be right.
    """
    if not username or not password:
        raise InvalidRequestError("vsphere_clone needs a user name and a password: driver(user, password, host=...)")
    _check_host(host)
    if not isinstance(timeout_s, int | float) or not 0 < timeout_s <= LONGEST_TIMEOUT_S:
        raise InvalidRequestError(
            f"{expression('timeout=')} must be a number of seconds, at most a day; got {timeout_s!r}"
        )
    if not secure and not allow_insecure:
        raise InvalidRequestError(
            "secure=False sends the password in clear; if you mean that, add allow_insecure=True. To talk TLS without "
            f"verifying the certificate, pin it with {option('thumbprint=')}"
        )
    if not secure and thumbprint is not None:
        raise InvalidRequestError(
            f"secure=False has no certificate that {option('thumbprint=')} could pin; leave one of them out"
        )
    trust = _build_trust(ca_cert, thumbprint) if secure else None
    return vcenter.session.Endpoint(
        host or "", _to_port(port, secure), username, password, trust, float(timeout_s), api_version
    )


def open_session(endpoint: vcenter.session.Endpoint) -> vcenter.session.Session:
    """A session; what it sends goes to Libcloud's debug log too, if there is one."""
    _follow_libcloud_debug()
    return vcenter.session.Session(endpoint)


def _check_host(host: str | None) -> None:
    if not host or "/" in host or (":" in host and not _is_address(host)):
        raise InvalidRequestError(
            f"{expression('host=')} must be the vCenter Server's name or address alone, without scheme and port; "
            f"got {host!r}"
        )


def _to_port(port: int | str | None, secure: bool) -> int:
    number = str(port or (443 if secure else 80))
    if not number.isdecimal() or not 0 < int(number) < 65536:
        raise InvalidRequestError(f"{expression('port=')} must be a number from 1 to 65535, got {port!r}")
    return int(number)


def _is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return False


def _build_trust(ca_cert: str | None, thumbprint: str | None) -> vcenter.tls.Trust:
    """What to trust, with Libcloud's own settings read now: scripts change them after the import."""
    pin = vcenter.tls.parse_thumbprint(thumbprint) if thumbprint is not None else None
    if not libcloud.security.VERIFY_SSL_CERT and pin is None:
        warnings.warn(
            "libcloud.security.VERIFY_SSL_CERT is False: anyone on the way can read the vCenter password; pin its "
            "certificate with ex_thumbprint=, or leave VERIFY_SSL_CERT True and pass ca_cert=",
            stacklevel=4,
        )
        return vcenter.tls.Trust(verify=False)
    bundle = libcloud.security.CA_CERTS_PATH
    bundle = bundle[0] if isinstance(bundle, list | tuple) else bundle
    if ca_cert is None and pin is None and bundle is not None and bundle != certifi.where():
        ca_cert = bundle  # someone chose it, so nothing else shall do
    return vcenter.tls.Trust(ca_file=ca_cert, extra_ca_file=bundle if ca_cert is None else None, thumbprint=pin)


class _LibcloudDebug(logging.Handler):
    """Writes our calls, names and times only, to the file that LIBCLOUD_DEBUG opened."""

    def emit(self, record: logging.LogRecord) -> None:
        file = _libcloud_debug_file()
        if file is not None and not file.closed:
            file.write(f"# vsphere_clone {self.format(record)}\n")
            file.flush()


def _follow_libcloud_debug() -> None:
    if _libcloud_debug_file() is not None and not any(isinstance(h, _LibcloudDebug) for h in log.handlers):
        log.addHandler(_LibcloudDebug())
        log.setLevel(logging.DEBUG)


def _libcloud_debug_file() -> IO[str] | None:
    """The file that Libcloud writes its debug log to, if any: what opens it imports this module, which is heavy."""
    module = sys.modules.get("libcloud.utils.loggingconnection")
    return module.LoggingConnection.log if module is not None else None
