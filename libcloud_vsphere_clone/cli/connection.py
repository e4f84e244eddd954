"""Options and VSPHERE_CLONE_* variables → a connected driver.

The password comes from a file, a variable or a prompt, never from an option: those stand in the list of processes.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .group import debug_option

if TYPE_CHECKING:
    from ..driver.compute import VsphereCloneNodeDriver
    from ..lab.record import LabRecord

PASSWORD = "VSPHERE_CLONE_PASSWORD"  # noqa: S105 - the variable's name
MAX_SECRET_BYTES = 100_000

SECRET_FILE = click.Path(dir_okay=False, allow_dash=True)
"""An option whose value ``read_secret`` takes."""


@dataclass(frozen=True)
class DriverConnection:
    """The vCenter that the options name."""

    host: str | None = None
    port: int | None = None
    username: str | None = None
    password_file: str | None = None
    ca_cert: str | None = None
    thumbprint: str | None = None
    insecure: bool = False
    timeout: float = 60.0
    datacenter: str | None = None
    images_folder: str = "jclouds-images"
    nodes_folder: str | None = None
    allow_unmanaged: bool = False
    lab: str | None = None

    @property
    def is_named(self) -> bool:
        """Whether there is anything to connect to."""
        return bool(self.host or self.lab)


def connection_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of a connection; it is called with a DriverConnection as its first argument."""

    @functools.wraps(command)
    def with_connection(**words: Any) -> None:
        given = {field.name: words.pop(field.name) for field in fields(DriverConnection)}
        command(_build_connection(given), **words)

    decorated: Callable[..., None] = with_connection
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return debug_option(decorated)


@contextmanager
def connected(connection: DriverConnection) -> Iterator[VsphereCloneNodeDriver]:
    """A driver that is connected inside the block.

    :raises click.UsageError: it is not said what to connect to, or as whom.
    :raises VsphereError: it could not connect.
    """
    driver = open_driver(connection)
    try:
        yield driver
    finally:
        driver.close()


def open_driver(connection: DriverConnection) -> VsphereCloneNodeDriver:
    """A driver, connected; the caller closes it."""
    username, password, target = _target(connection)
    from ..driver.compute import VsphereCloneNodeDriver

    with _verification(connection):
        return VsphereCloneNodeDriver(
            username,
            password,
            timeout=connection.timeout,
            ex_thumbprint=connection.thumbprint,
            ex_images_folder=connection.images_folder,
            ex_nodes_folder=connection.nodes_folder,
            ex_allow_unmanaged=connection.allow_unmanaged,
            **target,
        )


def server_address(connection: DriverConnection) -> tuple[str, int]:
    """The host and port that the connection goes to."""
    if connection.lab:
        lab = _get_lab(connection.lab).connection()
        return str(lab["host"]), int(lab["port"])
    return str(connection.host), connection.port or 443


def read_secret(file: str | None, variable: str) -> str | None:
    """The secret in the file, else in the variable; None if neither is given.

    :param file: its path; ``-`` is standard input. Line ends at its end are no part of the secret.
    :raises click.UsageError: it cannot be read, or holds nothing.
    """
    if file is None:
        return os.environ.get(variable) or None
    try:
        if file == "-":
            secret = sys.stdin.read(MAX_SECRET_BYTES)
        else:
            with Path(file).expanduser().open(encoding="utf-8") as opened:
                secret = opened.read(MAX_SECRET_BYTES)
    except (OSError, UnicodeDecodeError) as cause:
        reason = getattr(cause, "strerror", None) or "it is no text"
        raise click.UsageError(f"the secret in {file!r} cannot be read: {reason}") from cause
    if not secret.rstrip("\r\n"):
        raise click.UsageError(f"{file!r} holds no secret: it is empty")
    return secret.rstrip("\r\n")


def _target(connection: DriverConnection) -> tuple[str, str, dict[str, Any]]:
    """User name, password, and the driver's words for where to connect."""
    if connection.lab:
        return _lab_target(connection, connection.lab)
    if not connection.host:
        raise click.UsageError("no vCenter is named: give --host (or VSPHERE_CLONE_HOST), or --lab for a running lab")
    if not connection.username:
        raise click.UsageError("no user is named: give --username (or VSPHERE_CLONE_USERNAME)")
    target = {
        "host": connection.host,
        "port": connection.port,
        "ca_cert": connection.ca_cert,
        "ex_datacenter": connection.datacenter,
    }
    return connection.username, _password(connection), target


