"""A session from the first byte to the logout."""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError, InvalidRequestError, VsphereError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import session as session_module
from libcloud_vsphere_clone.vcenter.properties import fetch_rows
from libcloud_vsphere_clone.vcenter.session import Endpoint, Session
from libcloud_vsphere_clone.vcenter.tls import Trust

from .conftest import Connect

PATHS = {"VirtualMachine": ("name",)}

PROGRAM = """
import os
from libcloud_vsphere_clone.vcenter.session import Endpoint, Session
from libcloud_vsphere_clone.vcenter.tls import Trust
host, port, username, password, ca_cert = os.environ["LAB"].split("|")
session = Session(Endpoint(host, int(port), username, password, Trust(ca_cert)))
"""


@pytest.fixture(scope="module")
def esxi_lab() -> Iterator[Lab]:
    """A bare host."""
    with Lab(guests=False, esxi=True) as lab:
        yield lab


@pytest.fixture(scope="module")
def old_lab() -> Iterator[Lab]:
    """A vCenter of some years ago."""
    with Lab(guests=False, api_version="6.7") as lab:
        yield lab


def endpoint_of(lab: Lab) -> Endpoint:
    return Endpoint(lab.host, lab.port, lab.username, lab.password, Trust(lab.ca_cert), timeout_s=10)


def run_program(lab: Lab, *lines: str) -> subprocess.CompletedProcess[str]:
    """A Python process that opens a session and does what the lines say; warnings are errors there."""
    words = "|".join((lab.host, str(lab.port), lab.username, lab.password, lab.ca_cert))
    environment = {**os.environ, "LAB": words, "PYTHONPATH": str(Path.cwd())}
    program = PROGRAM + "\n".join(lines)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=environment, capture_output=True, text=True, timeout=120
    )


def test_a_session_says_where_it_is_and_no_secret(calm_lab: Lab, session: Session) -> None:
    where = f"{calm_lab.host}:{calm_lab.port}"
    assert repr(session) == f"<Session {calm_lab.username} at {where}, API 8.0.3.0>"
    assert str(session.endpoint) == where
    assert calm_lab.password not in repr(session.endpoint) + repr(vars(session))


def test_connecting_takes_two_calls(calm_lab: Lab, session: Session) -> None:
    assert calm_lab.calls().by_method == {"RetrieveServiceContent": 1, "Login": 1}


def test_a_single_host_is_refused_before_a_password_is_sent(esxi_lab: Lab) -> None:
    with pytest.raises(InvalidRequestError, match=r"single host.*no clone API.*connect to the vCenter Server"):
        Session(endpoint_of(esxi_lab))
    assert esxi_lab.control.logins().count == 0


def test_the_newest_version_that_both_know_is_spoken(old_lab: Lab, connect: Connect) -> None:
    with Session(endpoint_of(old_lab)) as old:
        assert old.api_version == "6.7"
        assert fetch_rows(old, PATHS)
    assert connect(api_version="7.0.3.0").api_version == "7.0.3.0"
    assert connect(api_version="8.0").api_version.startswith("8.0.")


def test_a_version_that_nobody_knows_is_refused(calm_lab: Lab, connect: Connect) -> None:
    for version in ("12.0", ""):
        with pytest.raises(InvalidRequestError, match="api_version"):
            connect(api_version=version)
    assert calm_lab.calls().total == 0


def test_a_wrong_password_is_tried_once(calm_lab: Lab, connect: Connect) -> None:
    before = calm_lab.control.logins()
    with pytest.raises(AuthenticationError, match="check user name") as caught:
        connect(password="guessed-wrong")
    after = calm_lab.control.logins()
    assert (after.count, after.failed) == (before.count + 1, before.failed + 1)
    assert "guessed-wrong" not in f"{caught.value!r} {caught.value} {vars(caught.value)}"


def test_a_server_that_is_no_vcenter_is_named(calm_lab: Lab, connect: Connect) -> None:
    control_port = int(calm_lab.control_url.rpartition(":")[2])
    with pytest.raises(ConnectionFailedError, match=r"does not answer as a vSphere server.*HTTP 401"):
        connect(port=control_port, trust=None)
    with pytest.raises(ConnectionFailedError, match="HTTP 400"):
        connect(trust=None)  # plain http to a TLS port
    with pytest.raises(ConnectionFailedError, match="nothing listens there"):
        connect(port=9)
    with pytest.raises(ConnectionFailedError):
        connect(host="no-such-host.invalid")
    assert calm_lab.calls().total == 0


def test_a_constructor_that_fails_leaves_no_connection(calm_lab: Lab, connect: Connect) -> None:
    calm_lab.faults.add("Login", fault="InvalidLogin")
    with pytest.raises(AuthenticationError) as caught:
        connect()
    frame = caught.tb
    while frame.tb_frame.f_code.co_name != "__init__":
        assert frame.tb_next is not None
        frame = frame.tb_next
    assert frame.tb_frame.f_locals["self"].stub.pool == []


def test_views_are_kept_and_made_again_for_a_new_session(calm_lab: Lab, session: Session) -> None:
    view = session.view(["VirtualMachine"])
    assert session.view({"VirtualMachine"}) is view
    assert session.view({"Folder"}) is not view
    assert calm_lab.control.leftovers().views == 2
    calm_lab.expire_sessions()
    session.check_alive()
    assert session.view({"VirtualMachine"}) is not view
    assert calm_lab.control.leftovers().views == 1


