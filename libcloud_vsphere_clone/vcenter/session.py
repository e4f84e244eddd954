"""A login to one vCenter: endpoint and credentials in, managed objects out, logged out in the end.

Checks the product before it sends a password. Knows nothing of VMs.
"""

from __future__ import annotations

import logging
import multiprocessing.util
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from pyVmomi import VmomiSupport, vim

from ..errors import ConnectionFailedError, InvalidRequestError, translated
from ..option_names import expression
from .pace import Durations
from .rows import Ref
from .stub import VcenterStub, stub_version
from .subscription import Following
from .tls import Trust
from .types import to_managed, vim_type

log = logging.getLogger(__name__)

LOGOUT_TIMEOUT_S = 5.0
"""Seconds to wait for the answer to a logout: a vCenter that is gone must not hold up the interpreter's exit."""

MOST_KEPT = 4
"""Collectors kept for the next short waits: more are needed only while as many threads wait at once."""

OLDEST_VERSION = "vim.version.version9"
"""vSphere 5.5, the oldest that pyVmomi speaks: good for the first, version-neutral call."""


@dataclass(frozen=True)
class Endpoint:
    """Where vCenter is, and the user that logs in there.

    :param trust: None speaks plain http.
    :param timeout_s: seconds to wait for any answer.
    :param api_version: speak this API version (``8.0.3.0``) instead of the newest that both sides know.
    """

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    trust: Trust | None = field(default_factory=Trust)
    timeout_s: float = 60.0
    api_version: str | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Session:
    """A vCenter session, renewed when it ends, closed by ``close()``, ``with``, or the interpreter's exit.

    One session serves any number of threads.

    :raises ConnectionFailedError: not reachable, or its certificate is not trusted; no credential was sent.
    :raises InvalidRequestError: it is no vCenter.
    :raises AuthenticationError: user name or password are wrong.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        with translated(f"connect to vCenter at {endpoint}"):
            self.stub = _build_stub(endpoint)
            try:
                self._connect()
            except BaseException:
                self.stub.DropConnections()
                raise
        self._views: dict[frozenset[str], tuple[int, Any]] = {}
        self._kept: list[Following] = []
        self.durations = Durations()
        """How long short tasks take here."""
        self._finalizer = weakref.finalize(self, _log_out, self.stub, self.content.sessionManager)
        # A child of multiprocessing ends without the interpreter's exit hooks, and has some of its own.
        multiprocessing.util.register_after_fork(self, _close_at_child_exit)

    def _connect(self) -> None:
        if self.endpoint.api_version is None:
            self.stub.ComputeVersionInfo(_negotiate_version(self.stub))
        self.content = self._service_instance().RetrieveContent()
        self._check_product()
        self.stub.login = _build_login(self.endpoint, self.content.sessionManager)
        self.stub.renew(self.stub.generation)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Session {self.endpoint.username} at {self.endpoint}, API {self.api_version}>"

    @property
    def api_version(self) -> str:
        """The API version spoken, such as ``8.0.3.0``."""
        return str(VmomiSupport.versionIdMap[self.stub.version])

    def close(self) -> None:
        """Log out, which also ends the session's views and collectors. Closing twice is harmless."""
        self._finalizer()

    def managed(self, kind: str, moid: str) -> Any:
        """The managed object of this vSphere type and id; nothing is sent."""
        return to_managed(Ref(kind, moid), self.stub)

    def view(self, kinds: Iterable[str]) -> Any:
        """A view of all objects of these types, made on first use and kept: the next listing costs one call.

        Views end with their session, so a renewed session starts without any.
        Source: ViewManager.CreateContainerView (vSphere Web Services API).
        """
        wanted = frozenset(kinds)
        with self.stub.keeping:
            generation, view = self._views.get(wanted, (None, None))
            if generation != self.stub.generation:
                types = [vim_type(kind) for kind in sorted(wanted)]
                view = self.content.viewManager.CreateContainerView(self.content.rootFolder, types, True)
                self._views[wanted] = self.stub.generation, view  # read now: the call may have renewed the session
            return view

    def check_alive(self) -> None:
        """Renew the session if it has ended: a dead one can look like an empty inventory.

        A call that fails without a session finds out; SessionIsActive needs a privilege that few users have.
        Source: ServiceInstance.CurrentTime (vSphere Web Services API).
        """
        self._service_instance().CurrentTime()

    def drop_view(self, view: Any) -> None:
        """Forget a kept view that the server no longer knows; another that was made meanwhile stays."""
        with self.stub.keeping:
            self._views = {kinds: kept for kinds, kept in self._views.items() if kept[1] is not view}

    def take_following(self, paths: Mapping[str, Sequence[str]]) -> Following | None:
        """What was kept for a wait with these paths, for one wait alone; None where the wait has to make it.

        What another session has made, or the parent of a forked child, is forgotten: it is gone or not ours.
        """
        with self.stub.keeping:
            self._kept = [kept for kept in self._kept if kept.subscription.is_current]
            for place, kept in enumerate(self._kept):
                if kept.paths == paths:
                    return self._kept.pop(place)
        return None

    def keep_following(self, following: Following) -> bool:
        """Keep it for the next wait, until the session ends.

        :returns: False where there are enough, or it is another session's: then it is the caller's to close.
        """
        with self.stub.keeping:
            is_kept = following.subscription.is_current and len(self._kept) < MOST_KEPT
            if is_kept:
                self._kept.append(following)
        return is_kept

    def _service_instance(self) -> Any:
        return vim.ServiceInstance("ServiceInstance", self.stub)

    def _check_product(self) -> None:
        about = self.content.about
        if about.apiType != "VirtualCenter":
            raise InvalidRequestError(
                f"{self.endpoint} is {about.fullName or about.name!r} ({about.apiType}), a single host: it has no "
                "clone API; connect to the vCenter Server that manages it"
            )


