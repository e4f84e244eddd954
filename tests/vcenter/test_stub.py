"""What is sent again and what is not, and who logs in when a session ends."""

from __future__ import annotations

import http.client
import itertools
import logging
import os
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from xml.parsers.expat import ExpatError

import pytest
from pyVmomi import vim, vmodl

from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError, error_from, translated
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import stub as stub_module
from libcloud_vsphere_clone.vcenter.properties import fetch_rows
from libcloud_vsphere_clone.vcenter.rows import Ref
from libcloud_vsphere_clone.vcenter.session import Session
from libcloud_vsphere_clone.vcenter.stub import SAFE_TO_REPEAT, stub_version

from .conftest import Connect

PATHS = {"VirtualMachine": ("name", "runtime.powerState")}
BREAKS = ("reset-before", "reset-after", "drop-body")
Together = Callable[[Callable[[], Any]], list[Future[Any]]]


def legacy_web(session: Session) -> Any:
    """A VM that is powered off."""
    rows = fetch_rows(session, PATHS)
    (ref,) = [ref for ref, row in rows.items() if row["name"] == "legacy-web"]
    return session.managed(*ref)


@pytest.mark.parametrize("when", BREAKS)
def test_a_read_is_sent_again_after_a_broken_connection(calm_lab: Lab, session: Session, when: str) -> None:
    before = fetch_rows(session, PATHS)
    calm_lab.reset_calls()
    calm_lab.faults.add("RetrievePropertiesEx", when=when, times=2)
    assert fetch_rows(session, PATHS) == before
    assert calm_lab.calls().by_method == {"RetrievePropertiesEx": 3}


def test_a_read_is_not_sent_for_ever(calm_lab: Lab, session: Session) -> None:
    calm_lab.faults.add("RetrievePropertiesEx", when="reset-before", times=0)
    with pytest.raises(ConnectionFailedError), translated("list nodes"):
        fetch_rows(session, PATHS)
    assert calm_lab.calls().by_method["RetrievePropertiesEx"] == 1 + len(stub_module.REPEAT_DELAYS_S)


@pytest.mark.parametrize("when", BREAKS)
@pytest.mark.parametrize("method", ["PowerOnVM_Task", "PowerOffVM_Task", "ReconfigVM_Task", "CloneVM_Task"])
def test_a_write_is_sent_once(calm_lab: Lab, session: Session, method: str, when: str) -> None:
    vm = legacy_web(session)
    arguments: dict[str, tuple[Any, ...]] = {
        "ReconfigVM_Task": (vim.vm.ConfigSpec(),),
        "CloneVM_Task": (vim.Folder("no-such-folder"), "never", vim.vm.CloneSpec(location=vim.vm.RelocateSpec())),
    }
    calm_lab.faults.add(method, when=when, times=0)
    with pytest.raises(ConnectionFailedError), translated("write"):
        getattr(vm, method)(*arguments.get(method, ()))
    assert calm_lab.calls().by_method[method] == 1


def test_a_write_refused_for_lack_of_a_session_is_sent_again(calm_lab: Lab, session: Session) -> None:
    vm = legacy_web(session)
    calm_lab.expire_sessions()
    calm_lab.reset_calls()
    vm.ReconfigVM_Task(vim.vm.ConfigSpec())
    assert calm_lab.calls().by_method == {"ReconfigVM_Task": 2, "Login": 1}


def test_what_may_be_repeated_exists_and_changes_nothing_that_outlives_the_session() -> None:
    known = {
        info.wsdlName
        for kind in (
            vim.ServiceInstance,
            vim.SearchIndex,
            vim.view.ViewManager,
            vim.view.View,
            vmodl.query.PropertyCollector,
            vim.vm.guest.FileManager,
            vim.vm.guest.ProcessManager,
        )
        for info in kind._methodInfo.values()
    }
    assert known >= SAFE_TO_REPEAT
    assert not [method for method in SAFE_TO_REPEAT if method.endswith("_Task")]


