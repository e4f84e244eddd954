"""Connections that are kept, against a server that closes them, and interrupts at bad moments."""

from __future__ import annotations

import gc
import http.client
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.connections import PoolingStub
from libcloud_vsphere_clone.vcenter.mirror import Mirror
from libcloud_vsphere_clone.vcenter.properties import fetch_rows
from libcloud_vsphere_clone.vcenter.session import Session
from libcloud_vsphere_clone.vcenter.subscription import _authenticated_updates
from libcloud_vsphere_clone.vcenter.tls import _DialledConnection

from .scripted import Answer, returned, scripted
from .test_rows import change, missing, update, updates_bytes
from .test_stub_answers import NOW, current_time, scripted_stub

PATHS = {"Folder": ("name",)}


def test_a_write_goes_through_after_the_server_has_closed_an_idle_connection() -> None:
    """As web servers do after a few seconds, without a word; the lab's never does."""
    with scripted(returned("CurrentTime", NOW), returned("Login", ""), closes=True) as server:
        stub = scripted_stub(server)
        manager: Any = vim.SessionManager("SessionManager", stub)
        vim.ServiceInstance("ServiceInstance", stub).CurrentTime()
        assert server.closed.wait(10)
        manager.Login("user", "password")
        stub.DropConnections()


def test_one_connection_serves_call_after_call(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    dials = []
    dial = _DialledConnection.connect

    def note(connection: _DialledConnection) -> None:
        dials.append(connection)
        dial(connection)

    monkeypatch.setattr(_DialledConnection, "connect", note)
    session.stub.DropConnections()
    for _ in range(10):
        fetch_rows(session, PATHS)
    assert len(dials) == 1


def test_a_call_goes_through_after_data_that_was_missing_for_lack_of_a_session() -> None:
    """The reply was not read to its end when that was seen; the login that follows has the connection next."""
    refused = update("modify", missing("name", "NotAuthenticated"))
    renamed = update("modify", change("name", '<val xsi:type="xsd:string">web</val>'))
    first, second = Answer(updates_bytes(refused)), Answer(updates_bytes(renamed))
    with scripted(first, returned("Login", ""), second) as server:
        stub = scripted_stub(server)
        manager: Any = vim.SessionManager("SessionManager", stub)
        stub.login = lambda: manager.Login("user", "password")
        collector: Any = vmodl.query.PropertyCollector("collector-1", stub)
        info = collector._GetMethodInfo("WaitForUpdatesEx")
        updates = stub.call(collector, info, ["1", None], _authenticated_updates)
        stub.DropConnections()
    assert updates is not None
    assert updates.changed == [{"name": "web"}]


@pytest.mark.parametrize("work", ["GetConnection", "ReturnConnection", "DropConnections"])
def test_an_interrupt_leaves_no_lock_taken(work: str) -> None:
    """A fake: an interrupt cannot be made to come in that very moment."""

    class Interrupted(list[Any]):
        def __len__(self) -> int:
            raise KeyboardInterrupt

        def insert(self, *_: object) -> None:
            raise KeyboardInterrupt

        def __iter__(self) -> Iterator[Any]:
            raise KeyboardInterrupt

    with scripted(returned("CurrentTime", NOW)) as server:
        stub = scripted_stub(server)
        arguments = [stub.GetConnection()] if work == "ReturnConnection" else []
        stub.pool = Interrupted()
        with pytest.raises(KeyboardInterrupt):
            getattr(stub, work)(*arguments)
        stub.pool = []
        assert current_time(stub).year == 2026


def test_an_interrupted_dial_leaves_no_socket(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    session.stub.DropConnections()
    with monkeypatch.context() as patched:
        patched.setattr(ssl.SSLSocket, "do_handshake", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch_rows(session, PATHS)
    gc.collect()  # an unclosed socket would warn
    assert fetch_rows(session, PATHS)


def test_an_interrupt_breaks_its_own_connection_only(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    other = session.stub.GetConnection()
    fetch_rows(session, PATHS)
    session.stub.ReturnConnection(other)
    kept = [connection for connection, _ in session.stub.pool]
    with monkeypatch.context() as patched:
        patched.setattr(http.client.HTTPResponse, "read1", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch_rows(session, PATHS)
    assert [connection for connection, _ in session.stub.pool] == kept[1:]
    assert fetch_rows(session, PATHS)


def test_a_driver_that_is_closed_while_others_read_leaves_nothing(calm_lab: Lab, session: Session) -> None:
    mirror = Mirror(session, PATHS)
    mirror.wait(0)
    outcomes: list[BaseException] = []

    def read() -> None:
        try:
            while True:
                mirror.wait(1)
        except BaseException as outcome:
            outcomes.append(outcome)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    calls = calm_lab.calls().by_method.get("WaitForUpdatesEx", 0)
    while calm_lab.calls().by_method.get("WaitForUpdatesEx", 0) == calls:
        pass
    session.close()
    for reader in readers:
        reader.join(20)
    assert [type(outcome) for outcome in outcomes] == [InvalidRequestError] * 3
    assert all("was closed; make a new one" in str(outcome) for outcome in outcomes)
    assert session.stub.pool == []
    assert isinstance(session.stub, PoolingStub)