def test_a_view_that_was_made_meanwhile_is_not_dropped(session: Session) -> None:
    old = session.view({"Folder"})
    session.drop_view(old)
    new = session.view({"Folder"})
    session.drop_view(old)
    assert session.view({"Folder"}) is new
    assert new is not old


def test_listings_after_expiry_make_one_view(calm_lab: Lab, session: Session) -> None:
    before = fetch_rows(session, PATHS)
    calm_lab.expire_sessions()
    assert fetch_rows(session, PATHS) == before
    assert fetch_rows(session, PATHS) == before
    assert calm_lab.control.leftovers().views == 1


def test_close_logs_out_with_all_that_the_session_kept(calm_lab: Lab, connect: Connect) -> None:
    session = connect()
    fetch_rows(session, PATHS)
    session.close()
    session.close()
    assert calm_lab.control.count_sessions() == 0
    assert calm_lab.control.leftovers().views == 0
    calm_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="closed"):
        fetch_rows(session, PATHS)
    assert calm_lab.calls().total == 0


def test_with_logs_out_even_after_an_error(calm_lab: Lab, connect: Connect) -> None:
    with pytest.raises(RuntimeError), connect():
        raise RuntimeError
    assert calm_lab.control.count_sessions() == 0


def test_a_forgotten_session_logs_out(calm_lab: Lab, endpoint: Endpoint) -> None:
    session = Session(endpoint)
    fetch_rows(session, PATHS)
    assert calm_lab.control.count_sessions() == 1
    del session
    gc.collect()
    assert calm_lab.control.count_sessions() == 0


def test_a_session_that_was_renewed_in_vain_can_still_be_forgotten(calm_lab: Lab, endpoint: Endpoint) -> None:
    session = Session(endpoint)
    calm_lab.faults.add("Login", when="reset-before")
    calm_lab.expire_sessions()
    with pytest.raises(VsphereError):
        fetch_rows(session, PATHS)
    assert fetch_rows(session, PATHS)
    del session
    gc.collect()
    assert calm_lab.control.count_sessions() == 0


def test_a_logout_that_is_not_answered_holds_nobody_up(
    calm_lab: Lab, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "LOGOUT_TIMEOUT_S", 0.2)
    session = connect(timeout_s=60)
    calm_lab.faults.add("Logout", when="stall")
    began = time.monotonic()
    session.close()
    assert time.monotonic() - began < 30  # the session itself would wait for a minute


def test_the_interpreters_exit_logs_out(calm_lab: Lab) -> None:
    done = run_program(calm_lab, "print(session.view({'Folder'})._moId)")
    assert (done.returncode, done.stderr) == (0, "")
    assert calm_lab.calls().by_method["Logout"] == 1
    assert calm_lab.control.count_sessions() == 0


def test_an_exit_by_exception_logs_out(calm_lab: Lab) -> None:
    done = run_program(calm_lab, "raise KeyboardInterrupt")
    assert done.stderr.strip().endswith("KeyboardInterrupt")
    assert "Exception ignored" not in done.stderr
    assert calm_lab.control.count_sessions() == 0


def test_a_forked_child_logs_in_for_itself_and_its_exit_harms_nobody(calm_lab: Lab) -> None:
    done = run_program(
        calm_lab,
        "import sys",
        "mine = session.stub.cookie",
        "child = os.fork()",
        "if child == 0:",
        "    session.view({'Folder'})",
        "    assert session.stub.cookie not in ('', mine)",
        "    sys.exit(7)",
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7",
        "session.stub.login = None  # from here on the parent could not log in again",
        "session.view({'VirtualMachine'})",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert calm_lab.calls().by_method["Login"] == 2
    assert calm_lab.calls().by_method["Logout"] == 2
    assert calm_lab.control.count_sessions() == 0


def test_a_forked_child_that_does_nothing_sends_nothing(calm_lab: Lab) -> None:
    done = run_program(
        calm_lab,
        "session.view({'Folder'})",
        "child = os.fork()",
        "if child == 0:",
        "    raise SystemExit",
        "os.waitpid(child, 0)",
        "assert session.content.searchIndex.FindByInventoryPath('/lab-dc') is not None",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert calm_lab.calls().by_method["Login"] == 1
    assert calm_lab.calls().by_method["Logout"] == 1


def test_a_fork_waits_for_threads_in_the_middle_of_pyvmomis_types(calm_lab: Lab) -> None:
    done = run_program(
        calm_lab,
        "import signal, threading, time",
        "from pyVmomi import VmomiSupport",
        "taken = threading.Event()",
        "def load_types():",
        "    with VmomiSupport._lazyLock:",
        "        taken.set()",
        "        time.sleep(0.2)",
        "thread = threading.Thread(target=load_types)",
        "thread.start()",
        "taken.wait()",
        "child = os.fork()",
        "if child == 0:",
        "    signal.alarm(60)",
        "    session.view({'Datastore'})",
        "    raise SystemExit",
        "assert os.waitpid(child, 0)[1] == 0",
        "thread.join()",
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_children_of_multiprocessing_log_out(calm_lab: Lab, session: Session) -> None:
    fork = multiprocessing.get_context("fork")

    def work() -> None:
        assert fetch_rows(session, PATHS)

    children = [fork.Process(target=work) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0]
    assert calm_lab.calls().by_method["Login"] == 3
    assert calm_lab.control.count_sessions() == 1
    assert fetch_rows(session, PATHS)
    assert calm_lab.calls().by_method["Login"] == 3


def test_plain_http_is_spoken_only_without_trust(endpoint: Endpoint) -> None:
    assert replace(endpoint, trust=None).trust is None
    assert Endpoint("vc", 443, "u", "p").trust == Trust()
