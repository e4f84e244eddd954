"""Sessions to the run's lab without guests; what a test did to the lab is undone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import stub
from libcloud_vsphere_clone.vcenter.session import Endpoint, Session
from libcloud_vsphere_clone.vcenter.tls import Trust

Connect = Callable[..., Session]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub, "REPEAT_DELAYS_S", (0.01, 0.01, 0.01))


@pytest.fixture
def calm_lab(bare_lab: Lab) -> Iterator[Lab]:
    """The lab, with no session and no rule in it."""
    bare_lab.expire_sessions()
    bare_lab.reset_calls()
    yield bare_lab
    bare_lab.faults.clear()
    bare_lab.delay_tasks({})
    bare_lab.control.restore_certificate()
    bare_lab.expire_sessions()


@pytest.fixture
def endpoint(calm_lab: Lab) -> Endpoint:
    """Where the lab is, its certificate verified."""
    return Endpoint(
        calm_lab.host, calm_lab.port, calm_lab.username, calm_lab.password, Trust(calm_lab.ca_cert), timeout_s=10
    )


@pytest.fixture
def connect(endpoint: Endpoint) -> Iterator[Connect]:
    """Opens sessions, with changes to the endpoint as keywords; closed after the test."""
    opened: list[Session] = []

    def open_one(**changes: Any) -> Session:
        opened.append(Session(replace(endpoint, **changes)))
        return opened[-1]

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture
def session(connect: Connect) -> Session:
    """One session to the lab."""
    return connect()


@pytest.fixture
def new_task(session: Session) -> Callable[[], Any]:
    """Makes queued tasks on the datacenter's VM folder, which only ``SetTaskState`` moves."""
    extensions: Any = session.content.extensionManager
    if extensions.FindExtension("org.example.jobs") is None:
        extensions.RegisterExtension(
            vim.Extension(
                key="org.example.jobs",
                version="1",
                lastHeartbeatTime=datetime.now(UTC),
                description=vim.Description(label="example", summary="example"),
                taskList=[vim.Extension.TaskTypeInfo(taskID="org.example.job")],
            )
        )
    manager: Any = session.content.taskManager
    folder = session.content.rootFolder
    one_at_a_time = threading.Lock()  # the simulator can lose a task that is created while another one is

    def make() -> Any:
        with one_at_a_time:
            return manager.CreateTask(folder, "org.example.job", None, True, None, None).task

    return make


@pytest.fixture
def together() -> Iterator[Callable[[Callable[[], Any]], list[Future[Any]]]]:
    """Runs the same in 20 threads at once."""
    with ThreadPoolExecutor(20) as threads:

        def run(work: Callable[[], Any]) -> list[Future[Any]]:
            futures = [threads.submit(work) for _ in range(20)]
            for future in futures:
                future.exception(timeout=120)
            return futures

        yield run
