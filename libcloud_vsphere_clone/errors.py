"""The error tree of the driver, and the only place that maps vSphere faults to it.

Takes what pyVmomi, ``ssl`` and sockets raise; gives errors whose message says what was attempted, on what,
why it failed and what to try. Never talks to vCenter.

    VsphereError(LibcloudError)         .fault; str() is the message
    ├ AuthenticationError               also InvalidCredsError
    ├ NotPermittedError                 .privilege
    ├ ConnectionFailedError
    ├ InvalidRequestError               also ValueError; nothing was sent
    ├ NotFoundError                     .kind .name
    ├ AmbiguousNameError                .kind .name .paths
    ├ NameInUseError                    .name
    ├ NoPlacementError                  .rejected: ((candidate, reason), …)
    ├ GroupError                        .nodes .errors: {name: error}; some of a group's nodes failed
    └ TaskError                         .action .target
      └ TaskTimeoutError                also TimeoutError
"""

from __future__ import annotations

import copy
import http.client
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from xml.parsers.expat import ExpatError

from libcloud.common.types import InvalidCredsError, LibcloudError

from .option_names import expression, option, spell

__all__ = [
    "AmbiguousNameError",
    "AuthenticationError",
    "ConnectionFailedError",
    "GroupError",
    "InvalidRequestError",
    "NameInUseError",
    "NoPlacementError",
    "NotFoundError",
    "NotPermittedError",
    "TaskError",
    "TaskTimeoutError",
    "VsphereError",
    "error_from",
    "error_of",
    "translated",
]

CONNECTION_ERRORS: tuple[type[Exception], ...] = (OSError, http.client.HTTPException, ExpatError)
"""What a broken connection can surface as through pyVmomi: a reply cut short is an ExpatError."""

PIN_MISMATCH = -1
"""The ``verify_code`` of a certificate that is not the pinned one; OpenSSL's own are positive."""

MOST_REASONS = 5
"""Failures of a group that its message lists; ``errors`` has all."""


class VsphereError(LibcloudError):
    """What failed, on what, why, and what to try.

    :param message: options in it may be marked; ``message`` spells them as Python does, ``marked`` is as it was given.
    :param fault: vCenter's own fault or the exception below, for programs that look closer.
    """

    def __init__(self, message: str, *, fault: object = None) -> None:
        super().__init__(message, driver=None)
        self.fault = fault
        self._say(message)

    def _say(self, message: str) -> None:
        self.marked = message
        self.message = self.value = spell(message)
        self.args = (self.message,)

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Faults are pyVmomi types made at run time, and may quote what was sent: they stay behind.
        return _rebuild, (type(self), {**self.__dict__, "fault": None})


def _rebuild(kind: type[VsphereError], state: dict[str, Any]) -> VsphereError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (state["message"],)
    return error


class AuthenticationError(VsphereError, InvalidCredsError):
    """vCenter, or a guest, refused the user name or the password; it is not tried again."""

    def __init__(self, message: str, *, fault: object = None) -> None:
        VsphereError.__init__(self, message, fault=fault)
        self.http_code = 401


class NotPermittedError(VsphereError):
    """The user lacks a privilege on an object."""

    def __init__(self, message: str, *, privilege: str = "", fault: object = None) -> None:
        super().__init__(message, fault=fault)
        self.privilege = privilege


class ConnectionFailedError(VsphereError):
    """vCenter could not be reached, or another server answers in its place."""


class InvalidRequestError(VsphereError, ValueError):
    """The request cannot be right; nothing was sent."""


class NotFoundError(VsphereError):
    """No object of this kind has this name or id."""

    def __init__(self, kind: str, name: str, hint: str = "", *, fault: object = None) -> None:
        super().__init__(f"no {kind} {name!r}{_sentence(hint)}", fault=fault)
        self.kind = kind
        self.name = name


class AmbiguousNameError(VsphereError):
    """Several objects of this kind have this name; their paths say which."""

    def __init__(self, kind: str, name: str, paths: Sequence[str], hint: str = "") -> None:
        listed = ", ".join(paths)
        super().__init__(f"{len(paths)} {kind}s are named {name!r}: {listed}{_sentence(hint)}")
        self.kind = kind
        self.name = name
        self.paths = tuple(paths)


class NameInUseError(VsphereError):
    """The folder has an object of that name already."""

    def __init__(self, message: str, *, name: str, fault: object = None) -> None:
        super().__init__(message, fault=fault)
        self.name = name


class NoPlacementError(VsphereError):
    """No place fits; every candidate and why it was rejected."""

    def __init__(self, message: str, rejected: Sequence[tuple[str, str]] = (), *, fault: object = None) -> None:
        reasons = "; ".join(f"{candidate}: {reason}" for candidate, reason in rejected)
        super().__init__(f"{message}{_sentence(reasons)}", fault=fault)
        self.rejected = tuple(rejected)