def _lab_target(connection: DriverConnection, name: str) -> tuple[str, str, dict[str, Any]]:
    """The same for a lab, which knows all of it; what was typed wins."""
    lab = _get_lab(name).connection()
    target = {
        "host": lab["host"],
        "port": lab["port"],
        "ca_cert": connection.ca_cert or lab["ca_cert"],
        "ex_datacenter": connection.datacenter or lab["datacenter"],
    }
    typed = read_secret(connection.password_file, PASSWORD) if connection.password_file else None
    return connection.username or lab["username"], typed or lab["password"], target


def _get_lab(name: str) -> LabRecord:
    from ..lab.record import get_lab  # what is written down is enough: no lab is started or steered here

    return get_lab(name)


def _password(connection: DriverConnection) -> str:
    password = read_secret(connection.password_file, PASSWORD)
    if password is None and sys.stdin.isatty():
        asked = f"Password of {connection.username} at {connection.host}"
        password = str(click.prompt(asked, hide_input=True, err=True))
    if password is None:
        raise click.UsageError(f"no password: set {PASSWORD}, give --password-file, or run it on a terminal")
    return password


def _build_connection(given: dict[str, Any]) -> DriverConnection:
    """The connection that options and variables mean: of a lab and a host, the one that was typed.

    Variables say how to reach some vCenter of yours, so with a lab only what was typed counts.

    :raises click.UsageError: a lab and a host are there, and neither or both were typed.
    """
    context = click.get_current_context()
    typed = {name for name in given if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    if given["lab"] and given["host"]:
        if ("lab" in typed) is ("host" in typed):
            raise click.UsageError("--host and --lab exclude each other (VSPHERE_CLONE_HOST and VSPHERE_CLONE_LAB too)")
        given["lab"] = given["lab"] if "lab" in typed else None
    if given["lab"]:
        given = {name: value for name, value in given.items() if name in typed | {"lab"}}
    return DriverConnection(**given)


@contextmanager
def _verification(connection: DriverConnection) -> Iterator[None]:
    """Libcloud's own switch, off for as long as the driver reads it; the warning is ours to word."""
    if not connection.insecure:
        yield
        return
    import warnings

    import libcloud.security

    click.echo(
        "warning: the server's certificate is not verified (--insecure): anyone on the way can read the password; "
        "use --ca-cert or --thumbprint instead",
        err=True,
    )
    before = libcloud.security.VERIFY_SSL_CERT
    libcloud.security.VERIFY_SSL_CERT = False
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*VERIFY_SSL_CERT is False")
            yield
    finally:
        libcloud.security.VERIFY_SSL_CERT = before


def _option(name: str, help_text: str, **attributes: Any) -> Any:
    variable = f"VSPHERE_CLONE_{name.removeprefix('--').replace('-', '_').upper()}"
    return click.option(name, envvar=variable, help=help_text, **attributes)


_OPTIONS = (
    _option("--host", "The vCenter Server's name or address."),
    _option("--port", "Of its API.  [default: 443]", type=click.IntRange(1, 65535), metavar="NUMBER"),
    _option("--username", "Such as administrator@vsphere.local."),
    _option("--password-file", f"Holds the password; - is stdin. Default: {PASSWORD}, or a prompt.", type=SECRET_FILE),
    _option("--ca-cert", "PEM file; trust only what it signed.", type=click.Path(exists=True, dir_okay=False)),
    _option("--thumbprint", "SHA-256 of the server's certificate; trust only this one."),
    _option("--insecure", "Do not verify the server's certificate.", is_flag=True),
    _option(
        "--timeout",
        "Seconds to wait for an answer.",
        default=DriverConnection.timeout,
        type=click.FloatRange(1),
        show_default=True,
        metavar="SECONDS",
    ),
    _option("--datacenter", "Needed where several have the images folder."),
    _option("--images-folder", "Where the images are.", default=DriverConnection.images_folder, show_default=True),
    _option("--nodes-folder", "Where the groups' folders are.  [default: beside the images folder]"),
    _option("--allow-unmanaged", "Nodes that this driver did not make, too.", is_flag=True),
    _option(
        "--lab",
        "Connect to the running lab of this name  [default]. Write --lab=NAME before an argument.",
        is_flag=False,
        flag_value="default",
        metavar="[NAME]",
    ),
)
