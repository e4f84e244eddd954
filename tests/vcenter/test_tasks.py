"""Real tasks of the lab, driven by hand through all that a task can go through."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from libcloud_vsphere_clone.errors import (
    ConnectionFailedError,
    NameInUseError,
    NoPlacementError,
    NotFoundError,
    NotPermittedError,
    TaskError,
    TaskTimeoutError,
    VsphereError,
)
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import jobs, task_errors
from libcloud_vsphere_clone.vcenter.properties import fetch_row, fetch_rows
from libcloud_vsphere_clone.vcenter.rows import Ref, Row
from libcloud_vsphere_clone.vcenter.session import Session
from libcloud_vsphere_clone.vcenter.tasks import cancel_task, running_tasks, wait_task
from tests.direct import await_calls

from .conftest import create_task

TASK_TYPE = "org.example.wait"
Later = Callable[..., None]


@pytest.fixture
def vm(session: Session) -> Ref:
    rows = fetch_rows(session, {"VirtualMachine": ("name",)})
    return next(ref for ref, row in rows.items() if row["name"] == "legacy-db")


@pytest.fixture
def task(session: Session, vm: Ref) -> Any:
    """A queued task on that VM."""
    extensions: Any = session.content.extensionManager
    if extensions.FindExtension("org.example") is None:
        extensions.RegisterExtension(
            vim.Extension(
                key="org.example",
                version="1",
                lastHeartbeatTime=datetime.now(UTC),
                description=vim.Description(label="example", summary="example"),
                taskList=[vim.Extension.TaskTypeInfo(taskID=TASK_TYPE)],
            )
        )
    return create_task(session, session.managed(*vm), TASK_TYPE)


@pytest.fixture
def later() -> Iterator[Later]:
    """Does things while the test waits, one after the other."""
    timers: list[threading.Timer] = []

    def start(*steps: Callable[[], object]) -> None:
        timers.append(threading.Timer(0.1, lambda: [step() for step in steps]))
        timers[-1].start()

    yield start
    for timer in timers:
        timer.join(60)


@pytest.fixture(autouse=True)
def _no_collector_is_left(calm_lab: Lab) -> Iterator[None]:
    yield
    left = calm_lab.control.leftovers()
    assert (left.collectors, left.filters) == (0, 0)


def wait(session: Session, task: Any, **how: Any) -> Any:
    return wait_task(session, task, "clone 'debian-12'", **{"timeout_s": 60, **how})


def test_a_queued_task_that_runs_and_ends_well(session: Session, task: Any, later: Later) -> None:
    later(
        lambda: task.SetTaskState("running", None, None),
        lambda: task.SetTaskState("success", "done", None),
    )
    assert wait(session, task) == "done"


def test_a_task_without_a_result_has_none(session: Session, task: Any) -> None:
    task.SetTaskState("running", None, None)
    task.SetTaskState("success", None, None)
    assert wait(session, task) is None


DUPLICATE = vim.fault.DuplicateName(name="web", object=vim.VirtualMachine("vm-9"))
FAULTS: list[tuple[vmodl.MethodFault, type[VsphereError], dict[str, object]]] = [
    (vim.fault.NoDiskSpace(file="a.vmdk", datastore="ds1"), NoPlacementError, {"rejected": ()}),
    (vim.fault.NoPermission(privilegeId="VirtualMachine.Provisioning.Clone"), NotPermittedError, {}),
    (DUPLICATE, NameInUseError, {"name": "web"}),
    (vim.fault.InsufficientMemoryResourcesFault(unreserved=1, requested=2), NoPlacementError, {}),
    (vmodl.fault.ManagedObjectNotFound(obj=vim.Datastore("datastore-9")), NotFoundError, {"name": "datastore-9"}),
    (
        vim.fault.InvalidPowerState(existingState="poweredOn"),
        TaskError,
        {"action": "clone 'debian-12'"},
    ),
    (vim.fault.CustomizationFault(), TaskError, {}),
    (vim.fault.FileFault(file="[ds1] x"), TaskError, {}),
    (vmodl.fault.RequestCanceled(), TaskError, {}),
    (vmodl.fault.SystemError(reason="who knows"), TaskError, {}),
]


@pytest.mark.parametrize("case", FAULTS, ids=[type(fault).__name__.rpartition(".")[2] for fault, _, _ in FAULTS])
def test_a_failed_task_is_the_error_of_its_fault(session: Session, task: Any, case: Any) -> None:
    fault, kind, attributes = case
    task.SetTaskState("running", None, None)
    task.SetTaskState("error", None, fault)
    with pytest.raises(kind) as caught:
        wait(session, task)
    assert type(caught.value) is kind
    assert type(caught.value.fault) is type(fault)
    assert "could not clone 'debian-12'" in str(caught.value)
    assert attributes.items() <= vars(caught.value).items()


def test_a_task_that_had_ended_before_is_told_at_once(session: Session, task: Any) -> None:
    task.SetTaskState("running", None, None)
    task.SetTaskState("error", None, vim.fault.InvalidState())
    with pytest.raises(TaskError):
        wait(session, task, timeout_s=60)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            {"fault": {"@type": "QuantumFlux"}, "localizedMessage": "The flux is high."},
            vmodl.MethodFault,
            "QuantumFlux",
        ),
        ({"fault": {"@type": "NoDiskSpace"}, "localizedMessage": "Disk full."}, vim.fault.NoDiskSpace, "Disk full"),
        ({"localizedMessage": "Something."}, vmodl.MethodFault, "Something"),
        (None, vmodl.MethodFault, "the task failed"),
    ],
)
def test_a_fault_that_pyvmomi_cannot_read_keeps_type_and_text(
    session: Session, task: Any, monkeypatch: pytest.MonkeyPatch, error: Any, kind: type, words: str
) -> None:
    """The simulator knows no type that pyVmomi lacks, so the typed read and the row are put in their places here."""
    task.SetTaskState("running", None, None)
    task.SetTaskState("error", None, vim.fault.InvalidState())

    def unknown(*_: object) -> None:
        raise KeyError("QuantumFlux")

    def read(session: Session, ref: Ref, paths: Any) -> Row | None:
        return Row(ref, {"info.error": error}) if error else None

    monkeypatch.setattr(task_errors, "_fetch_fault", unknown)
    monkeypatch.setattr(task_errors, "fetch_row", read)
    with pytest.raises(VsphereError, match=words) as caught:
        wait(session, task)
    assert type(caught.value.fault) is kind


def test_the_time_out_leaves_the_task_alone(calm_lab: Lab, session: Session, task: Any) -> None:
    task.SetTaskState("running", None, None)
    with pytest.raises(TaskTimeoutError, match=rf"within 0 s.*{task._moId} is still running") as caught:
        wait(session, task, timeout_s=0.3)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.action == "clone 'debian-12'"
    assert "CancelTask" not in calm_lab.calls().by_method
    assert fetch_row(session, Ref("Task", task._moId), ("info.state",)) == {"info.state": "running"}


def test_a_task_that_vcenter_does_not_know_is_an_error(session: Session) -> None:
    with pytest.raises(TaskError, match="no longer knows its task"):
        wait(session, vim.Task("task-99999", session.stub))


def test_a_question_blocks_and_is_an_error(
    calm_lab: Lab, session: Session, task: Any, vm: Ref, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm_lab.control.change_vm(vm.moid, {"runtime.question": {"id": "q1", "text": "moved or copied?", "choice": {}}})
    task.SetTaskState("running", None, None)
    monkeypatch.setattr(jobs, "QUESTION_S", 0.1)
    try:
        with pytest.raises(TaskError, match=r"asks 'moved or copied\?' and waits; answer it in vCenter"):
            wait(session, task, asked_by=vm)
    finally:
        calm_lab.control.change_vm(vm.moid, {"runtime.question": None})


def test_a_vm_that_asks_nothing_blocks_nothing(session: Session, task: Any, vm: Ref, later: Later) -> None:
    task.SetTaskState("running", None, None)
    later(lambda: task.SetTaskState("success", None, None))
    assert wait(session, task, asked_by=vm) is None


def test_a_wait_survives_the_end_of_its_session(calm_lab: Lab, session: Session, task: Any, later: Later) -> None:
    task.SetTaskState("running", None, None)
    logins = calm_lab.control.logins().count
    later(calm_lab.expire_sessions, lambda: task.SetTaskState("success", 7, None))
    assert wait(session, task) == 7
    assert calm_lab.control.logins().count == logins + 1


@pytest.mark.parametrize("when", ["reset-before", "reset-after", "drop-body"])
def test_a_lost_reply_loses_no_result(calm_lab: Lab, session: Session, task: Any, when: str) -> None:
    task.SetTaskState("running", None, None)
    task.SetTaskState("success", "done", None)
    calm_lab.faults.add("WaitForUpdatesEx", when=when, times=3)
    assert wait(session, task, timeout_s=60) == "done"


def test_a_server_that_is_gone_is_a_connection_error(calm_lab: Lab, session: Session, task: Any) -> None:
    for method in ("WaitForUpdatesEx", "RetrievePropertiesEx", "CreatePropertyCollector"):
        calm_lab.faults.add(method, when="reset-before", times=0)
    with pytest.raises(ConnectionFailedError, match="could not clone"):
        wait(session, task)
    calm_lab.faults.clear()


def test_an_interrupt_ends_the_wait_and_leaves_nothing(calm_lab: Lab, session: Session, task: Any) -> None:
    task.SetTaskState("running", None, None)
    calm_lab.reset_calls()

    def interrupt() -> None:
        await_calls(calm_lab, "WaitForUpdatesEx", 2)  # it has been told the present state, and waits for more
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    with pytest.raises(KeyboardInterrupt):
        thread.start()
        wait(session, task, timeout_s=60)
    thread.join()
    assert fetch_row(session, Ref("Task", task._moId), ("info.state",)) == {"info.state": "running"}


def test_a_task_is_cancelled_and_awaited(session: Session, task: Any) -> None:
    cancel_task(session, task, timeout_s=60)
    assert fetch_row(session, Ref("Task", task._moId), ("info.state",)) == {"info.state": "error"}


def test_a_task_that_cannot_be_cancelled_is_awaited(calm_lab: Lab, session: Session, task: Any, later: Later) -> None:
    calm_lab.faults.add("CancelTask", fault="NotSupported", times=0)
    task.SetTaskState("running", None, None)
    later(lambda: task.SetTaskState("error", None, DUPLICATE))
    cancel_task(session, task, timeout_s=60)
    cancel_task(session, task, timeout_s=60)


def test_a_cancelled_task_that_goes_on_is_told(calm_lab: Lab, session: Session, task: Any) -> None:
    calm_lab.faults.add("CancelTask", fault="NotSupported")
    task.SetTaskState("running", None, None)
    with pytest.raises(TaskTimeoutError, match="still running"):
        cancel_task(session, task, timeout_s=0.2)


def test_running_tasks_are_found_by_what_they_do(session: Session, task: Any, vm: Ref) -> None:
    assert task._moId in {found._moId for found in running_tasks(session, vm, TASK_TYPE)}
    task.SetTaskState("running", None, None)
    assert task._moId in {found._moId for found in running_tasks(session, vm, TASK_TYPE)}
    assert running_tasks(session, vm, "VirtualMachine.clone") == []
    task.SetTaskState("success", None, None)
    assert task._moId not in {found._moId for found in running_tasks(session, vm, TASK_TYPE)}
    assert running_tasks(session, Ref("VirtualMachine", "vm-99999"), TASK_TYPE) == []


def test_a_fault_injected_into_a_real_task_arrives_typed(calm_lab: Lab, session: Session) -> None:
    rows = fetch_rows(session, {"VirtualMachine": ("name",)})
    (web,) = [ref for ref, row in rows.items() if row["name"] == "legacy-web"]
    calm_lab.faults.add("PowerOnVM_Task", fault="NoCompatibleHost", when="task", message="Nowhere to go.")
    with pytest.raises(NoPlacementError, match="Nowhere to go"):
        wait_task(session, session.managed(*web).PowerOnVM_Task(), "start 'legacy-web'", timeout_s=60)