def _build_stub(endpoint: Endpoint) -> VcenterStub:
    version = OLDEST_VERSION
    if endpoint.api_version is not None:
        found = stub_version(endpoint.api_version)
        if found is None:
            raise InvalidRequestError(
                f"api_version {endpoint.api_version!r} is not known; leave it out to use the newest both sides know"
            )
        version = found
    return VcenterStub(endpoint.host, endpoint.port, version, endpoint.trust, timeout_s=endpoint.timeout_s)


def _negotiate_version(stub: VcenterStub) -> str:
    """The newest API version that the server and pyVmomi both know, asked over the stub's own connection.

    Source: vimServiceVersions.xml (vSphere Web Services SDK Programming Guide, "Multiple API versions").
    """
    status, body = _get(stub, "/sdk/vimServiceVersions.xml")  # not repeated: a wrong port is to be told at once
    served = _served_versions(body) if status == 200 else set()
    for version in VmomiSupport.GetServiceVersions("vim25"):
        if VmomiSupport.versionIdMap[version] in served:
            return str(version)
    raise ConnectionFailedError(
        f"{stub.host} does not answer as a vSphere server (HTTP {status} for its API versions); check "
        f"{expression('host=')} and {expression('port=')}"
    )


def _served_versions(body: bytes) -> set[str]:
    try:
        return {e.text for e in ElementTree.fromstring(body).iter("version") if e.text}  # noqa: S314
    except ElementTree.ParseError:
        return set()


def _get(stub: VcenterStub, path: str) -> tuple[int, bytes]:
    connection = stub.GetConnection()
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except BaseException:
        connection.close()
        raise
    stub.ReturnConnection(connection)
    return response.status, body


def _build_login(endpoint: Endpoint, session_manager: Any) -> Any:
    """The login as a function that holds no session, so that a forgotten one can be finalized."""

    def login() -> None:
        with translated(f"log in to vCenter at {endpoint} as {endpoint.username!r}"):
            session_manager.Login(endpoint.username, endpoint.password)
        log.info("logged in to %s as %s", endpoint, endpoint.username)

    return login


def _log_out(stub: VcenterStub, session_manager: Any) -> None:
    """End the session on the server; a failure leaves it to vCenter's idle time-out."""
    stub.close(session_manager.Logout, timeout_s=LOGOUT_TIMEOUT_S)


def _close_at_child_exit(session: Session) -> None:
    multiprocessing.util.Finalize(None, session.close, exitpriority=0)
