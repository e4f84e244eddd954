"""How a guest's sshd is known to be that guest's, and nobody else's.

Makes a host key for a guest that is told it at first boot, or reads the fingerprints that a guest published through
vCenter; gives the check that a session makes before it sends any credential. Never connects.

A fingerprint here is the key's type and its hash: ``ssh-ed25519 SHA256:…``, as ``ssh-keygen -l`` has it.

From the best proof to none:

1. *Seeded*: ``new_host_key`` makes the pair, cloud-init installs it. The first login is checked already. Its private
   half is in the user data, which every reader of the VM sees: only where cloud-init clears that after the boot.
2. *Published*: the guest says its fingerprints through VMware Tools (``publish_config``) at the end of its first
   boot; ``read_host_keys`` has them from vCenter. A login before that is not checked.
3. *Accepted*: the first key that a node just made shows.

Whichever it was, ``GuestSSHClient.host_key_fingerprint`` is what to remember and to check from then on.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ..errors import InvalidRequestError
from ..vcenter.rows import Row

__all__ = [
    "HOST_KEYS_KEY",
    "HOST_KEYS_PATH",
    "HostKey",
    "HostKeyCheck",
    "HostKeyError",
    "fingerprint_of",
    "new_host_key",
    "publish_config",
    "read_host_keys",
]

HOST_KEYS_KEY = "guestinfo.libcloud.hostkeys"
HOST_KEYS_PATH = f'config.extraConfig["{HOST_KEYS_KEY}"].value'

FINGERPRINT = re.compile(r"[a-z0-9@.-]+ SHA256:[A-Za-z0-9+/]{43}")

ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""Signatures by type of key, where they have other names than the key (RFC 8332)."""

PUBLISH = """\
keys=
for file in /etc/ssh/ssh_host_*_key.pub; do
    kind=$(cut -d' ' -f1 "$file")
    hash=$(ssh-keygen -l -E sha256 -f "$file" | cut -d' ' -f2)
    keys="${keys:+$keys,}$kind=$hash"
done
message="info-set KEY $keys"
vmware-rpctool "$message" >/dev/null 2>&1 || vmtoolsd --cmd "$message" >/dev/null 2>&1 || :
""".replace("KEY", HOST_KEYS_KEY)


@dataclass(frozen=True)
class HostKey:
    """A pair for one guest's sshd.

    :param cloud_config: what makes cloud-init install it, in place of generating any. It has the private half.
    """

    fingerprint: str
    cloud_config: dict[str, Any] = field(repr=False)


class HostKeyError(Exception):
    """The server has another key than it should; connecting again does not help."""


@dataclass(frozen=True)
class HostKeyCheck:
    """Which keys a server may have.

    :param known: fingerprints; one of them has to be the server's.
    """

    known: frozenset[str]

    def __post_init__(self) -> None:
        wrong = sorted(known for known in self.known if not FINGERPRINT.fullmatch(known))
        if wrong or not self.known:
            raise InvalidRequestError(
                f"{', '.join(map(repr, wrong)) or 'nothing'} is no fingerprint of a host key; they look like "
                "'ssh-ed25519 SHA256:…'"
            )

    def preferred(self, algorithms: Sequence[str]) -> tuple[str, ...]:
        """The algorithms with those of known keys first: a server has several keys, and shows one."""
        kinds = {known.partition(" ")[0] for known in self.known}
        wanted = {name for kind in kinds for name in ALGORITHMS.get(kind, (kind,))}
        return tuple(sorted(algorithms, key=lambda name: name not in wanted))

    def check(self, found: str) -> None:
        """:raises HostKeyError: the server's key is none of the known; says both, and what to do."""
        if found not in self.known:
            raise HostKeyError(
                f"its host key is {found}, and should be {' or '.join(sorted(self.known))}; nothing was sent. Either "
                "another machine answers at this address, or the guest was given new keys (reinstalled, or "
                "ssh_host_*_key replaced): look at the keys on its console, then have the new one remembered"
            )


def fingerprint_of(key: paramiko.PKey) -> str:
    """The fingerprint of a public key, or of the public half of a pair."""
    return f"{key.get_name()} {key.fingerprint}"


def new_host_key() -> HostKey:
    """A new Ed25519 pair.

    Source: cloud-init documentation, module "SSH" (``ssh_keys``); checked with cloud-init 22.4.2.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    fingerprint = fingerprint_of(paramiko.Ed25519Key(data=base64.b64decode(public.split()[1])))
    return HostKey(fingerprint, {"ssh_keys": {"ed25519_private": private, "ed25519_public": f"{public}\n"}})


def publish_config() -> dict[str, Any]:
    """Cloud-config by which the guest tells its fingerprints, at the end of its first boot."""
    return {"runcmd": [["sh", "-c", PUBLISH]]}


def read_host_keys(row: Row) -> frozenset[str]:
    """The fingerprints that the guest published; empty when it has not.

    :param row: has ``HOST_KEYS_PATH``.
    """
    words = str(row.get(HOST_KEYS_PATH) or "").split(",")
    published = {word.replace("=", " ", 1) for word in words}
    return frozenset(text for text in published if FINGERPRINT.fullmatch(text))
