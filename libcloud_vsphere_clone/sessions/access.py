"""Who logs in to a node and with what: ``deploy_node``'s words in, one checked ``Access`` out. (no round trips)"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

from libcloud.compute.base import NodeAuthPassword, NodeAuthSSHKey

from ..model.login import DEFAULT_USER
from .ssh.keys import find_private_keys, load_private_keys, public_half

PASSWORD_BYTES = 18
"""Random bytes in a generated password: 24 characters, out of reach of guessing even from its hash."""

DEFAULT_USERNAME = DEFAULT_USER
"""Libcloud's default, which names nobody."""


class LoginOptions(TypedDict, total=False):
    """How to log in, as Libcloud's ``deploy_node`` calls it; shared by all verbs that do."""

    ssh_username: str | None
    ssh_alternate_usernames: Sequence[str] | None
    ssh_port: int
    ssh_timeout: float
    ssh_key: Any
    ssh_key_password: str | None
    auth: Any


@dataclass(frozen=True)
class Access:
    """How to log in to the node, and what the node is told for it.

    :param auth: what ``create_node`` is given; its ``generated`` says whether we made the password up.
    :param private_keys: paramiko keys, loaded before a VM exists.
    :param is_named: whether anybody said which user.
    """

    auth: Any
    usernames: Sequence[str]
    port: int
    timeout_s: float
    private_keys: Sequence[Any] = field(default=(), repr=False)
    password: str | None = field(default=None, repr=False)
    is_named: bool = True

    def as_user(self, username: str) -> Access:
        """The same for a transport whose own user is this one, which counts where nobody named one."""
        return self if self.is_named else replace(self, usernames=[username, *self.usernames[1:]])

    @property
    def username(self) -> str:
        """The first of them, for transports that try only one."""
        return self.usernames[0]

    @property
    def generated_password(self) -> str | None:
        """The password, if we made it up."""
        return self.password if getattr(self.auth, "generated", False) else None


def build_access(
    words: LoginOptions, marked: str | None = None, default: str | None = None, *, generate: bool = True
) -> Access:
    """How to log in, from ``deploy_node``'s words. Unusable keys are refused here, before a VM exists.

    ``root`` among the words names nobody.

    :param marked: whom the image names, which counts where the words do not say.
    :param default: whom the transport would take, where nobody says.
    :param generate: make a password up where nothing is given.
    :raises NotImplementedError: ``auth`` is of another type (Libcloud's own answer).
    :raises InvalidRequestError: a key cannot be used.
    """
    auth, ssh_key, named = words.get("auth"), words.get("ssh_key"), words.get("ssh_username")
    named = (named if named != DEFAULT_USERNAME else None) or marked
    if auth and not isinstance(auth, NodeAuthSSHKey | NodeAuthPassword):
        raise NotImplementedError("If providing auth, only NodeAuthSSHKey or NodeAuthPassword is supported")
    keys = load_private_keys(ssh_key, words.get("ssh_key_password")) if ssh_key else ()
    if not auth and keys:
        auth = NodeAuthSSHKey("\n".join(public_half(key) for key in keys))
    elif not auth and generate:
        auth = NodeAuthPassword(secrets.token_urlsafe(PASSWORD_BYTES), generated=True)
    elif isinstance(auth, NodeAuthSSHKey) and not keys:
        keys = find_private_keys(auth.pubkey)
    return Access(
        auth or None,
        [named or default or DEFAULT_USERNAME, *(words.get("ssh_alternate_usernames") or ())],
        words.get("ssh_port", 22),
        words.get("ssh_timeout", 10),
        keys,
        auth.password if isinstance(auth, NodeAuthPassword) else None,
        named is not None,
    )
