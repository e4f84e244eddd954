"""The login to a node: a caller's ``LoginOptions`` in, one checked ``Access`` out. (no round trips)"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from libcloud.compute.base import NodeAuthPassword, NodeAuthSSHKey

from ..model.login import DEFAULT_USER
from .options import LoginOptions

if TYPE_CHECKING:
    import paramiko

__all__ = ["Access", "build_access"]

Auth = NodeAuthPassword | NodeAuthSSHKey

PASSWORD_BYTES = 18
"""Random bytes in a generated password: 24 characters, out of reach of guessing even from its hash."""


@dataclass(frozen=True)
class Access:
    """How to log in to the node, and what the node is told for it.

    :param auth: what ``create_node`` is given; its ``generated`` says whether the password was made up here.
    :param private_keys: loaded before a VM exists.
    :param is_named: whether the caller or the image named the user.
    """

    auth: Auth | None
    usernames: Sequence[str]
    port: int
    timeout_s: float
    private_keys: Sequence[paramiko.PKey] = field(default=(), repr=False)
    password: str | None = field(default=None, repr=False)
    is_named: bool = True

    def as_user(self, username: str) -> Access:
        """The same for a transport whose own user is this one, which counts where none was named."""
        return self if self.is_named else replace(self, usernames=[username, *self.usernames[1:]])

    @property
    def username(self) -> str:
        """The first user, for transports that try only one."""
        return self.usernames[0]

    @property
    def generated_password(self) -> str | None:
        """The password, if it was made up here."""
        return self.password if getattr(self.auth, "generated", False) else None


def build_access(
    options: LoginOptions, marked: str | None = None, default: str | None = None, *, generate: bool = True
) -> Access:
    """How to log in, by a caller's options. Unusable keys are refused here, before a VM exists.

    The user name ``root`` in the options counts as none.

    :param marked: the user that the image names, where the options name none.
    :param default: the transport's own user, where neither names one.
    :param generate: make a password up where nothing is given.
    :raises NotImplementedError: ``auth`` is of another type (Libcloud's own answer).
    :raises InvalidRequestError: a key cannot be used.
    """
    named = (options.username if options.username != DEFAULT_USER else None) or marked
    auth, keys = _auth_and_keys(options, generate=generate)
    return Access(
        auth,
        [named or default or DEFAULT_USER, *(options.alternate_usernames or ())],
        options.port,
        options.timeout_s,
        keys,
        auth.password if isinstance(auth, NodeAuthPassword) else None,
        named is not None,
    )


def _auth_and_keys(options: LoginOptions, *, generate: bool) -> tuple[Auth | None, Sequence[paramiko.PKey]]:
    """What the node is told, and the private keys that log in to it."""
    from .ssh.keys import find_private_keys, load_private_keys, public_half  # loads cryptography

    auth = options.auth
    if auth and not isinstance(auth, NodeAuthSSHKey | NodeAuthPassword):
        raise NotImplementedError("If providing auth, only NodeAuthSSHKey or NodeAuthPassword is supported")
    keys = load_private_keys(options.key, options.key_password) if options.key else ()
    if not auth and keys:
        return NodeAuthSSHKey("\n".join(public_half(key) for key in keys)), keys
    if not auth and generate:
        return NodeAuthPassword(secrets.token_urlsafe(PASSWORD_BYTES), generated=True), ()
    if isinstance(auth, NodeAuthSSHKey) and not keys:
        return auth, find_private_keys(auth.pubkey)
    return auth or None, keys
