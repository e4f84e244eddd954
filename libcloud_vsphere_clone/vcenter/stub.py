"""pyVmomi's SOAP stub with our connections, our login, and our rules for repeating a call.

Takes method calls, gives replies. What it adds sits below every managed object, so no caller can forget it:

- A session that ended is renewed once, however many threads notice (single flight by generation number).
- The session is what Login gave: pyVmomi takes the cookie of any reply, and vCenter sends one to callers without.
- After a connection error only reads are sent again: a lost reply may hide a clone that was started.
- A refused password is not tried again: it may lock the account.
- A fault that this pyVmomi cannot read keeps its text.
- A forked child forgets its parent's session and connections, and logs in for itself.
"""

from __future__ import annotations

import copy
import http.client
import io
import logging
import os
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from pyVmomi import VmomiSupport, vim, vmodl
from pyVmomi.SoapAdapter import SoapResponseDeserializer

from ..errors import CONNECTION_ERRORS, AuthenticationError, InvalidRequestError, VsphereError
from .connections import PoolingStub, has_ended
from .rows import Reply, read_body, read_fault
from .tls import Trust, build_context, connection_class
from .types import to_fault

Result = TypeVar("Result")
log = logging.getLogger(__name__)

SAFE_TO_REPEAT = frozenset(
    {
        "ContinueRetrievePropertiesEx",
        "CreateContainerView",
        "CreateFilter",
        "CreateListView",
        "CreatePropertyCollector",
        "CurrentTime",
        "DestroyPropertyCollector",
        "DestroyView",
        "FindByUuid",
        "InitiateFileTransferFromGuest",
        "InitiateFileTransferToGuest",
        "ListFilesInGuest",
        "ListProcessesInGuest",
        "RetrieveProperties",
        "RetrievePropertiesEx",
        "RetrieveServiceContent",
    }
)
"""Reads, and what makes or removes objects that end with the session, or URLs that nobody was told. All else is sent
once: a write may have been done, and an update that was lost with its reply does not come again from every server."""

REPEAT_DELAYS_S = (0.2, 1.0, 3.0)
"""Pauses before each repeat of a read: long enough for a proxy or vpxd to come back, short enough to wait for."""

LOGIN_METHODS = frozenset({"Login", "Logout", "RetrieveServiceContent"})
"""Calls that need no session, so NotAuthenticated from them is an answer."""

IDLE_CONNECTION_S = 25
"""Drop pooled connections before a server or proxy does: a write on a dead one cannot be sent again."""


