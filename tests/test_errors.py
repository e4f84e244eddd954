"""The error tree: what is which, what it says, and what it keeps to itself."""

from __future__ import annotations

import copy
import http.client
import inspect
import pickle
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any
from xml.parsers.expat import ExpatError

import pytest
from libcloud.common.types import InvalidCredsError, LibcloudError
from pyVmomi import VmomiSupport, vim, vmodl

from libcloud_vsphere_clone import errors
from libcloud_vsphere_clone.errors import (
    AmbiguousNameError,
    AuthenticationError,
    ConnectionFailedError,
    GroupError,
    InvalidRequestError,
    NameInUseError,
    NoPlacementError,
    NotFoundError,
    NotPermittedError,
    TaskError,
    TaskTimeoutError,
    VsphereError,
    error_from,
    translated,
)
from libcloud_vsphere_clone.lab import Lab

SECRET = "hunter2-the-password"
FAULT = vim.fault.NoPermission(privilegeId=SECRET)

# One of each: the error, what str() says, and the attributes that are its own.
EACH: list[tuple[VsphereError, str, dict[str, object]]] = [
    (VsphereError("it failed", fault=FAULT), "it failed", {}),
    (AuthenticationError("refused", fault=FAULT), "refused", {"http_code": 401}),
    (NotPermittedError("no", privilege="Folder.Create", fault=FAULT), "no", {"privilege": "Folder.Create"}),
    (ConnectionFailedError("gone", fault=OSError(SECRET)), "gone", {}),
    (InvalidRequestError("wrong"), "wrong", {}),
    (NotFoundError("image", "a/b"), "no image 'a/b'", {"kind": "image", "name": "a/b"}),
    (NotFoundError("node", "x", "was it removed?"), "no node 'x' (was it removed?)", {"kind": "node"}),
    (
        AmbiguousNameError("image", "web", ["a/web", "b/web"], "use the id"),
        "2 images are named 'web': a/web, b/web (use the id)",
        {"kind": "image", "name": "web", "paths": ("a/web", "b/web")},
    ),
    (NameInUseError("taken", name="web"), "taken", {"name": "web"}),
    (
        NoPlacementError("no place", [("c1", "full"), ("c2", "off")]),
        "no place (c1: full; c2: off)",
        {"rejected": (("c1", "full"), ("c2", "off"))},
    ),
    (
        GroupError("2 of 3 nodes could not be made", [], {"a": VsphereError("x"), "b": TaskError("y")}),
        "2 of 3 nodes could not be made (a: x; b: y)",
        {"nodes": []},
    ),
    (TaskError("broke", action="clone 'x'", target="esx-1"), "broke", {"action": "clone 'x'", "target": "esx-1"}),
    (TaskTimeoutError("late", action="clone 'x'"), "late", {"action": "clone 'x'"}),
]
IDS = [f"{type(error).__name__}-{number}" for number, (error, _, _) in enumerate(EACH)]


def public_classes() -> set[type[VsphereError]]:
    return {thing for thing in vars(errors).values() if inspect.isclass(thing) and issubclass(thing, VsphereError)}


def test_each_class_is_tried_here() -> None:
    assert {type(error) for error, _, _ in EACH} == public_classes()


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    drawn = {name for name in re.findall(r"\b(\w+Error)\b", errors.__doc__ or "") if hasattr(errors, name)}
    assert drawn == {kind.__name__ for kind in public_classes()} | {"LibcloudError", "InvalidCredsError"}
    assert all(kind.__name__ in errors.__all__ for kind in public_classes())
    assert all(issubclass(kind, LibcloudError) for kind in public_classes())
    bases: list[tuple[type, type]] = [
        (AuthenticationError, InvalidCredsError),
        (InvalidRequestError, ValueError),
        (TaskTimeoutError, TaskError),
        (TaskTimeoutError, TimeoutError),
    ]
    assert all(issubclass(kind, base) for kind, base in bases)


@pytest.mark.parametrize(("error", "text", "attributes"), EACH, ids=IDS)
def test_str_is_the_message_and_attributes_are_there(
    error: VsphereError, text: str, attributes: dict[str, object]
) -> None:
    assert str(error) == text
    assert repr(error) == f"{type(error).__name__}({text!r})"
    assert attributes.items() <= vars(error).items()


