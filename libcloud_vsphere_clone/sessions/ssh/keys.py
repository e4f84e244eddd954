"""SSH keys: private ones from files or text, public ones as authorized_keys lines.

Takes what callers have at hand; gives keys that the SSH client can use, or an error that says what to do, before
anything is created. Never writes a key anywhere, and no error quotes key material.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import io
import re
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from ...errors import InvalidRequestError
from ...option_names import expression
from .public_keys import AUTHORIZED_LINE, PRIVATE_MARK, PUBLIC_TYPES, check_public_key

__all__ = ["KeySource", "find_private_keys", "load_private_key", "load_private_keys", "public_half"]

KeySource: TypeAlias = str | bytes | Path
"""The path of a private key file, or the key's own text."""

SshPrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

SUPPORTED = "RSA, ECDSA (P-256, P-384, P-521) and Ed25519 keys in OpenSSH, PKCS#1 or PKCS#8 format work"
NEW_KEY = "make one with: ssh-keygen -t ed25519"
MIN_RSA_BITS = 1024
"""sshd refuses shorter RSA keys (RequiredRSASize, sshd_config(5))."""

MAX_FILE_BYTES = 100_000
PUBLIC_MARK = re.compile(rb"-----BEGIN ([A-Z0-9]+ )?PUBLIC KEY-----|---- BEGIN SSH2 PUBLIC KEY ----")


def load_private_keys(
    ssh_key: KeySource | Sequence[KeySource] | None, password: str | None = None
) -> tuple[paramiko.PKey, ...]:
    """The private keys that ``deploy_node``'s ``ssh_key`` means: one, several, or none.

    :param ssh_key: a path, a key's text, or a sequence of them.
    :param password: the passphrase; ignored for keys that have none, as Libcloud passes a login password here.
    :raises InvalidRequestError: a key that can't be used, and why.
    """
    if not ssh_key:
        return ()
    sources = [ssh_key] if isinstance(ssh_key, str | bytes | Path) else list(ssh_key)
    return tuple(load_private_key(source, password) for source in sources)


def load_private_key(ssh_key: KeySource, password: str | None = None) -> paramiko.PKey:
    """The private key in a file or a text, decrypted, ready for the SSH client.

    :param ssh_key: a path (``~`` is the home folder) or the key's text.
    :param password: the passphrase of an encrypted key.
    :raises InvalidRequestError: missing, damaged, encrypted without a (right) passphrase, public, or of a kind
        that sshd does not take.
    Source: RFC 4253 §6.6, RFC 4716 (file formats), RFC 5958 (PKCS#8), RFC 8017 (PKCS#1), OpenSSH PROTOCOL.key.
    """
    data, name = _read(ssh_key)
    if not PRIVATE_MARK.search(data):
        raise InvalidRequestError(f"{name} is not a private SSH key: {_what_else(data)}")
    # Asked before loading: cryptography warns when it meets one, and callers may have made warnings errors.
    if b"\0\0\0\x07ssh-dss" in _decoded_body(data):
        raise _unusable_kind(name, "a DSA key, which sshd no longer takes")
    return _to_paramiko(_checked_kind(_decrypt(data, password, name), name))


def find_private_keys(public_keys: str) -> tuple[paramiko.PKey, ...]:
    """The private keys to these public ones that the user has: in ``~/.ssh`` without a passphrase, or in the agent.

    For a login with a public key alone, as Libcloud allows. Only matching keys count: sshd hangs up on a client
    that offers too many.

    :param public_keys: one line or several, as ``check_public_key`` takes them.
    :raises InvalidRequestError: there is none, or the public keys are junk.
    """
    lines = check_public_key(public_keys).splitlines()
    blobs = {match["blob"].rstrip("=") for line in lines if (match := AUTHORIZED_LINE.fullmatch(line))}
    for candidates in (_home_keys, _agent_keys):
        found = tuple(key for key in candidates() if key.get_base64().rstrip("=") in blobs)
        if found:
            return found
    raise InvalidRequestError(
        "no private key to the given public key is in ~/.ssh (without a passphrase) or in the SSH agent: pass the "
        "private key's file as ssh_key"
    )


def public_half(key: paramiko.PKey, comment: str = "libcloud-vsphere-clone") -> str:
    """The public half of a private key as one authorized_keys line.

    Source: sshd(8), AUTHORIZED_KEYS FILE FORMAT.
    """
    return f"{key.get_name()} {key.get_base64()} {comment}".strip()


def _home_keys() -> Iterator[paramiko.PKey]:
    for path in sorted(Path("~/.ssh").expanduser().glob("id_*")):
        if path.suffix != ".pub":
            with contextlib.suppress(InvalidRequestError):
                yield load_private_key(path)