def test_a_reply_cut_short_is_a_connection_error(calm_lab: Lab, session: Session) -> None:
    calm_lab.faults.add("FindByInventoryPath", when="drop-body")
    with pytest.raises((OSError, http.client.HTTPException, ExpatError)) as caught:
        session.content.searchIndex.FindByInventoryPath("/lab-dc/vm")
    assert isinstance(error_from(caught.value, "look"), ConnectionFailedError)
    assert session.content.searchIndex.FindByInventoryPath("/lab-dc/vm") is not None


def test_a_fault_leaves_the_connection_usable(calm_lab: Lab, session: Session) -> None:
    calm_lab.faults.add("FindByUuid", fault="InvalidArgument", times=0)
    fetch_rows(session, PATHS)
    (pooled,) = session.stub.pool
    for _ in range(3):
        with pytest.raises(vmodl.fault.InvalidArgument):
            session.content.searchIndex.FindByUuid(None, "x", True)
    assert [connection for connection, _ in session.stub.pool] == [pooled[0]]


def test_an_interrupt_leaves_no_half_read_connection(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(http.client.HTTPResponse, "read1", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch_rows(session, PATHS)
    assert session.stub.pool == []
    monkeypatch.undo()
    assert fetch_rows(session, PATHS)


def test_twenty_threads_renew_an_ended_session_once(calm_lab: Lab, session: Session, together: Together) -> None:
    before = fetch_rows(session, PATHS)
    logins = calm_lab.control.logins().count
    calm_lab.expire_sessions()
    futures = together(lambda: fetch_rows(session, PATHS))
    assert [future.result() for future in futures] == [before] * 20
    assert calm_lab.control.logins().count == logins + 1
    assert calm_lab.control.count_sessions() == 1
    assert calm_lab.control.leftovers().views == 1


def test_threads_that_make_views_and_threads_that_have_them_do_not_wait_for_each_other(
    calm_lab: Lab, session: Session, together: Together
) -> None:
    fetch_rows(session, PATHS)
    logins = calm_lab.control.logins().count
    calm_lab.expire_sessions()
    turns = itertools.count()
    kinds = ["Folder", "Datastore", "HostSystem"]

    def work() -> int:
        turn = next(turns)
        return len(fetch_rows(session, PATHS if turn % 2 else {kinds[turn % 3]: ("name",)}))

    assert all(future.result() for future in together(work))
    assert calm_lab.control.logins().count == logins + 1
    assert calm_lab.control.leftovers().views <= 4


def test_two_expiries_are_two_logins(calm_lab: Lab, session: Session) -> None:
    logins = calm_lab.control.logins().count
    for _ in range(2):
        calm_lab.expire_sessions()
        assert fetch_rows(session, PATHS)
    assert calm_lab.control.logins().count == logins + 2


def test_a_password_changed_meanwhile_is_tried_once(calm_lab: Lab, session: Session, together: Together) -> None:
    calm_lab.faults.add("Login", fault="InvalidLogin", times=0)
    logins = calm_lab.control.logins()
    calm_lab.expire_sessions()
    for _ in range(2):
        for future in together(lambda: fetch_rows(session, PATHS)):
            assert isinstance(future.exception(), AuthenticationError)
            assert "tried once" in str(future.exception())
    assert calm_lab.control.logins().count == logins.count + 1


def test_a_refused_login_is_remembered_without_its_frames(calm_lab: Lab, session: Session) -> None:
    calm_lab.faults.add("Login", fault="InvalidLogin", times=0)
    calm_lab.expire_sessions()
    raised = []
    for _ in range(2):
        with pytest.raises(AuthenticationError) as caught:
            fetch_rows(session, PATHS)
        raised.append(caught.value)
    assert raised[0] is not raised[1]
    assert str(raised[0]) == str(raised[1])
    assert session.stub._failure is not None
    assert session.stub._failure.__traceback__ is None


def test_a_login_that_cannot_be_sent_fails_for_all_that_wait(
    calm_lab: Lab, session: Session, together: Together
) -> None:
    """Else 20 threads would wait for 20 time-outs, one after the other."""
    fetch_rows(session, PATHS)
    calm_lab.faults.add("Login", when="reset-before", delay_ms=1500, times=1)
    calm_lab.expire_sessions()
    barrier = threading.Barrier(20)

    def work() -> Any:
        barrier.wait(60)
        return fetch_rows(session, PATHS)

    outcomes = [future.exception() for future in together(work)]
    assert sum(isinstance(outcome, ConnectionFailedError) for outcome in outcomes) >= 10
    assert calm_lab.calls().by_method["Login"] <= 3
    assert fetch_rows(session, PATHS), "a later call logs in again"


def test_an_interrupted_login_does_not_bar_the_next(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    login, session.stub.login = session.stub.login, interrupted
    with pytest.raises(KeyboardInterrupt):
        session.stub.renew(session.stub.generation)
    session.stub.login = login
    generation = session.stub.generation
    session.stub.renew(generation)
    assert session.stub.generation == generation + 1


def test_calls_are_logged_by_name_and_time_only(
    calm_lab: Lab, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        calm_lab.faults.add("RetrievePropertiesEx", when="reset-before")
        calm_lab.expire_sessions()
        fetch_rows(session, PATHS)
    assert "RetrievePropertiesEx: ok" in caplog.text
    assert "sent again" in caplog.text
    assert "logged in to" in caplog.text
    assert calm_lab.password not in caplog.text
    assert session.stub.cookie.partition(";")[0] not in caplog.text


def test_versions_are_known_by_their_release() -> None:
    assert stub_version("8.0.3.0") == "vim.version.v8_0_3_0"
    assert stub_version("8.0.2") == "vim.version.v8_0_2_0"
    assert stub_version("6.7") is not None
    assert stub_version("12.0") is None
    assert stub_version("") is None


def test_a_forked_child_forgets_what_is_its_parents(calm_lab: Lab, connect: Connect) -> None:
    """Locks held by other threads at the moment of the fork included."""
    session = connect()
    stub = session.stub
    reader, writer = os.pipe()
    with stub._renewing, stub.keeping, stub.lock:
        child = os.fork()
        if child == 0:
            try:
                rows = fetch_rows(session, PATHS)
                session.close()
                os.write(writer, pickle.dumps(len(rows)))
            finally:
                os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:  # noqa: PTH123  # a file descriptor
        assert pickle.loads(answer.read()) == len(fetch_rows(session, PATHS))  # noqa: S301  # our own child's
    os.waitpid(child, 0)
    assert calm_lab.control.count_sessions() == 1
    assert calm_lab.control.logins().failed == 0 or calm_lab.calls().by_method["Login"] == 2


def test_managed_objects_are_made_without_a_call(calm_lab: Lab, session: Session) -> None:
    calm_lab.reset_calls()
    assert session.managed(*Ref("VirtualMachine", "vm-1"))._moId == "vm-1"
    assert calm_lab.calls().total == 0


def test_an_idle_session_whose_connections_are_gone_goes_on(calm_lab: Lab, session: Session) -> None:
    vm = legacy_web(session)
    calm_lab.expire_sessions()
    for connection, _ in session.stub.pool:
        connection.sock.close()  # as a server does after its idle time
    assert fetch_rows(session, PATHS)
    calm_lab.expire_sessions()
    session.stub.DropConnections()
    vm.ReconfigVM_Task(vim.vm.ConfigSpec())


def test_connections_are_dropped_before_a_server_would(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch_rows(session, PATHS)
    ((old, _),) = session.stub.pool
    later = time.time() + stub_module.IDLE_CONNECTION_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    fetch_rows(session, PATHS)
    ((new, _),) = session.stub.pool
    assert new is not old