@pytest.mark.parametrize("remake", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])  # noqa: S301
@pytest.mark.parametrize(("error", "text", "attributes"), EACH, ids=IDS)
def test_a_copy_keeps_all_but_the_fault(
    error: VsphereError, text: str, attributes: dict[str, object], remake: Callable[[VsphereError], VsphereError]
) -> None:
    again = remake(error)
    assert type(again) is type(error)
    assert str(again) == text
    assert again.args == (text,)
    assert attributes.items() <= vars(again).items()
    assert again.fault is None
    assert SECRET not in repr(vars(again))


def test_a_pickled_error_shows_no_secret() -> None:
    for error, _, _ in EACH:
        assert SECRET.encode() not in pickle.dumps(error)
        assert SECRET not in f"{error} {error!r}"


def test_notes_travel_along() -> None:
    error = TaskError("broke")
    error.add_note("VM 'web' may remain")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["VM 'web' may remain"]  # noqa: S301


def with_text(fault: Any, text: str, cause: Any = None) -> Any:
    fault.msg = text
    if cause is not None:
        fault.faultCause = cause
    return fault


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (vim.fault.NotAuthenticated(), AuthenticationError, "session ended"),
        (vim.fault.InvalidLogin(), AuthenticationError, "tried once"),
        (vim.fault.PasswordExpired(), AuthenticationError, "tried once"),
        (vim.fault.InvalidGuestLogin(), AuthenticationError, "never a key"),
        (vim.fault.GuestOperationsUnavailable(), ConnectionFailedError, "open-vm-tools"),
        (vim.fault.OperationDisabledByGuest(), ConnectionFailedError, "tools.conf"),
        (vim.fault.NoPermission(privilegeId="Folder.Create"), NotPermittedError, "needs the privilege Folder.Create"),
        (vim.fault.RestrictedVersion(), TaskError, "RestrictedVersion"),
        (vim.fault.DuplicateName(name="web"), NameInUseError, "choose another name"),
        (vim.fault.AlreadyExists(name="web"), NameInUseError, "choose another name"),
        (vmodl.fault.ManagedObjectNotFound(obj=vim.Folder("group-9")), NotFoundError, "removed meanwhile"),
        (vim.fault.NoCompatibleHost(), NoPlacementError, "NoCompatibleHost"),
        (vim.fault.InsufficientCpuResourcesFault(), NoPlacementError, "InsufficientCpuResourcesFault"),
        (vim.fault.InsufficientStandbyMemoryResource(), NoPlacementError, "InsufficientStandby"),
        (vim.fault.NoDiskSpace(datastore="ds1"), NoPlacementError, "NoDiskSpace"),
        (vim.fault.InvalidPowerState(), TaskError, "another power state"),
        (vim.fault.TaskInProgress(), TaskError, "try again when it has ended"),
        (vim.fault.ConcurrentAccess(), TaskError, "try again"),
        (vim.fault.ToolsUnavailable(), TaskError, "VMware Tools are not running"),
        (vim.fault.NicSettingMismatch(), TaskError, "number of adapters"),
        (vim.fault.CustomizationFault(), TaskError, "can be customized"),
        (vmodl.fault.RequestCanceled(), TaskError, "cancelled"),
        (vmodl.fault.NotSupported(), TaskError, "does not support"),
        (vmodl.fault.InvalidArgument(invalidProperty="spec.location"), TaskError, "property spec.location"),
        (vim.fault.GenericVmConfigFault(reason="x"), TaskError, "GenericVmConfigFault"),
    ],
)
def test_a_fault_becomes_what_a_caller_can_tell_apart(fault: Any, kind: type[VsphereError], words: str) -> None:
    error = error_from(with_text(fault, "vCenter's own words."), "clone 'x'", "esx-1")
    assert type(error) is kind
    assert error.fault is fault
    assert str(error).startswith("could not clone 'x' on esx-1: vCenter's own words (")
    assert words in str(error)


def test_no_fault_of_pyvmomi_breaks_the_mapping() -> None:
    names = [name for name in VmomiSupport._dataDefMap if name.startswith(("vim.fault.", "vmodl.fault."))]
    faults = [kind() for name in names if issubclass(kind := VmomiSupport.GetVmodlType(name), vmodl.MethodFault)]
    assert len(faults) > 300
    for fault in faults:
        error = error_from(fault, "try it")
        assert isinstance(error, VsphereError)
        assert type(fault).__name__.rpartition(".")[2] in str(error)
        assert pickle.loads(pickle.dumps(error)).message == str(error)  # noqa: S301


