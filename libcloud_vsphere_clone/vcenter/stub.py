"""pyVmomi's SOAP stub with our connections, our login, and our rules for repeating a call.

Takes method calls, gives replies. What it adds sits below every managed object, so no caller can forget it:

- A session that ended is renewed once, however many threads notice (single flight by generation number).
- After a connection error only reads are sent again: a lost reply may hide a clone that was started.
- A refused password is not tried again: it may lock the account.
- A forked child forgets its parent's session and connections, and logs in for itself.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from pyVmomi import SoapStubAdapter, VmomiSupport, vim

from ..errors import CONNECTION_ERRORS, AuthenticationError
from .tls import Trust, build_context, connection_class

Result = TypeVar("Result")
log = logging.getLogger(__name__)

SAFE_TO_REPEAT = frozenset(
    {
        "ContinueRetrievePropertiesEx",
        "CreateContainerView",
        "CreateFilter",
        "CreatePropertyCollector",
        "CurrentTime",
        "DestroyPropertyCollector",
        "DestroyView",
        "FindByUuid",
        "RetrieveProperties",
        "RetrievePropertiesEx",
        "RetrieveServiceContent",
        "WaitForUpdatesEx",
    }
)
"""Reads, and what makes or removes objects that end with the session. All else is sent once."""

REPEAT_DELAYS_S = (0.2, 1.0, 3.0)
"""Pauses before each repeat of a read: long enough for a proxy or vpxd to come back, short enough to wait for."""

LOGIN_METHODS = frozenset({"Login", "Logout", "RetrieveServiceContent"})
"""Calls that need no session, so NotAuthenticated from them is an answer."""

IDLE_CONNECTION_S = 25
"""Drop pooled connections before a server or proxy does: a write on a dead one cannot be sent again."""


class VcenterStub(SoapStubAdapter):  # type: ignore[misc]  # pyVmomi is untyped
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
        self.login: Callable[[], None] | None = None
        self._refused: AuthenticationError | None = None
        self._renewing = threading.Lock()
        self.keeping = threading.Lock()
        """Guards what a session keeps on the server, such as its views; here because a fork must replace it."""
        _stubs.add(self)

    def InvokeMethod(self, mo: Any, info: Any, args: Any, outerStub: Any = None) -> Any:  # noqa: N802, N803
        """pyVmomi's one way out to the server."""
        send = super().InvokeMethod
        return self.perform(info.wsdlName, lambda: send(mo, info, args, outerStub))

    def perform(self, method: str, attempt: Callable[[], Result]) -> Result:
        """What ``attempt`` returns, repeated as the rules in the module's docstring allow.

        :raises AuthenticationError: the session ended and could not be renewed.
        """
        delays, renewals = iter(REPEAT_DELAYS_S), 2
        while True:
            generation = self.generation
            try:
                return self._timed(method, attempt)
            except vim.fault.NotAuthenticated:
                if method in LOGIN_METHODS or self.login is None or not renewals:
                    raise
                renewals -= 1
                self.renew(generation)
            except CONNECTION_ERRORS as cause:
                pause_s = next(delays, None) if method in SAFE_TO_REPEAT and _may_pass(cause) else None
                if pause_s is None:
                    raise
                log.info("%s: %s; sent again in %s s", method, type(cause).__name__, pause_s)
                time.sleep(pause_s)

    def renew(self, generation: int) -> None:
        """Log in again, unless another thread has done so since ``generation`` was read."""
        with self._renewing:
            if self.generation != generation:
                return
            if self._refused is not None:
                raise self._refused
            self.cookie = ""  # a Login that carries a session is refused
            try:
                if self.login is not None:
                    self.login()
            except AuthenticationError as refused:
                self._refused = refused
                raise
            self.generation += 1

    def forget(self) -> None:
        """Drop session and connections without telling the server: in a forked child they are its parent's."""
        self.lock, self._renewing, self.keeping = threading.Lock(), threading.Lock(), threading.Lock()
        self.pool: list[Any] = []
        self.cookie = ""
        self.generation += 1

    def _timed(self, method: str, attempt: Callable[[], Result]) -> Result:
        started = time.perf_counter()
        outcome = "failed"
        try:
            result = attempt()
            outcome = "ok"
            return result
        finally:
            log.debug("%s %s: %s, %.1f ms", self.host, method, outcome, (time.perf_counter() - started) * 1e3)


def _may_pass(cause: BaseException) -> bool:
    """Whether a repeat can help: a distrusted certificate stays distrusted, and nothing more is sent to it."""
    return not isinstance(cause, ssl.SSLCertVerificationError)


def stub_version(api_version: str) -> str | None:
    """pyVmomi's name of an API version such as ``8.0.3.0`` (or ``7.0``: the newest of that line), if it has one."""
    for version in VmomiSupport.GetServiceVersions("vim25"):
        known: str = VmomiSupport.versionIdMap[version]
        if known == api_version or known.startswith(api_version + "."):
            return str(version)
    return None


def _forget_all() -> None:
    for stub in list(_stubs):
        stub.forget()


_stubs: weakref.WeakSet[VcenterStub] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
