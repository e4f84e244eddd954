"""Public SSH keys as text: what a caller gives in, lines that sshd takes out. (no I/O)"""

from __future__ import annotations

import base64
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from ...errors import InvalidRequestError

__all__ = ["AUTHORIZED_LINE", "PRIVATE_MARK", "PUBLIC_TYPES", "check_public_key"]

PRIVATE_MARK = re.compile(rb"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----")
PUBLIC_TYPES = frozenset(
    {
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "sk-ssh-ed25519@openssh.com",
        "ssh-ed25519",
        "ssh-rsa",
    }
)
AUTHORIZED_LINE = re.compile(
    r"""(?:(?P<options>(?:[^\s"]|"(?:\\.|[^"\\])*")+)[ \t]+)?"""
    r"(?P<type>(?:sk-|ssh-|ecdsa-)[a-z0-9@.-]+)[ \t]+(?P<blob>[A-Za-z0-9+/]+=*)"
    r"(?:[ \t]+(?P<comment>[^\x00-\x1f\x7f]*))?"
)


def check_public_key(text: str) -> str:
    """The public keys in a text as authorized_keys lines, one a line, without blank lines and comment lines.

    :param text: what NodeAuthSSHKey carries: one line or several, options in front allowed.
    :raises InvalidRequestError: no key, a private key, or a line that sshd would not take.
    Source: sshd(8), AUTHORIZED_KEYS FILE FORMAT; RFC 4253 §6.6.
    """
    if PRIVATE_MARK.search(text.encode("utf-8", "replace")):
        raise InvalidRequestError("a private key was given as the public key: pass the contents of its .pub file")
    lines = [line.strip() for line in text.splitlines()]
    kept = [_checked_line(line) for line in lines if line and not line.startswith("#")]
    if not kept:
        raise InvalidRequestError("the public key is empty: pass the contents of a .pub file")
    return "\n".join(kept)


def _checked_line(line: str) -> str:
    match = AUTHORIZED_LINE.fullmatch(line)
    if match is None:
        raise _bad_line(line, "pass the contents of a .pub file, TYPE BASE64 [COMMENT]")
    kind = match["type"]
    if kind not in PUBLIC_TYPES:
        raise _bad_line(line, f"keys of type {kind} can't log in; use one of {', '.join(sorted(PUBLIC_TYPES))}")
    try:
        blob = base64.b64decode(match["blob"], validate=True)
        whole = blob.startswith(len(kind).to_bytes(4, "big") + kind.encode())
        if whole and not kind.startswith("sk-"):
            load_ssh_public_key(f"{kind} {match['blob']}".encode())
    except (ValueError, UnsupportedAlgorithm):
        whole = False
    if not whole:
        raise _bad_line(line, "its base64 part is damaged or cut off")
    return line


def _bad_line(line: str, reason: str) -> InvalidRequestError:
    # The start only: a line that is no public key may be anything, a secret too.
    first = next(iter(line.split()), "")
    shown = f" (it starts with {first!r})" if first in PUBLIC_TYPES else ""
    return InvalidRequestError(f"this is not a public SSH key{shown}: {reason}")