def test_every_fault_type_that_is_named_exists() -> None:
    named = [kind for kind, _ in errors._BUILDERS] + [kind for kind, _ in errors._ADVICE]
    assert all(issubclass(errors._fault_type(kind), vmodl.MethodFault) for kind in named)


def test_the_telling_fault_may_be_the_cause_of_a_general_one() -> None:
    telling = with_text(vim.fault.NoDiskSpace(datastore="ds1"), "Disk full.")
    middle = with_text(vim.fault.VmConfigFault(), "Bad config.", telling)
    error = error_from(with_text(vmodl.fault.SystemError(), "A general error.", middle), "clone 'x'")
    assert isinstance(error, NoPlacementError)
    assert error.fault is telling
    assert "Disk full (NoDiskSpace)" in str(error)


def test_causes_that_go_round_end() -> None:
    fault = vim.fault.VmConfigFault()
    fault.faultCause = fault
    assert isinstance(error_from(fault, "try"), TaskError)


def test_hosts_that_do_not_fit_are_told_with_their_reasons() -> None:
    reason = with_text(vim.fault.InsufficientMemoryResourcesFault(unreserved=1, requested=2), "Too little memory.")
    fault = vim.fault.NoCompatibleHost(host=[vim.HostSystem("host-7")], error=[reason])
    error = error_from(fault, "start 'x'")
    assert isinstance(error, NoPlacementError)
    assert error.rejected == (("host-7", "Too little memory (InsufficientMemoryResourcesFault)"),)
    assert "host-7: Too little memory" in str(error)


def test_a_missing_privilege_is_named_with_its_object() -> None:
    error = error_from(
        vim.fault.NoPermission(privilegeId="Folder.Create", object=vim.Folder("group-v3")), "make a group"
    )
    assert isinstance(error, NotPermittedError)
    assert error.privilege == "Folder.Create"
    assert "on group-v3" in str(error)


def test_words_that_are_only_in_the_details_are_used() -> None:
    fault = vim.fault.VmConfigFault(faultMessage=[vmodl.LocalizableMessage(key="k", message="No such device.")])
    assert "No such device (VmConfigFault)" in str(error_from(fault, "change 'x'"))


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (ConnectionRefusedError(), "nothing listens there"),
        (TimeoutError(), "no answer in time"),
        (ConnectionResetError("reset by peer"), "reset by peer"),
        (http.client.RemoteDisconnected("closed"), "closed"),
        (http.client.HTTPException("HTTP 503 busy"), "HTTP 503 busy"),
        (ExpatError(), "ExpatError"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (ssl.SSLError("bad record"), "bad record"),
    ],
)
def test_a_broken_connection_is_one_class(cause: Exception, words: str) -> None:
    with pytest.raises(ConnectionFailedError, match="could not list nodes") as caught, translated("list nodes"):
        raise cause
    assert words in str(caught.value)
    assert caught.value.fault is cause
    assert caught.value.__cause__ is cause


def test_a_distrusted_certificate_says_what_to_do() -> None:
    cause = ssl.SSLCertVerificationError("x")
    cause.verify_message = "self-signed certificate"
    error = error_from(cause, "connect")
    assert "self-signed certificate; pass ca_cert=" in str(error)


@pytest.mark.parametrize(
    ("code", "advice"),
    [  # OpenSSL's X509_V_ERR_ numbers
        (62, "a name that is in the certificate as host="),
        (64, "a name that is in the certificate as host="),
        (10, "have it renewed"),
    ],
)
def test_advice_on_a_certificate_is_about_what_is_wrong_with_it(code: int, advice: str) -> None:
    cause = ssl.SSLCertVerificationError("x")
    cause.verify_message, cause.verify_code = "it is wrong", code
    message = str(error_from(cause, "connect"))
    assert advice in message and "ca_cert=" not in message


def test_another_certificate_than_the_pinned_is_no_reason_to_pin_that(bare_lab: Lab) -> None:
    with pytest.raises(ConnectionFailedError, match="not the pinned") as caught:
        bare_lab.driver(ca_cert=None, ex_thumbprint="ab" * 32)
    assert "ask whoever runs the server before you change ex_thumbprint=" in str(caught.value)
    assert "with its SHA-256" not in str(caught.value)


def test_what_is_not_ours_passes_unchanged() -> None:
    for cause in (KeyError("a mistake"), KeyboardInterrupt(), TaskError("known already")):
        with pytest.raises(type(cause)) as caught, translated("do it"):
            raise cause
        assert caught.value is cause
    assert error_from(KeyError(), "do it") is None
    assert error_from("text", "do it") is None
