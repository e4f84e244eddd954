"""How to log in to nodes, and what to run there: options that commands share, and the driver's words for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

import click

from .connection import SECRET_FILE, read_secret

KEY_PASSWORD = "VSPHERE_CLONE_SSH_KEY_PASSWORD"  # noqa: S105 - the variable's name
SSH_PASSWORD = "VSPHERE_CLONE_SSH_PASSWORD"  # noqa: S105 - the variable's name

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

key_file = click.Path(exists=True, dir_okay=False)
text_file = click.File("rb")

SCRIPT_OPTIONS = (
    click.option("--script", type=text_file, help="Run this file's script in the node; - is stdin."),
    click.option("--command", help="Run this shell command in the node."),
)

LOGIN_OPTIONS = (
    click.option("--ssh-key", type=key_file, help="Private key to log in with; deploy lets its owner in."),
    click.option("--ssh-key-password-file", type=SECRET_FILE, help=f"Holds its passphrase. Default: {KEY_PASSWORD}."),
    click.option("--ssh-password-file", type=SECRET_FILE, help=f"Holds the user's password. Default: {SSH_PASSWORD}."),
    click.option("--ssh-username", default="root", show_default=True, help="Whom to log in as."),
)

BOOT_TIMEOUT = click.option(
    "--boot-timeout",
    type=click.FloatRange(1),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds to get an address, and again to log in.",
)


@dataclass(frozen=True)
class GuestLogin:
    """Whom to log in as, and with what."""

    username: str = "root"
    key: str | None = None
    key_password: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    def check(self) -> None:
        """:raises click.UsageError: there is nothing to log in with."""
        if not (self.key or self.password):
            raise click.UsageError(f"give --ssh-key or --ssh-password-file (or {SSH_PASSWORD})")

    def deploy_words(self) -> dict[str, Any]:
        """For the driver's verbs that log in."""
        return {
            "ssh_username": self.username,
            "ssh_key": self.key,
            "ssh_key_password": self.key_password,
            "auth": self._password_auth(),
        }

    def create_words(self) -> dict[str, Any]:
        """For its verbs that only make nodes: what lets the user in later."""
        return {"auth": self._password_auth() or self._key_auth(), "ex_username": self.username}

    def _password_auth(self) -> Any:
        from libcloud.compute.base import NodeAuthPassword

        return NodeAuthPassword(self.password) if self.password else None

    def _key_auth(self) -> Any:
        from libcloud.compute.base import NodeAuthSSHKey

        from ..sessions.ssh.keys import load_private_key, public_half

        return NodeAuthSSHKey(public_half(load_private_key(self.key, self.key_password))) if self.key else None


def with_options(*options: Any) -> Decorator:
    """All these options, in this order in the help."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def build_login(
    *, ssh_username: str, ssh_key: str | None, ssh_key_password_file: str | None, ssh_password_file: str | None
) -> GuestLogin:
    """The log-in that LOGIN_OPTIONS mean.

    :raises click.UsageError: they exclude each other, or a secret cannot be read.
    """
    if ssh_key and ssh_password_file:
        raise click.UsageError("--ssh-key and --ssh-password-file exclude each other")
    return GuestLogin(
        username=ssh_username,
        key=ssh_key,
        key_password=read_secret(ssh_key_password_file, KEY_PASSWORD) if ssh_key else None,
        password=None if ssh_key else read_secret(ssh_password_file, SSH_PASSWORD),
    )


def read_script(script: IO[bytes] | None, command: str | None) -> str | None:
    """The script that SCRIPT_OPTIONS mean, if any.

    :raises click.UsageError: both are given, or the file is no text.
    """
    if script is None:
        return command
    if command is not None:
        raise click.UsageError("--script and --command exclude each other")
    try:
        return script.read().decode()
    except UnicodeDecodeError as cause:
        raise click.UsageError(f"--script: {script.name} is no text in UTF-8") from cause
