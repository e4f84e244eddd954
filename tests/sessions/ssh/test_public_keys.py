"""Public keys as callers give them, and what sshd would not take."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.sessions.ssh.public_keys import check_public_key

MakeKey = Callable[..., Path]


def public_text(private: Path) -> str:
    return private.with_name(f"{private.name}.pub").read_text().strip()


def test_public_keys_are_checked(client_key: Path, make_key: MakeKey) -> None:
    first, second = public_text(client_key), public_text(make_key("-t", "ecdsa"))
    text = f"\n# team\n{first}\r\n\n  {second}  \n"
    assert check_public_key(text) == f"{first}\n{second}"
    restricted = f'from="10.0.0.0/8,!10.1.0.0/16",no-pty,command="echo \\"x y\\"" {first}'
    assert check_public_key(restricted) == restricted
    bare = " ".join(first.split()[:2])
    assert check_public_key(bare) == bare


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("hunter2", "pass the contents of a .pub file"),
        ("id_ed25519.pub", "pass the contents of a .pub file"),
        ("ssh-ed25519", "pass the contents of a .pub file"),
        ("ssh-ed25519 AAAA", "damaged or cut off"),
        ("ssh-dss AAAAB3NzaC1kc3MAAACB", "keys of type ssh-dss can't log in"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "can't log in"),
        ("ssh-rsa !!!!", "pass the contents of a .pub file"),
    ],
)
def test_what_is_no_public_key_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=re.escape(reason)) as caught:
        check_public_key(text)
    assert "hunter2" not in str(caught.value)


def test_public_keys_that_are_not(client_key: Path) -> None:
    public = public_text(client_key)
    with pytest.raises(InvalidRequestError, match=r"private key was given .* \.pub file"):
        check_public_key(client_key.read_text())
    kind, blob = public.split()[:2]
    with pytest.raises(InvalidRequestError, match="damaged"):
        check_public_key(f"{kind} {blob[:-8]}")
    with pytest.raises(InvalidRequestError, match="damaged"):
        check_public_key(f"ssh-rsa {blob}")
    with pytest.raises(InvalidRequestError, match=r"contents of a \.pub file"):
        check_public_key(f"{kind} {blob} a\x00b")
