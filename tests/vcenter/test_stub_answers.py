"""What the stub makes of answers that the lab never gives; they come from a scripted server."""

from __future__ import annotations

import gzip
import http.client
import socket
import ssl
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError, error_from, translated
from libcloud_vsphere_clone.vcenter.stub import VcenterStub

from .scripted import Answer, ScriptedServer, envelope, fault, returned, scripted

NOW = '<returnval xsi:type="xsd:dateTime">2026-01-02T03:04:05Z</returnval>'
NOT_AUTHENTICATED = fault(
    "The session is not authenticated.",
    '<NotAuthenticatedFault xmlns="urn:vim25" xsi:type="NotAuthenticated">'
    '<object type="Folder">group-d1</object><privilegeId>System.View</privilegeId></NotAuthenticatedFault>',
)


def scripted_stub(server: ScriptedServer) -> VcenterStub:
    """A stub that speaks plain http to the scripted server."""
    return VcenterStub("127.0.0.1", server.port, "vim.version.v8_0_3_0", None, timeout_s=5)


def current_time(stub: VcenterStub) -> Any:
    try:
        return vim.ServiceInstance("ServiceInstance", stub).CurrentTime()
    finally:
        stub.DropConnections()


def test_only_a_login_sets_the_session() -> None:
    """vCenter gives a session of its own to every call that comes without one."""
    stranger = {"Set-Cookie": "vmware_soap_session=stranger; Path=/; HttpOnly"}
    ours = {"Set-Cookie": 'vmware_soap_session="ours"; Path=/; HttpOnly; Secure'}
    late = Answer(returned("CurrentTime", NOW).body, headers=stranger)
    login = Answer(returned("Login", "").body, headers=ours)
    with scripted(late, login, late, late) as server:
        stub = scripted_stub(server)
        manager: Any = vim.SessionManager("SessionManager", stub)
        current_time(stub)
        manager.Login("user", "password")
        current_time(stub)
        current_time(stub)
    assert server.cookies == ["", "", *['vmware_soap_session="ours"'] * 2]


def test_a_load_balancers_cookie_is_sent_along() -> None:
    both = [("Set-Cookie", "vmware_soap_session=ours; Path=/"), ("Set-Cookie", "lb=node7; Expires=Wed, 01 Jan 2031")]
    login = Answer(returned("Login", "").body, headers=both)
    with scripted(login, returned("CurrentTime", NOW)) as server:
        stub = scripted_stub(server)
        manager: Any = vim.SessionManager("SessionManager", stub)
        manager.Login("user", "password")
        current_time(stub)
    assert server.cookies[1] == "vmware_soap_session=ours; lb=node7"


def test_a_login_carries_no_session_while_other_calls_do() -> None:
    with scripted(returned("CurrentTime", NOW), returned("Login", "")) as server:
        stub = scripted_stub(server)
        stub.cookie = "vmware_soap_session=dead"
        current_time(stub)
        vim.SessionManager("SessionManager", stub).Login("user", "password")  # type: ignore[call-arg]
        stub.DropConnections()
    assert server.cookies == ["vmware_soap_session=dead", ""]


@pytest.mark.parametrize(
    "detail",
    [
        '<QuantumFluxFault xmlns="urn:vim25" xsi:type="QuantumFlux"><level>9</level></QuantumFluxFault>',
        '<QuantumFlux xmlns="urn:vim25"/>',
    ],
)
def test_a_fault_that_pyvmomi_does_not_know_keeps_its_text(detail: str) -> None:
    with scripted(fault("The flux is too high.", detail)) as server, pytest.raises(vmodl.MethodFault) as caught:
        current_time(scripted_stub(server))
    text = str(error_from(caught.value, "ask", "vc"))
    assert "could not ask on vc: The flux is too high" in text
    assert "QuantumFlux" in text


def test_a_fault_without_words_is_still_an_error() -> None:
    for body in (envelope(""), envelope("<soapenv:Fault/>")):
        answers, broken = [Answer(body, status=500)] * 4, (vmodl.MethodFault, http.client.HTTPException)
        with scripted(*answers) as server, pytest.raises(broken):
            current_time(scripted_stub(server))