class GroupError(VsphereError):
    """Some nodes of a group failed and the others did not; each failure says why.

    :param nodes: the nodes that are as they were to be. They hold a live driver, so a pickled error has none.
    :param errors: ``{node name: error}``; a DeploymentError has its node, which is there. Of errors that are not of
        this tree a pickled one keeps the text.
    """

    def __init__(self, message: str, nodes: Sequence[Any], errors: Mapping[str, Exception]) -> None:
        reasons = "; ".join(f"{name}: {_reason(error)}" for name, error in list(errors.items())[:MOST_REASONS])
        more = f"; and {len(errors) - MOST_REASONS} more" if len(errors) > MOST_REASONS else ""
        super().__init__(f"{message}{_sentence(reasons + more)}")
        self.nodes = list(nodes)
        self.errors = dict(errors)

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild, (kind, state) = super().__reduce__()
        portable = {
            name: error if isinstance(error, VsphereError) else VsphereError(_reason(error))
            for name, error in self.errors.items()
        }
        return rebuild, (kind, {**state, "nodes": [], "errors": portable})


def _reason(error: Exception) -> str:
    """What an error says; of Libcloud's DeploymentError, what the error that it wraps says."""
    cause = getattr(error, "original_error", None) or error
    return getattr(cause, "marked", str(cause)) or type(cause).__name__


class TaskError(VsphereError):
    """A vCenter task ended in error."""

    def __init__(self, message: str, *, action: str = "", target: str = "", fault: object = None) -> None:
        super().__init__(message, fault=fault)
        self.action = action
        self.target = target


class TaskTimeoutError(TaskError, TimeoutError):
    """The deadline passed while the task was queued or running; the task itself goes on."""


def _sentence(text: str) -> str:
    return f" ({text})" if text else ""


@contextmanager
def translated(action: str, target: str = "") -> Iterator[None]:
    """Turn what pyVmomi and the socket raise inside into errors of this tree.

    :param action: what is being attempted, to stand after "could not", e.g. ``clone 'debian-12'``.
    :param target: the object it is attempted on.
    """
    try:
        yield
    except VsphereError:
        raise
    except Exception as cause:
        error = error_from(cause, action, target)
        if error is None:
            raise
        raise error from cause


def error_of(action: str, cause: VsphereError) -> VsphereError:
    """The error of one of several attempts that failed by the same cause, to be raised and noted on by itself."""
    error = copy.copy(cause)
    error._say(f"could not {action}: {cause.marked}")
    error.fault, error.__cause__ = cause.fault, cause
    return error


def error_from(cause: object, action: str, target: str = "") -> VsphereError | None:
    """The error of this tree for a fault or a connection error; None for anything else.

    :param cause: a vSphere fault, raised by a call or read from ``Task.info.error``.
    """
    from pyVmomi import vmodl

    if isinstance(cause, vmodl.MethodFault):
        return _fault_error(cause, action, target)
    if isinstance(cause, CONNECTION_ERRORS):
        return ConnectionFailedError(f"could not {_on(action, target)}: {_connection_reason(cause)}", fault=cause)
    return None


_CA_CERT, _THUMBPRINT, _HOST = expression("ca_cert="), option("thumbprint="), expression("host=")

_UNKNOWN_CA_ADVICE = f"pass {_CA_CERT} with the CA that signed it, or {_THUMBPRINT} with its SHA-256"

_NAME_ADVICE = f"give a name that is in the certificate as {_HOST}, or the certificate's SHA-256 as {_THUMBPRINT}"

_TRUST_ADVICE = {
    PIN_MISMATCH: f"was it renewed? ask whoever runs the server before you change {_THUMBPRINT}",
    10: f"it has expired: have it renewed, or pin it with {_THUMBPRINT}",
    62: _NAME_ADVICE,
    64: _NAME_ADVICE,
}
"""{OpenSSL's X509_V_ERR_ number: what to try}"""


def _on(action: str, target: str) -> str:
    return f"{action} on {target}" if target else action


def _connection_reason(cause: object) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        advice = _TRUST_ADVICE.get(getattr(cause, "verify_code", 0), _UNKNOWN_CA_ADVICE)
        return f"the server's certificate is not trusted: {cause.verify_message.rstrip('.')}; {advice}"
    if isinstance(cause, TimeoutError):
        return f"no answer in time; check host and port, or pass a longer {expression('timeout=')}"
    if isinstance(cause, ConnectionRefusedError):
        return f"nothing listens there; check {_HOST} and {expression('port=')}"
    return f"the connection failed ({str(cause) or type(cause).__name__})"


def _fault_error(fault: Any, action: str, target: str) -> VsphereError:
    attempted = f"could not {_on(action, target)}"
    for cause in _causes(fault):
        for kind, build in _BUILDERS:
            if isinstance(cause, _fault_type(kind)):
                return build(f"{attempted}: {_fault_text(cause)}", cause)
    text = f"{attempted}: {_fault_text(fault)}"
    return TaskError(text + _advice(fault), action=action, target=target, fault=fault)


