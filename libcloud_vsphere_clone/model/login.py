"""The login that a new node shall have, whatever mechanism sets it up. (pure)"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..errors import InvalidRequestError
from .names import check_text

__all__ = ["DEFAULT_USER", "WINDOWS_ADMINISTRATOR", "Login"]

DEFAULT_USER = "root"
"""The user of a login when neither the caller nor the image names one."""

WINDOWS_ADMINISTRATOR = "Administrator"
"""The only user whose password sysprep can set, whatever the account is called in the guest's language."""

HASH_ROUNDS = 100_000
"""The cost of the password hash: 20 times crypt's default, as guestinfo is open to every reader of the VM, yet
0.05 s here and at each login in the guest. Generated passwords are too long to guess at any cost."""

USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
"""useradd(8), CAVEATS."""


@dataclass(frozen=True)
class Login:
    """A user of the node, and what the user logs in with.

    On Linux the user is created where the image lacks it, with sudo without a password. The image's default user stays.

    :param username: None: the image's own user for logins, else root.
    """

    username: str | None = DEFAULT_USER
    public_keys: tuple[str, ...] = field(default=())
    """authorized_keys lines. Those for root are given to the image's default user as well, as clouds do."""
    password: str | None = field(default=None, repr=False)

    @cached_property
    def password_hash(self) -> str:
        """The password as crypt(3) stores it; made once for all nodes that share the login."""
        from passlib.hash import sha512_crypt

        return str(sha512_crypt.using(rounds=HASH_ROUNDS).hash(self.password))

    def __post_init__(self) -> None:
        if self.username not in (None, WINDOWS_ADMINISTRATOR) and not USER_NAME.fullmatch(str(self.username)):
            raise InvalidRequestError(
                f"{self.username!r} can't be a user name: use small letters, digits, '_' and '-', starting with "
                "a letter or '_', at most 32"
            )
        if self.username == "default":
            raise InvalidRequestError("'default' means the image's own user to cloud-init: name that user itself")
        if self.password is not None and (not isinstance(self.password, str) or not self.password):
            raise InvalidRequestError("the password is no text or empty: sshd refuses such a login")
        check_text(self.password or "", "the password")

    def named(self, default: str | None) -> Login:
        """The login with a user name: the caller's, else this default, else root."""
        if self.username is not None:
            return self
        made = replace(self, username=default or DEFAULT_USER)
        if self.password is not None:
            vars(made)["password_hash"] = self.password_hash  # a hash takes time, and a group shares it
        return made
