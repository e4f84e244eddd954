"""The login to an SSH server: a negotiated transport, a user, keys and a password in; a logged-in transport out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import paramiko

from ...errors import AuthenticationError
from .connection import Place

__all__ = ["SSHLogin"]


@dataclass
class SSHLogin:
    """One attempt at a login.

    :param keys: private keys, tried in this order before the password.
    :param password: None to send none.
    """

    place: Place
    username: str
    keys: Sequence[paramiko.PKey] = field(default=(), repr=False)
    password: str | None = field(default=None, repr=False)
    password_refused: bool = False
    """Whether the password was sent and the server refused it."""

    def log_in(self, transport: paramiko.Transport) -> None:
        """Log in by what the server takes: by nothing, a key or the password.

        :raises ConnectionFailedError: the connection was lost on the way.
        :raises AuthenticationError: the server refuses the keys and the password.
        """
        try:
            transport.auth_none(self.username)
        except paramiko.BadAuthenticationType as offer:
            methods = set(offer.allowed_types)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self.place.failed(error) from error
        else:
            return
        refusals = [*self._try_keys(transport, methods), *self._try_password(transport, methods)]
        if not transport.is_authenticated():
            raise AuthenticationError(
                f"{self.place} refused the login as {self.username!r}: "
                f"{'; '.join(refusals) or 'neither a key nor a password was given'}"
            )

    def _try_keys(self, transport: paramiko.Transport, methods: set[str]) -> list[str]:
        """Why the keys were refused; empty when one was taken, or there is none."""
        if self.keys and "publickey" not in methods:
            return [f"it takes no keys, only {_listed(methods)}"]
        for key in self.keys:
            if self._try(transport, partial(transport.auth_publickey, self.username, key)):
                return []
        return [f"{len(self.keys)} key(s) refused"] if self.keys else []

    def _try_password(self, transport: paramiko.Transport, methods: set[str]) -> list[str]:
        password = self.password
        if password is None or transport.is_authenticated():
            return []
        # Asked for first: sshd logs a password that it does not want as a failed one, and fail2ban counts it.
        if "password" in methods:
            if self._try(transport, lambda: transport.auth_password(self.username, password, fallback=False)):
                return []
        elif "keyboard-interactive" in methods:
            answer = _answer_with(password)
            if self._try(transport, lambda: transport.auth_interactive(self.username, answer)):
                return []
        else:
            return [f"it takes no passwords, only {_listed(methods)}"]
        self.password_refused = True
        return ["the password is refused"]

    def _try(self, transport: paramiko.Transport, attempt: Callable[[], object]) -> bool:
        try:
            attempt()
        except paramiko.AuthenticationException as error:
            # paramiko calls a connection lost on the way a refusal as well.
            if not transport.is_active() or "timeout" in str(error):
                raise self.place.failed(error) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self.place.failed(error) from error
        return transport.is_authenticated()


def _answer_with(password: str) -> Callable[[str, str, list[tuple[str, bool]]], list[str]]:
    return lambda _title, _instructions, prompts: [password for _ in prompts]


def _listed(methods: set[str]) -> str:
    return ", ".join(sorted(methods)) or "nothing"