def _agent_keys() -> Sequence[paramiko.PKey]:
    try:
        agent = paramiko.Agent()
        keys = agent.get_keys()
    except (paramiko.SSHException, OSError):
        return ()
    connection = getattr(agent, "_conn", None)
    if connection is not None:
        # paramiko leaves it to the garbage collector, which warns of an open socket.
        weakref.finalize(agent, connection.close)
    return keys


def _read(ssh_key: KeySource) -> tuple[bytes, str]:
    """The key's text, and what to call it in errors."""
    if isinstance(ssh_key, bytes):
        return ssh_key, "the given key"
    if isinstance(ssh_key, str) and ("\n" in ssh_key or ssh_key.lstrip().startswith("-----")):
        return ssh_key.encode(), "the given key"
    try:
        path = Path(ssh_key).expanduser()
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES), f"the key file {str(path)!r}"
    except FileNotFoundError:
        raise InvalidRequestError(
            f"there is no key file {str(path)!r}: check the path, or pass the text of the private key"
        ) from None
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise InvalidRequestError(f"the key file {str(ssh_key)[:200]!r} could not be read: {reason}") from None


def _what_else(data: bytes) -> str:
    """What a text without a private key is instead, and what to do."""
    start = data.lstrip()[:200]
    if start.startswith(b"PuTTY-User-Key-File"):
        return "it is in PuTTY's format; convert it with: puttygen KEY.ppk -O private-openssh -o KEY"
    words = start.split()
    if PUBLIC_MARK.search(data) or (words and words[0].decode("ascii", "replace") in PUBLIC_TYPES | {"ssh-dss"}):
        return "it is a public key; pass the private file beside it, the one without .pub"
    if not start:
        return f"it is empty; {NEW_KEY}"
    return f"no private key in it is known; {SUPPORTED}"


def _decoded_body(data: bytes) -> bytes:
    """What the base64 between the marks says; empty when it is damaged, or has a header as PKCS#1 can."""
    body = b"".join(line.strip() for line in data.splitlines() if not line.strip().startswith(b"-----"))
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        return b""


def _decrypt(data: bytes, password: str | None, name: str) -> object:
    load = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in data else load_pem_private_key
    text = data.strip() + b"\n"
    try:
        try:
            return load(text, None)
        except TypeError:  # what cryptography raises for an encrypted key
            if password:
                return load(text, password.encode())
    except UnsupportedAlgorithm:
        raise _unusable_kind(name, "damaged, or of a kind that can't be used from here") from None
    except ValueError:
        # The cause stays behind: its text may quote what it could not parse.
        raise InvalidRequestError(f"{name} could not be loaded: {_why_not(data, password)}") from None
    raise InvalidRequestError(f"{name} is encrypted: pass its passphrase as {expression('ssh_key_password')}")


def _why_not(data: bytes, password: str | None) -> str:
    # openssh-key-v1 names the cipher first, "none" where there is no passphrase.
    openssh = _decoded_body(data).startswith(b"openssh-key-v1\0")
    encrypted = b"\0\0\0\x04none" not in _decoded_body(data)[:32] if openssh else b"ENCRYPTED" in data
    if password and encrypted:
        return f"the passphrase in {expression('ssh_key_password')} is wrong, or the file is damaged"
    return f"it is damaged or cut off; {SUPPORTED}"


def _checked_kind(key: object, name: str) -> SshPrivateKey:
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < MIN_RSA_BITS:
            raise _unusable_kind(name, f"an RSA key of {key.key_size} bits, which sshd finds too short")
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if key.curve.name not in ("secp256r1", "secp384r1", "secp521r1"):
            raise _unusable_kind(name, f"on the curve {key.curve.name}, which SSH does not use")
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, dsa.DSAPrivateKey):
        raise _unusable_kind(name, "a DSA key, which sshd no longer takes")
    raise _unusable_kind(name, "of a kind that SSH does not use")


def _unusable_kind(name: str, kind: str) -> InvalidRequestError:
    return InvalidRequestError(f"{name} is {kind}; {SUPPORTED}; {NEW_KEY}")


def _to_paramiko(key: SshPrivateKey) -> paramiko.PKey:
    # One format that all of paramiko's classes read, whatever the key came in: their own readers know fewer.
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    if isinstance(key, rsa.RSAPrivateKey):
        return paramiko.RSAKey.from_private_key(io.StringIO(text))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return paramiko.ECDSAKey.from_private_key(io.StringIO(text))
    return paramiko.Ed25519Key.from_private_key(io.StringIO(text))
