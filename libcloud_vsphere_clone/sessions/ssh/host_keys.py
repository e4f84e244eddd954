"""How a guest's sshd proves to be that guest's, and no other's.

Makes host keys for a guest that is told them at first boot, or reads the fingerprints that a guest published through
vCenter; gives the check that a session makes before it sends any credential. Never connects.

A fingerprint here is the key's type and its hash: ``ssh-ed25519 SHA256:…``, as ``ssh-keygen -l`` has it.

From the best proof to none:

1. *Seeded*: ``new_host_keys`` makes them, cloud-init installs them. The first login is checked already. Their private
   halves are in the user data, which every reader of the VM sees: only where cloud-init clears that after the boot.
2. *Published*: the guest says its fingerprints through VMware Tools (``publish_config``) at the end of its first
   boot; ``read_host_keys`` has them from vCenter. A login before that is not checked.
3. *Accepted*: the first key that a node just made shows.

Whichever it was, ``GuestSSHClient.host_key_fingerprint`` is what to remember and to check from then on.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ...errors import InvalidRequestError
from ...model import marks
from ...model.host_keys import HostKeys
from ...vcenter.rows import Row

__all__ = [
    "HostKeyCheck",
    "HostKeyError",
    "fingerprint_of",
    "new_host_keys",
    "read_host_keys",
    "to_mark",
]


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
""".replace("KEY", marks.PUBLISHED_HOST_KEYS)


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
        """Compare the key that the server showed.

        :raises HostKeyError: it is none of the known; says both, and what to do.
        """
        if found not in self.known:
            raise HostKeyError(
                f"its host key is {found}, and should be {' or '.join(sorted(self.known))}; nothing was sent. Either "
                "another machine answers at this address, or the guest has other keys than it was given (reinstalled, "
                "keys replaced, or an image without cloud-init: then mark it so): look at the keys on its console, "
                "then pass ex_transport=SSH(host_keys=[...])"
            )


def fingerprint_of(key: paramiko.PKey) -> str:
    """The fingerprint of a public key, or of the public half of a pair."""
    return f"{key.get_name()} {key.fingerprint}"


def new_host_keys() -> HostKeys:
    """New keys for one guest: Ed25519, and ECDSA for guests and clients in FIPS mode.

    Source: cloud-init documentation, module "SSH" (``ssh_keys``); checked with cloud-init 22.4.2.
    """
    pairs: dict[str, Ed25519PrivateKey | ec.EllipticCurvePrivateKey] = {
        "ed25519": Ed25519PrivateKey.generate(),
        "ecdsa": ec.generate_private_key(ec.SECP256R1()),
    }
    config: dict[str, str] = {}
    fingerprints = set()
    for kind, key in pairs.items():
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        config |= {f"{kind}_private": private.decode(), f"{kind}_public": f"{public.decode()}\n"}
        fingerprints.add(fingerprint_of(paramiko.PKey.from_type_string(*_parts(public))))
    return HostKeys(to_mark(fingerprints), {"ssh_keys": config}, publish_config())


def _parts(public: bytes) -> tuple[str, bytes]:
    """The type and the key of a line that begins with both."""
    kind, key = public.split()[:2]
    return kind.decode(), base64.b64decode(key)


def publish_config() -> dict[str, Any]:
    """Cloud-config by which the guest tells its fingerprints, at the end of its first boot."""
    return {"runcmd": [["sh", "-c", PUBLISH]]}


def to_mark(fingerprints: Iterable[str]) -> str:
    """Fingerprints as one text, for a mark: ``ssh-ed25519=SHA256:…,ecdsa-sha2-nistp256=SHA256:…``."""
    return ",".join(sorted(fingerprint.replace(" ", "=", 1) for fingerprint in fingerprints))


def read_host_keys(row: Row) -> tuple[frozenset[str], bool]:
    """The fingerprints that the guest's keys must have, and whether the node's mark has them.

    :param row: read with ``SESSION_PATHS``.
    """
    marked = _parse(marks.read_mark(row, marks.HOST_KEY))
    return (marked, True) if marked else (_parse(marks.read_mark(row, marks.PUBLISHED_HOST_KEYS)), False)


def _parse(text: object) -> frozenset[str]:
    words = {word.replace("=", " ", 1) for word in str(text or "").split(",")}
    return frozenset(word for word in words if FINGERPRINT.fullmatch(word))