def test_a_packed_answer_is_unpacked() -> None:
    plain = returned("CurrentTime", NOW)
    packed = Answer(gzip.compress(plain.body), headers={"Content-Encoding": "gzip"})
    refusal = Answer(gzip.compress(NOT_AUTHENTICATED.body), 500, {"Content-Encoding": "gzip"})
    with scripted(packed, refusal) as server:
        assert current_time(scripted_stub(server)).year == 2026
        with pytest.raises(vim.fault.NotAuthenticated):
            current_time(scripted_stub(server))


def test_a_packed_answer_that_is_garbled_is_a_connection_error() -> None:
    broken = Answer(b"\x1f\x8b\x08\x00 no gzip at all", headers={"Content-Encoding": "gzip"})
    with scripted(*[broken] * 4) as server, pytest.raises(ConnectionFailedError), translated("ask"):
        current_time(scripted_stub(server))


def test_a_server_that_is_coming_back_is_asked_again() -> None:
    busy = Answer(b"Service Unavailable", status=503)
    with scripted(busy, busy, returned("CurrentTime", NOW)) as server:
        assert current_time(scripted_stub(server)).year == 2026
    with scripted(*[busy] * 4) as server, pytest.raises(ConnectionFailedError, match="HTTP 503"), translated("ask"):
        current_time(scripted_stub(server))


@pytest.mark.parametrize("status", [200, 401, 500, 503])
def test_a_page_of_whoever_answers_in_vcenters_place_is_a_connection_error(status: int) -> None:
    """A proxy's, which may be well-formed: as a reply it would have no result, as a listing no nodes."""
    page = b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><p>Log in</p></body></html>'
    answers = [Answer(page, status=status, headers={"Content-Type": "Text/HTML; charset=utf-8"})] * 4
    told = pytest.raises(ConnectionFailedError, match=f"HTTP {status} .*an HTML page")
    with scripted(*answers) as server, told, translated("ask"):
        current_time(scripted_stub(server))
    with scripted(*answers[:1]) as server, pytest.raises(ConnectionFailedError), translated("power it off"):
        vim.VirtualMachine("vm-1", scripted_stub(server)).PowerOffVM_Task()


@pytest.mark.parametrize("part", [0.2, 0.9])
def test_a_chunked_answer_is_read_and_one_cut_short_is_a_connection_error(part: float) -> None:
    body = returned("CurrentTime", NOW).body
    pieces = [body[start : start + 50] for start in range(0, len(body), 50)]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    headers = {"Transfer-Encoding": "chunked", "Content-Length": ""}
    whole = Answer(chunked, headers=headers)
    short = Answer(chunked[: int(len(chunked) * part)], headers={**headers, "Connection": "close"})
    with scripted(whole, short, whole) as server:
        assert current_time(scripted_stub(server)).year == 2026
        assert current_time(scripted_stub(server)).year == 2026
        assert not server.answers
    with scripted(short) as server, pytest.raises(ConnectionFailedError), translated("power it off"):
        vim.VirtualMachine("vm-1", scripted_stub(server)).PowerOffVM_Task()


def test_a_body_shorter_than_announced_is_a_connection_error() -> None:
    whole = returned("CurrentTime", NOW).body
    short = Answer(whole[:-40], headers={"Content-Length": str(len(whole)), "Connection": "close"})
    with scripted(short, short, returned("CurrentTime", NOW)) as server:
        assert current_time(scripted_stub(server)).year == 2026


def test_a_session_that_ends_again_and_again_is_given_up() -> None:
    logins = []
    with scripted(*[NOT_AUTHENTICATED] * 9) as server:
        stub = scripted_stub(server)
        stub.login = lambda: logins.append(1)
        with pytest.raises(AuthenticationError, match="ended and was not renewed"), translated("ask"):
            current_time(stub)
    assert len(logins) == 2


@pytest.mark.parametrize(
    "cause", [ssl.SSLCertVerificationError("no"), TimeoutError(), socket.gaierror(-2, "no such name")]
)
def test_what_cannot_pass_is_not_tried_again(cause: Exception) -> None:
    attempts = []

    def attempt() -> None:
        attempts.append(1)
        raise cause

    with scripted() as server, pytest.raises(type(cause)):
        scripted_stub(server).perform("CurrentTime", attempt)
    assert len(attempts) == 1