class VcenterStub(PoolingStub):
    """One vCenter endpoint, logged in when ``login`` says so.

    :param timeout_s: seconds to wait for an answer on any connection.
    """

    def __init__(
        self,
        host: str,
        port: int,
        version: str,
        trust: Trust | None,
        *,
        timeout_s: float,
        connections: int = 16,
    ) -> None:
        super().__init__(
            host=host,
            port=port if trust else -port,  # pyVmomi's spelling of plain http
            path="/sdk",
            version=version,
            sslContext=build_context(trust) if trust else None,
            httpConnectionTimeout=timeout_s,
            connectionPoolTimeout=IDLE_CONNECTION_S,
            poolSize=connections,
        )
        if trust:
            self.scheme = connection_class(trust)
        self.timeout_s = timeout_s
        self.generation = 0
        self.cookie: str
        self.login: Callable[[], None] | None = None
        self._logins = 0
        self._failure: VsphereError | None = None
        self._renewing = threading.Lock()
        self.keeping = threading.Lock()
        """Guards what a session keeps on the server, such as its views; here because a fork must replace it."""
        _stubs.add(self)

    def InvokeMethod(self, mo: Any, info: Any, args: Any, outerStub: Any = None) -> Any:  # noqa: N802, N803
        """pyVmomi's one way out to the server: the reply as its types say."""
        return self.call(mo, info, args, lambda reply: self._typed(read_body(reply), info.result))

    def call(
        self, target: Any, info: Any, args: Any, parse: Callable[[Reply], Result], *, held_s: float = 0.0
    ) -> Result:
        """What ``parse`` makes of the reply to one method call, which it may read while it arrives.

        :param info: pyVmomi's description of the method.
        :param held_s: seconds for which the server may hold the answer back because it was asked to.
        :raises vmodl.MethodFault: the server's fault.
        """
        request = self.SerializeRequest(target, info, args)
        return self.perform(info.wsdlName, lambda: self._exchange(info.wsdlName, request, parse, held_s))

    def iterate(
        self, target: Any, info: Any, args: Any, parse: Callable[[Reply], Iterator[Result]]
    ) -> Generator[Result, None, None]:
        """What ``parse`` yields of the reply to one method call, while it arrives.

        A connection is busy until the iterator ends; one that is closed before takes its connection with it.

        :raises vmodl.MethodFault: the server's fault.
        """
        method, request = info.wsdlName, self.SerializeRequest(target, info, args)
        with ExitStack() as stack:
            response = self.perform(method, lambda: stack.enter_context(self._reply(method, request, 0.0)))
            yield from parse(response)

    def perform(self, method: str, attempt: Callable[[], Result]) -> Result:
        """What ``attempt`` returns, repeated as the rules in the module's docstring allow.

        :raises AuthenticationError: the session ended and could not be renewed.
        :raises InvalidRequestError: it was closed.
        """
        delays, renewals = iter(REPEAT_DELAYS_S), 2
        while True:
            self._check_open(method)
            generation = self.generation
            try:
                return self._timed(method, attempt)
            except vim.fault.NotAuthenticated:
                self._check_open(method)  # it may have been closed while the call was on its way
                if method in LOGIN_METHODS or self.login is None or not renewals:
                    raise
                renewals -= 1
                self.renew(generation)
            except CONNECTION_ERRORS as cause:
                pause_s = next(delays, None) if method in SAFE_TO_REPEAT and may_pass(cause) else None
                if pause_s is None:
                    raise
                log.info("%s: %s; sent again in %s s", method, type(cause).__name__, pause_s)
                time.sleep(pause_s)

    def renew(self, generation: int) -> None:
        """Log in again, unless another thread has done so since ``generation`` was read.

        :raises VsphereError: that failed, in this thread or in the one that this one waited for.
        """
        logins = self._logins
        with self._renewing:
            if self.generation != generation:
                return
            failure = self._failure
            if failure is not None and (isinstance(failure, AuthenticationError) or self._logins != logins):
                raise copy.copy(failure)
            self._failure = None
            try:
                if self.login is not None:
                    self.login()
            except VsphereError as failed:
                self._failure = copy.copy(failed)  # the error itself holds its frames, and they the session
                raise
            finally:
                self._logins += 1
            self.generation += 1

    def close(self, log_out: Callable[[], None], *, timeout_s: float) -> None:
        """Call ``log_out`` if there is a session, waiting this long at most, and send nothing from then on."""
        self.login, self.closed = None, True
        self.timeout_s = self.schemeArgs["timeout"] = min(timeout_s, self.timeout_s)
        try:
            if self.cookie:
                log_out()
        except Exception as cause:  # whatever it is, the caller is leaving
            log.debug("logout from %s: %s", self.host, type(cause).__name__)
        self.cookie = ""
        self.DropConnections()

    def forget(self) -> None:
        """Drop session and connections without telling the server: in a forked child they are its parent's."""
        self.lock, self._renewing, self.keeping = threading.Lock(), threading.Lock(), threading.Lock()
        self.DropConnections()  # closes this process's ends; nothing is sent
        self.cookie = ""
        self.generation += 1

    def _check_open(self, method: str) -> None:
        if self.closed and method != "Logout":
            raise InvalidRequestError(
                f"could not call {method}: the connection to {self.host} was closed; make a new one"
            )

    def _exchange(self, method: str, request: bytes, parse: Callable[[Reply], Result], held_s: float) -> Result:
        with self._reply(method, request, held_s) as response:
            return parse(response)

    @contextmanager
    def _reply(self, method: str, request: bytes, held_s: float) -> Iterator[Any]:
        """The reply to one request; its connection serves again once the reply was read to its end."""
        connection = self.GetConnection()
        try:
            with self._sent(connection, method, request, held_s) as response:
                try:
                    self._check_answer(response)
                    yield response
                except vmodl.MethodFault:
                    response.read()  # it may have been told before the end
                    raise
                response.read()
        except vmodl.MethodFault:
            self.ReturnConnection(connection)
            raise
        except Exception:
            connection.close()
            self.DropConnections()  # whatever broke this one has broken the idle ones
            raise
        except BaseException:
            connection.close()  # an interrupt, or the caller has seen enough
            raise
        self.ReturnConnection(connection)
        if method == "Login":
            self.cookie = _cookies(response)

    def _sent(
        self, connection: http.client.HTTPConnection, method: str, request: bytes, held_s: float
    ) -> http.client.HTTPResponse:
        """The beginning of the reply."""
        if has_ended(connection):
            connection.close()  # it dials again by itself
        _set_timeout(connection, self.timeout_s + held_s)
        connection.request("POST", self.path, request, self._headers(method))
        return connection.getresponse()

    def _headers(self, method: str) -> dict[str, str]:
        return {
            "Cookie": "" if method == "Login" else self.cookie,  # a Login that carries a session is refused
            "SOAPAction": self.versionId,
            "Content-Type": "text/xml; charset=UTF-8",
            "Accept-Encoding": "gzip",
            "User-Agent": "libcloud-vsphere-clone",
        }

    def _check_answer(self, response: http.client.HTTPResponse) -> None:
        is_page = "html" in response.headers.get("Content-Type", "").lower()  # of whoever answers in vCenter's place
        if response.status == 200 and not is_page:
            return
        if response.status == 500 and not is_page:
            raise self._fault(read_body(response))  # type: ignore[arg-type]  # its getheader takes any default
        response.read()
        what = ", with an HTML page: something answers in vCenter's place" if is_page else ""
        raise http.client.HTTPException(f"HTTP {response.status} {response.reason}{what}")

    def _typed(self, body: bytes, kind: Any) -> Any:
        return SoapResponseDeserializer(self).Deserialize(io.BytesIO(body), kind)  # a file: then its end counts too

    def _fault(self, body: bytes) -> Exception:
        try:
            fault = self._typed(body, object)
        except (AttributeError, LookupError, TypeError, ValueError):
            fault = to_fault(*read_fault(body))
        return fault if isinstance(fault, Exception) else http.client.HTTPException("HTTP 500 without a fault")

    def _timed(self, method: str, attempt: Callable[[], Result]) -> Result:
        started = time.perf_counter()
        outcome = "failed"
        try:
            result = attempt()
            outcome = "ok"
            return result
        finally:
            log.debug("%s %s: %s, %.1f ms", self.host, method, outcome, (time.perf_counter() - started) * 1e3)