def _causes(fault: Any) -> Iterator[Any]:
    """The fault and what it says caused it: vCenter wraps the telling one (``MethodFault.faultCause``)."""
    seen = 0
    while fault is not None and seen < 10:
        yield fault
        fault, seen = getattr(fault, "faultCause", None), seen + 1


def _fault_type(dotted: str) -> type:
    from pyVmomi import VmomiSupport

    kind: type = VmomiSupport.GetVmodlType(dotted)
    return kind


def _fault_text(fault: Any) -> str:
    """vCenter's own words, with the fault's type, to search for."""
    name = type(fault).__name__.rsplit(".", 1)[-1]
    said = getattr(fault, "msg", None) or " ".join(m.message or "" for m in getattr(fault, "faultMessage", None) or ())
    message = said.strip().rstrip(".")
    detail = getattr(fault, "invalidProperty", None)
    where = f", property {detail}" if detail else ""
    return f"{message} ({name}{where})" if message and message != name else f"{name}{where}"


def _advice(fault: Any) -> str:
    return next((f"; {advice}" for kind, advice in _ADVICE if isinstance(fault, _fault_type(kind))), "")


def _not_permitted(text: str, fault: Any) -> VsphereError:
    privilege = getattr(fault, "privilegeId", None) or ""
    moid = getattr(getattr(fault, "object", None), "_moId", None)
    where = f" on {moid}" if moid else ""
    needs = f"; the user needs the privilege {privilege}{where}" if privilege else ""
    return NotPermittedError(text + needs, privilege=privilege, fault=fault)


def _no_place(text: str, fault: Any) -> VsphereError:
    """Each host with vCenter's reason against it, where it names them (``NoCompatibleHost``)."""
    hosts, reasons = getattr(fault, "host", None) or (), getattr(fault, "error", None) or ()
    rejected = [(host._moId, _fault_text(reason)) for host, reason in zip(hosts, reasons, strict=False)]
    return NoPlacementError(text, rejected, fault=fault)


def _name_in_use(text: str, fault: Any) -> VsphereError:
    name = getattr(fault, "name", None) or ""
    return NameInUseError(f"{text}; choose another name or another group", name=name, fault=fault)


def _refused_by_guest(text: str, fault: Any) -> VsphereError:
    return AuthenticationError(
        f"{text}; the guest refuses the user or the password: guest operations take a password, never a key, and it "
        "must be set and not locked",
        fault=fault,
    )


def _gone(text: str, fault: Any) -> VsphereError:
    error = NotFoundError("object", getattr(getattr(fault, "obj", None), "_moId", ""), fault=fault)
    error._say(f"{text}; it was removed meanwhile, or this user cannot see it")
    return error


_BUILDERS: tuple[tuple[str, Callable[[str, Any], VsphereError]], ...] = (
    # NotAuthenticated is a NoPermission: it has to be asked for first.
    (
        "vim.fault.NotAuthenticated",
        lambda text, fault: AuthenticationError(f"{text}; the session ended and was not renewed", fault=fault),
    ),
    (
        "vim.fault.InvalidLogin",
        lambda text, fault: AuthenticationError(
            f"{text}; check user name (user@domain) and password: they are tried once", fault=fault
        ),
    ),
    # Guest operations.
    ("vim.fault.InvalidGuestLogin", _refused_by_guest),
    ("vim.fault.GuestAuthenticationChallenge", _refused_by_guest),
    (
        "vim.fault.GuestOperationsUnavailable",
        lambda text, fault: ConnectionFailedError(
            f"{text}; check that the guest has booted and that open-vm-tools run in it", fault=fault
        ),
    ),
    (
        "vim.fault.OperationDisabledByGuest",
        lambda text, fault: ConnectionFailedError(
            f"{text}; the guest forbids it: see its /etc/vmware-tools/tools.conf, section guestoperations", fault=fault
        ),
    ),
    ("vim.fault.NoPermission", _not_permitted),
    ("vim.fault.DuplicateName", _name_in_use),
    ("vim.fault.AlreadyExists", _name_in_use),
    ("vmodl.fault.ManagedObjectNotFound", _gone),
    ("vim.fault.NoCompatibleHost", _no_place),
    ("vim.fault.InsufficientResourcesFault", _no_place),
    ("vim.fault.NoDiskSpace", _no_place),
)
"""Fault type → error, the most telling first; the first that fits anywhere in the chain of causes wins."""

_ADVICE: tuple[tuple[str, str], ...] = (
    ("vim.fault.InvalidPowerState", "the VM is in another power state than this needs"),
    ("vim.fault.TaskInProgress", "another task holds the object; try again when it has ended"),
    ("vim.fault.ConcurrentAccess", "someone else changed the object at the same time; try again"),
    ("vim.fault.ToolsUnavailable", "VMware Tools are not running in the guest"),
    ("vim.fault.NicSettingMismatch", "the number of adapters differs from the template's"),
    ("vim.fault.CustomizationFault", "check that the image's guest OS can be customized"),
    ("vmodl.fault.RequestCanceled", "the task was cancelled"),
    ("vmodl.fault.NotSupported", "this vCenter or this object does not support it"),
)
