"""Files over HTTP, to and from the URLs that vCenter gives out for one transfer each.

Takes a session, a URL and a stream; gives the bytes moved. The server may be vCenter itself or the ESXi host that has
the VM: trusted are the servers that the session trusts, and a host with the certificate that a trusted vCenter says it
has. Nothing is held in memory as a whole.
"""

from __future__ import annotations

import http.client
import ssl
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from ..errors import CONNECTION_ERRORS, ConnectionFailedError, InvalidRequestError, translated
from ..option_names import expression
from .host_certificate import fetch_host_pin
from .rows import Ref
from .session import Session
from .tls import Trust, build_context, connection_class

__all__ = ["CHUNK_BYTES", "download", "upload"]

CHUNK_BYTES = 256 * 1024


class _Place(NamedTuple):
    host: str
    port: int
    target: str
    is_vcenter: bool


def upload(session: Session, vm: Ref, url: str, contents: IO[bytes], size_bytes: int) -> None:
    """Send ``size_bytes`` bytes, read from ``contents`` piece by piece.

    :raises ConnectionFailedError: the server was not reached, is not trusted, or refused; the file may be cut short.
    Source: GuestFileManager.InitiateFileTransferToGuest: "the URL to which the user has to send HTTP PUT request".
    """
    place = _place_of(session, url)
    with _reported(session, place), _connected(session, vm, place) as connection:
        headers = {**_headers(session, place), "Content-Length": str(size_bytes)}
        connection.request("PUT", place.target, _pieces(contents, size_bytes), headers)
        _check(connection.getresponse(), place).read()


def download(session: Session, vm: Ref, url: str, into: IO[bytes]) -> int:
    """How many bytes were written into ``into``.

    :raises ConnectionFailedError: the server was not reached, is not trusted, refused, or ended too early.
    Source: FileTransferInformation.url (vSphere Web Services API).
    """
    place = _place_of(session, url)
    with _reported(session, place), _connected(session, vm, place) as connection:
        connection.request("GET", place.target, headers=_headers(session, place))
        response = _check(connection.getresponse(), place)
        count = 0
        while chunk := response.read(CHUNK_BYTES):
            into.write(chunk)
            count += len(chunk)
        if response.length:
            raise ConnectionFailedError(
                f"could not transfer a file of the guest by {place.host}: it was cut short after {count} bytes"
            )
        return count


def _place_of(session: Session, url: str) -> _Place:
    """Where to go. A host ``*`` is "the name of the server to which the call was made" (FileTransferInformation.url);
    its port is then the session's as well, which may be a forwarded one.
    """
    parts = urlsplit(url)
    endpoint = session.endpoint
    host, port = endpoint.host, endpoint.port
    if parts.hostname != "*":
        host, port = parts.hostname or "", parts.port or (443 if endpoint.trust else 80)
        if (parts.scheme == "https") != (endpoint.trust is not None):
            raise InvalidRequestError(
                f"vCenter wants a file transferred by {parts.scheme} with {host}, and the session does not speak that"
            )
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return _Place(host, port, target, (host, port) == (endpoint.host, endpoint.port))


@contextmanager
def _connected(session: Session, vm: Ref, place: _Place) -> Iterator[http.client.HTTPConnection]:
    endpoint = session.endpoint
    connection: http.client.HTTPConnection
    if endpoint.trust is not None:
        trust = endpoint.trust if place.is_vcenter else _host_trust(session, vm, place.host, endpoint.trust)
        dial = connection_class(trust)
        connection = dial(place.host, place.port, timeout=endpoint.timeout_s, context=build_context(trust))
    else:
        connection = http.client.HTTPConnection(place.host, place.port, timeout=endpoint.timeout_s)
    try:
        yield connection
    finally:
        connection.close()


def _host_trust(session: Session, vm: Ref, host: str, trust: Trust) -> Trust:
    """What makes this host the right one: the certificate that vCenter says it has, or else whom the session trusts."""
    if not trust.verify:
        return trust
    pins = _host_pins.setdefault(session, {})
    pin = pins.get(host) or fetch_host_pin(session, vm)
    if pin is None:
        return trust
    pins[host] = pin
    return Trust(thumbprint=pin)


_host_pins: weakref.WeakKeyDictionary[Session, dict[str, str]] = weakref.WeakKeyDictionary()
"""The pins of hosts that were asked for, by the sessions that told them."""


def _headers(session: Session, place: _Place) -> Mapping[str, str]:
    headers = {"Content-Type": "application/octet-stream", "User-Agent": "libcloud-vsphere-clone"}
    # The URL's own token is what counts; the session's cookie is for nobody but vCenter.
    return {**headers, "Cookie": session.stub.cookie} if place.is_vcenter and session.stub.cookie else headers


def _pieces(contents: IO[bytes], size_bytes: int) -> Iterator[bytes]:
    left = size_bytes
    while left and (chunk := contents.read(min(CHUNK_BYTES, left))):
        left -= len(chunk)
        yield chunk
    if left:
        raise InvalidRequestError(f"the file to be sent became shorter meanwhile: {left} bytes are missing")


def _check(response: http.client.HTTPResponse, place: _Place) -> http.client.HTTPResponse:
    if not 200 <= response.status < 300:
        said = response.read(200).decode("utf-8", errors="replace").strip()
        raise ConnectionFailedError(
            f"could not transfer a file of the guest by {place.host}: HTTP {response.status} {said or response.reason}"
        )
    return response


@contextmanager
def _reported(session: Session, place: _Place) -> Iterator[None]:
    """A message never has the URL: with it anyone may take the file."""
    action = f"transfer a file of the guest by {place.host} port {place.port}"
    try:
        with translated(action):
            yield
    except ConnectionFailedError as error:
        if place.is_vcenter or not isinstance(error.fault, CONNECTION_ERRORS):
            raise
        _host_pins.get(session, {}).pop(place.host, None)  # it may have another certificate since
        raise ConnectionFailedError(f"could not {action}: {_advice(error.fault, place.host)}", fault=error.fault) from (
            error.fault
        )


def _advice(cause: Exception, host: str) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"{host} is the ESXi host that has the VM, and its certificate is not trusted ({cause.verify_message}): "
            "it is not the one that vCenter knows (reconnect the host in vCenter if that was renewed), or vCenter does "
            f"not tell (then pass {expression('ca_cert=')} with the CA that signed vCenter's and the hosts' "
            "certificates)"
        )
    return (
        f"{host} is the ESXi host that has the VM, and files go to it directly ({str(cause) or type(cause).__name__}); "
        "check that this machine can resolve its name and reach its port"
    )