def _set_timeout(connection: http.client.HTTPConnection, timeout_s: float) -> None:
    connection.timeout = timeout_s  # for when it has to dial again
    if connection.sock is not None:
        connection.sock.settimeout(timeout_s)


def _cookies(response: http.client.HTTPResponse) -> str:
    """The reply's cookies as the next request sends them: without attributes, a load balancer's own among them."""
    return "; ".join(line.partition(";")[0].strip() for line in response.headers.get_all("Set-Cookie", []))


def may_pass(cause: BaseException) -> bool:
    """Whether a repeat can help.

    A distrusted certificate stays distrusted and an unknown name unknown; the time-out is the caller's, once.
    """
    return not isinstance(cause, ssl.SSLCertVerificationError | socket.gaierror | TimeoutError)


def stub_version(api_version: str) -> str | None:
    """pyVmomi's name of an API version such as ``8.0.3.0`` (or ``7.0``: the newest of that line), if it has one."""
    for version in VmomiSupport.GetServiceVersions("vim25"):
        known: str = VmomiSupport.versionIdMap[version]
        if known and (known == api_version or known.startswith(api_version + ".")):
            return str(version)
    return None


def _forget_all() -> None:
    _types_lock.release()
    for stub in list(_stubs):
        stub.forget()


_stubs: weakref.WeakSet[VcenterStub] = weakref.WeakSet()
_types_lock = VmomiSupport._lazyLock  # pyVmomi makes its types on first use; a child must not inherit it taken
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_types_lock.acquire, after_in_parent=_types_lock.release, after_in_child=_forget_all)
