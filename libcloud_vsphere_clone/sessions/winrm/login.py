"""How to log in over WinRM, and which servers to trust.

Takes what callers say; gives a login that shows no secret to a stranger, or an error before anything is sent.
"""

from __future__ import annotations

import ssl as tls
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InvalidRequestError
from ...vcenter.tls import Trust, build_context

__all__ = ["WinRMLogin", "check_login", "find_trust"]

AUTHS = ("negotiate", "ntlm", "kerberos", "basic", "certificate")
ENCRYPTING = ("negotiate", "ntlm", "kerberos")
"""Logins that give keys to encrypt messages with, so that plain http shows nothing."""


@dataclass(frozen=True)
class WinRMLogin:
    """The server and the user; ``options`` are pypsrp's own, such as ``certificate_pem``."""

    hostname: str
    port: int
    username: str
    password: str | None
    ssl: bool
    auth: str
    trust: str | bool
    server_name: str | None
    options: dict[str, Any]

    def __repr__(self) -> str:
        return f"WinRMLogin({self.username}@{self.hostname}:{self.port})"


def check_login(ssl: bool, auth: str, password: str | None, certificate: tuple[str, str] | None) -> None:
    """Refuse a login that would show a secret to a stranger.

    :raises InvalidRequestError: it would, or it lacks something.
    """
    if auth not in AUTHS:
        raise InvalidRequestError(f"the WinRM login {auth!r} is not known: use one of {', '.join(AUTHS)}")
    if not ssl and auth not in ENCRYPTING:
        raise InvalidRequestError(
            f"{auth} over plain http shows the login and all that is sent to anyone on the way: use https (ssl=True), "
            f"or a login that encrypts messages ({', '.join(ENCRYPTING)})"
        )
    if auth == "certificate":
        if certificate is None:
            raise InvalidRequestError("a login by certificate needs certificate=(certificate file, key file), both PEM")
        for file in certificate:
            if not Path(file).is_file():
                raise InvalidRequestError(f"the certificate file {file!r} does not exist; check certificate=")
    elif password is None and auth != "kerberos":
        raise InvalidRequestError(f"a WinRM login by {auth} needs a password")
    elif auth == "basic" and not (password or "").isascii():
        raise InvalidRequestError(
            "a WinRM login by basic can't carry this password: it is not ASCII, and servers don't agree on how to "
            "read others; use negotiate"
        )


def find_trust(ca_cert: str | None, verify: bool) -> str | bool:
    """What requests takes as ``verify``; by itself it would use a list of its own, not the system's store.

    :raises InvalidRequestError: the CA file is missing or holds no certificate.
    """
    if not verify:
        return False
    if ca_cert is not None:
        build_context(Trust(ca_file=ca_cert))  # says what is wrong with the file
        return ca_cert
    paths = tls.get_default_verify_paths()
    return paths.cafile or paths.capath or True
