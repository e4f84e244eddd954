"""``vsphere-clone doctor``: whether all is there that a clone needs, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from ..connection import DriverConnection, connection_options, open_driver, server_address
from ..error_messages import describe_error
from ..output import cell, json_option, print_json

if TYPE_CHECKING:
    from libcloud.compute.base import NodeImage

    from ...driver.compute import VsphereCloneNodeDriver

OK, FAILED, SKIPPED = "ok", "failed", "skipped"
CONNECT_CHECKS = ("connection", "TLS", "product", "login")
"""What making a driver checks, in the order in which it does."""

REMEDIES = {
    "connection": "check --host, --port and what is between here and there (firewall, DNS, VPN)",
    "TLS": "give --ca-cert with the CA that signed it, or --thumbprint once you know it is the server's",
    "product": "connect to a vCenter Server: only it can clone",
    "login": "check --username (user@domain) and the password; it was tried once",
    "images folder": "in vCenter, make the folder and put templates into it; or name another with --images-folder",
    "placement": "free or repair what the reason names, or choose another place with --location, --datastore, --pool",
    "container engine": "install one; without it a lab serves its vCenter, and no guests",
}
STYLES = {OK: "green", FAILED: "red", SKIPPED: "yellow"}


@dataclass(frozen=True)
class Check:
    """What came of one check."""

    check: str
    result: str
    detail: str = ""
    remedy: str | None = None


@click.command()
@connection_options
@json_option
def doctor(connection: DriverConnection, as_json: bool) -> None:
    """Check what a clone needs, and say what to do.

    From the connection to a place for a clone of each image, and what the lab needs. Nothing is changed. Privileges
    are not checked. Exit status 1 if a check failed; a missing container engine is none where --host names a vCenter:
    only the lab needs one.
    """
    done = []
    for check in _checks(connection):
        done.append(check)
        if not as_json:
            _show(check)
    good = all(check.result != FAILED for check in done)
    if as_json:
        print_json({"ok": good, "checks": [asdict(check) for check in done]})
    raise click.exceptions.Exit(0 if good else 1)


def _checks(connection: DriverConnection) -> Iterator[Check]:
    if not connection.is_named:
        yield Check("connection", SKIPPED, "no vCenter is named", "give --host, or --lab for a lab that runs here")
        yield from _skipped((*CONNECT_CHECKS[1:], "images folder", "placement"))
    else:
        yield from _server_checks(connection)
    yield _check_engine(needed=connection.host is None)


def _server_checks(connection: DriverConnection) -> Iterator[Check]:
    from ...errors import VsphereError
    from ...lab import LabError

    try:
        driver = open_driver(connection)
    except (VsphereError, LabError) as failure:
        yield from _failed_connect(connection, failure)
        yield from _skipped(("images folder", "placement"))
        return
    with driver:
        for name in CONNECT_CHECKS:
            yield Check(name, OK, _connect_detail(name, connection, driver))
        yield from _image_checks(driver, connection)


def _failed_connect(connection: DriverConnection, failure: Exception) -> Iterator[Check]:
    """The four checks, when one of them failed: those before it are passed, those after it not made."""
    from ...errors import InvalidRequestError

    where = CONNECT_CHECKS.index(_failed_check(failure))
    failed = CONNECT_CHECKS[where]
    # What is wrong with trust settings themselves is found before anything is dialled.
    dialled = not (failed == "TLS" and isinstance(failure, InvalidRequestError))
    for name in CONNECT_CHECKS[:where]:
        yield Check(name, OK) if dialled else Check(name, SKIPPED, "nothing was sent")
    remedy = REMEDIES[failed]
    if failed == "TLS" and (thumbprint := _read_thumbprint(connection)):
        remedy += f"; the one that answers now has {thumbprint}"
    yield Check(failed, FAILED, describe_error(failure), remedy)
    yield from _skipped(CONNECT_CHECKS[where + 1 :])


def _failed_check(failure: Exception) -> str:
    """Which of the checks an error of the connection belongs to."""
    import ssl

    from ...errors import AuthenticationError, ConnectionFailedError, InvalidRequestError

    causes = (getattr(failure, "fault", None), failure.__cause__)
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "TLS"
    match failure:
        case AuthenticationError():
            return "login"
        case ConnectionFailedError():
            # What fails without a cause below was answered, by something else than a vCenter.
            return "connection" if any(causes) else "product"
        case InvalidRequestError():
            parameters = {"thumbprint": "TLS", "CA file": "TLS", "host=": "connection"}
            return next((check for word, check in parameters.items() if word in str(failure)), "product")
        case _:
            return "connection"


def _connect_detail(name: str, connection: DriverConnection, driver: VsphereCloneNodeDriver) -> str:
    if name == "TLS":
        return "not verified, as --insecure says" if connection.insecure else "the certificate is trusted"
    host, port = server_address(connection)
    return {
        "connection": f"{host}:{port} answers",
        "product": "a vCenter Server",
        "login": f"as {driver.key}",
    }[name]


def _image_checks(driver: VsphereCloneNodeDriver, connection: DriverConnection) -> Iterator[Check]:
    from ...errors import VsphereError

    folder, remedy = connection.images_folder, REMEDIES["images folder"]
    try:
        images = sorted(driver.list_images(), key=lambda image: image.extra["path"])
    except VsphereError as failure:
        yield Check("images folder", FAILED, describe_error(failure), remedy)
        yield from _skipped(("placement",))
        return
    if not images:
        yield Check("images folder", FAILED, f"no image is in {folder!r}", remedy)
        yield from _skipped(("placement",))
        return
    yield Check("images folder", OK, f"{folder!r} has {len(images)}")
    for image in images:
        yield _check_placement(driver, image)


def _check_placement(driver: VsphereCloneNodeDriver, image: NodeImage) -> Check:
    from ...errors import VsphereError

    name = f"placement of {image.extra['path']}"
    try:
        found = driver.ex_find_placement(None, image)
    except VsphereError as failure:
        return Check(name, FAILED, describe_error(failure), REMEDIES["placement"])
    host = f", host {found.host}" if found.host not in (None, found.location) else ""
    return Check(name, OK, f"on {found.location}{host}, datastore {found.datastore}")


def _check_engine(*, needed: bool) -> Check:
    from ...lab import LabError
    from ...lab.engine import find_engine

    name = "container engine"
    try:
        engine = find_engine()
    except LabError as failure:
        return Check(name, FAILED if needed else SKIPPED, describe_error(failure), REMEDIES[name])
    return Check(name, OK, f"{engine.kind} runs, for the lab's guests")


def _skipped(names: tuple[str, ...]) -> Iterator[Check]:
    for name in names:
        yield Check(name, SKIPPED, "an earlier check has to pass first")


def _read_thumbprint(connection: DriverConnection) -> str | None:
    """The SHA-256 of the certificate that the server shows; nothing is sent to it."""
    import hashlib
    import ssl

    try:
        pem = ssl.get_server_certificate(server_address(connection), timeout=connection.timeout)
    except (OSError, ValueError):
        return None
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _show(check: Check) -> None:
    result: Any = click.style(f"{check.result:<8}", fg=STYLES[check.result])
    click.echo(f"{result}{cell(check.check)}{': ' * bool(check.detail)}{cell(check.detail)}")
    if check.remedy:
        click.echo(f"{'':<8}  {cell(check.remedy)}")
