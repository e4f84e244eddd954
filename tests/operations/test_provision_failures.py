"""Nodes that could not be made, or nearly not: races, faults, lost replies. What is left of them is nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import (
    ConnectionFailedError,
    NameInUseError,
    NoPlacementError,
    NotPermittedError,
    TaskError,
    TaskTimeoutError,
    VsphereError,
)
from libcloud_vsphere_clone.inventory.images import fetch_clone_source
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.model.images import CloneSource
from libcloud_vsphere_clone.model.layout import FolderNames
from libcloud_vsphere_clone.model.options import NodeOptions
from libcloud_vsphere_clone.model.request import NodeRequest
from libcloud_vsphere_clone.operations.provision import Provisioner
from libcloud_vsphere_clone.plan.clone import ClonePlan, build_clone_plan
from libcloud_vsphere_clone.vcenter import stub
from tests.direct import Create, Direct, writes

UUID = "50000000-0000-4000-8000-{:012d}"


# Many at once


def at_once(count: int, call: Callable[[int], Any]) -> list[Future[Any]]:
    with ThreadPoolExecutor(count) as pool:
        return [pool.submit(call, number) for number in range(count)]


def test_ten_at_once_make_one_group(create: Create, direct: Direct) -> None:
    nodes = [future.result() for future in at_once(10, lambda n: create(f"node-{n}", ex_group="at-once"))]
    assert len({node.id for node in nodes}) == 10
    assert direct.children("vm").count("at-once") == 1
    assert direct.children("vm/at-once") == sorted(node.name for node in nodes)


def test_of_ten_of_one_name_one_succeeds(bare_lab: Lab, create: Create, direct: Direct) -> None:
    bare_lab.reset_calls()
    errors = [future.exception() for future in at_once(10, lambda _: create("the-one"))]
    assert errors.count(None) == 1
    assert [type(error) for error in errors if error is not None] == [NameInUseError] * 9
    assert not [note for error in errors if error is not None for note in getattr(error, "__notes__", [])]
    assert direct.children("vm/made") == ["the-one"]
    assert writes(bare_lab)["CloneVM_Task"] == 10


# Failures


FAULTS = [
    ("NoDiskSpace", NoPlacementError),
    ("NoPermission", NotPermittedError),
    ("InsufficientMemoryResourcesFault", NoPlacementError),
    ("NoCompatibleHost", NoPlacementError),
    ("DuplicateName", NameInUseError),
    ("FileFault", TaskError),
    ("RequestCanceled", TaskError),
    ("SystemError", TaskError),
]
FIELDS = {"DuplicateName": {"name": "doomed", "object": {"type": "VirtualMachine", "value": "vm-1"}}}
"""What a fault has to hold to be one."""


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("when", ["task", "before"])
@pytest.mark.parametrize(("fault", "error"), FAULTS)
def test_a_clone_that_fails_says_why_and_leaves_nothing(
    bare_lab: Lab, create: Create, fault: str, error: type[VsphereError], when: str
) -> None:
    bare_lab.faults.add("CloneVM_Task", fault=fault, when=when, fields=FIELDS.get(fault))
    bare_lab.reset_calls()
    with pytest.raises(error, match=r"clone image 'debian-12' to node 'doomed' in group 'made'") as caught:
        create("doomed")
    assert type(caught.value) is error
    assert fault in type(caught.value.fault).__name__
    assert not getattr(caught.value, "__notes__", [])
    assert writes(bare_lab)["CloneVM_Task"] == 1


@pytest.mark.usefixtures("unharmed")
def test_a_refused_clone_waits_for_no_other(bare_lab: Lab, create: Create, direct: Direct) -> None:
    bare_lab.delay_tasks({"CloneVM": 60_000})
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(create, "slow")
        while not (direct.running_clones() or other.done()):
            time.sleep(0.01)
        bare_lab.faults.add("CloneVM_Task", fault="NoPermission")
        with pytest.raises(NotPermittedError):
            create("refused")
        assert not other.done()
        for task in direct.running_clones():
            task.CancelTask()
    assert isinstance(other.exception(), TaskError)


def provisioner(driver: VsphereCloneNodeDriver) -> Provisioner:
    return Provisioner(driver._session, FolderNames())


def build_plan(
    driver: VsphereCloneNodeDriver, uuid: Any, name: str = "planned", **wishes: Any
) -> tuple[ClonePlan, CloneSource]:
    options = NodeOptions(**{"group": "made", "power_on": False, "timeout_s": 60, **wishes})
    source = fetch_clone_source(driver._session, FolderNames(), driver.ex_get_image_by_name("debian-12").id)
    return build_clone_plan(NodeRequest(uuid, name, options), source), source


def mismatch() -> Any:
    """A customization of two adapters; the image has one, so the simulator fails after it has made the VM."""
    custom = vim.vm.customization
    adapter = custom.AdapterMapping(adapter=custom.IPSettings(ip=custom.DhcpIpGenerator()))
    return custom.Specification(
        globalIPSettings=custom.GlobalIPSettings(),
        identity=custom.LinuxPrep(hostName=custom.FixedName(name="x"), domain="lab"),
        nicSettingMap=[adapter, adapter],
    )


@pytest.mark.usefixtures("unharmed")
def test_a_half_made_clone_is_removed(driver: VsphereCloneNodeDriver, bare_lab: Lab) -> None:
    plan, source = build_plan(driver, UUID.format(1))
    plan.spec.customization = mismatch()
    bare_lab.reset_calls()
    with pytest.raises(TaskError, match="NicSettingMismatch") as caught:
        provisioner(driver).create(plan, source)
    assert not getattr(caught.value, "__notes__", [])
    assert writes(bare_lab)["Destroy_Task"] == 1


@pytest.mark.usefixtures("unharmed")
def test_a_time_out_shorter_than_the_clone_cancels_it(bare_lab: Lab, create: Create) -> None:
    bare_lab.delay_tasks({"CloneVM": 20_000})
    with pytest.raises(TaskTimeoutError, match=r"within 1 s, so it was given up.*ex_timeout_s=") as caught:
        create("late", ex_timeout_s=1)
    assert not getattr(caught.value, "__notes__", [])
    assert isinstance(caught.value, TimeoutError)


def test_the_progress_of_a_clone_is_told(create: Create, bare_lab: Lab) -> None:
    bare_lab.delay_tasks({"CloneVM": 200})
    seen: list[int] = []
    create("watched", ex_on_progress=seen.append)
    assert all(0 <= percentage <= 100 for percentage in seen)


@pytest.mark.usefixtures("unharmed")
def test_a_caller_whose_progress_fails_leaves_nothing(create: Create, bare_lab: Lab, driver: Any) -> None:
    def fail(_: int) -> None:
        raise RuntimeError("no terminal")

    bare_lab.delay_tasks({"CloneVM": 200})
    try:
        node = create("watched", ex_on_progress=fail)
    except RuntimeError:
        return
    driver.destroy_node(node)  # the simulator may tell no progress at all


@pytest.mark.usefixtures("unharmed")
def test_what_fails_after_the_clone_leaves_nothing_either(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    taken = driver.ex_get_node(name="legacy-db").id  # so the mark has to follow
    plan, source = build_plan(driver, taken, power_on=True)
    bare_lab.faults.add(
        "ReconfigVM_Task", fault="NoPermission", fields={"privilegeId": "VirtualMachine.Config.Advanced"}
    )
    with pytest.raises(NotPermittedError) as caught:
        provisioner(driver).create(plan, source)
    assert caught.value.privilege == "VirtualMachine.Config.Advanced"
    assert not getattr(caught.value, "__notes__", [])


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("when", ["task", "reset-before"])
def test_undo_never_takes_another_vm_for_the_clone(bare_lab: Lab, driver: VsphereCloneNodeDriver, when: str) -> None:
    taken = driver.ex_get_node(name="legacy-web")
    plan, source = build_plan(driver, taken.id)
    bare_lab.faults.add("CloneVM_Task", fault="NoDiskSpace" if when == "task" else None, when=when)
    with pytest.raises(VsphereError):
        provisioner(driver).create(plan, source)


def test_a_taken_id_is_replaced_and_the_mark_follows(driver: VsphereCloneNodeDriver, direct: Direct) -> None:
    taken = driver.ex_get_node(name="legacy-db").id
    row, _ = provisioner(driver).create(*build_plan(driver, taken))
    [node] = driver.list_nodes(ex_group="made")
    assert node.id == row["config.instanceUuid"] != taken
    assert node.extra["managed"] is True
    assert direct.extra_config(direct.vm(node.extra["moid"]))[marks.ID] == node.id


def test_an_undo_that_fails_says_what_remains(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    plan, source = build_plan(driver, UUID.format(2), "stuck")
    plan.spec.customization = mismatch()
    bare_lab.faults.add("Destroy_Task", fault="ResourceInUse", when="task")
    with pytest.raises(TaskError, match="NicSettingMismatch") as caught:
        provisioner(driver).create(plan, source)
    [note] = caught.value.__notes__
    assert "'stuck'" in note
    assert UUID.format(2) in note
    assert "ResourceInUse" in note
    [left] = driver.list_nodes(ex_group="made")
    assert driver.destroy_node(left)


# Lost replies


@pytest.mark.parametrize("when", ["reset-after", "drop-body"])
def test_a_lost_reply_is_recovered_without_a_second_clone(
    bare_lab: Lab, create: Create, direct: Direct, when: str
) -> None:
    bare_lab.faults.add("CloneVM_Task", when=when)
    bare_lab.reset_calls()
    node = create("once", ex_power_on=True)
    assert writes(bare_lab)["CloneVM_Task"] == 1
    assert direct.children("vm/made") == ["once"]
    assert node.extra["managed"] is True


def test_a_slow_clone_is_adopted_when_its_task_has_ended(bare_lab: Lab, create: Create, direct: Direct) -> None:
    bare_lab.delay_tasks({"CloneVM": 3000})
    bare_lab.faults.add("CloneVM_Task", when="reset-after")
    bare_lab.reset_calls()
    started = time.monotonic()
    node = create("slow")
    assert 2.5 < time.monotonic() - started < 60  # not before its task has ended, and not its whole time
    assert writes(bare_lab) == {"CloneVM_Task": 1}
    assert direct.children("vm/made") == [node.name]


@pytest.mark.usefixtures("unharmed")
def test_a_lost_request_says_that_nothing_was_made(bare_lab: Lab, create: Create) -> None:
    bare_lab.faults.add("CloneVM_Task", when="reset-before")
    bare_lab.reset_calls()
    with pytest.raises(ConnectionFailedError, match="no such VM; it is safe to try again") as caught:
        create("never-heard")
    assert not getattr(caught.value, "__notes__", [])
    assert writes(bare_lab) == {"CloneVM_Task": 1}


def test_a_vcenter_that_is_lost_as_well_is_told_what_may_remain(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stub, "REPEAT_DELAYS_S", ())  # the waits have tests of their own
    plan, source = build_plan(driver, UUID.format(4), "lost")
    bare_lab.faults.add("CloneVM_Task", when="reset-after")
    for method in ("RetrievePropertiesEx", "FindByUuid"):
        bare_lab.faults.add(method, when="reset-before", times=0)
    with pytest.raises(ConnectionFailedError, match="clone image") as caught:
        provisioner(driver).create(plan, source)
    bare_lab.faults.clear()
    direct.await_clones()
    [note] = caught.value.__notes__
    assert f"'lost' with instanceUuid {UUID.format(4)} may remain" in note
    assert direct.children("vm/made") == ["lost"]


@pytest.mark.usefixtures("unharmed")
def test_a_lost_reply_and_a_time_out_is_no_promise_that_nothing_was_made(bare_lab: Lab, create: Create) -> None:
    bare_lab.delay_tasks({"CloneVM": 2500})
    bare_lab.faults.add("CloneVM_Task", when="reset-after")
    with pytest.raises(TaskTimeoutError):
        create("late-and-lost", ex_timeout_s=1)


@pytest.mark.usefixtures("unharmed")
def test_a_clone_that_was_made_but_does_not_run_is_not_adopted(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    plan, source = build_plan(driver, UUID.format(3), power_on=True)
    plan.spec.powerOn = False  # as when vCenter could not power it on
    bare_lab.faults.add("CloneVM_Task", when="reset-after")
    with pytest.raises(ConnectionFailedError, match="not powered on"):
        provisioner(driver).create(plan, source)


def test_a_session_that_ends_while_a_clone_runs_is_renewed(bare_lab: Lab, create: Create) -> None:
    bare_lab.delay_tasks({"CloneVM": 1200})
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(create, "sleeper")
        time.sleep(0.5)
        bare_lab.expire_sessions()
        node = future.result()
    assert node.extra["managed"] is True
    with bare_lab.driver() as fresh:
        assert [seen.name for seen in fresh.list_nodes(ex_group="made")] == ["sleeper"]


@pytest.mark.parametrize("silent", [False, True])
def test_a_session_that_ended_before_a_write_is_renewed(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, silent: bool
) -> None:
    driver.list_nodes()
    bare_lab.expire_sessions(silent=silent)
    node = create("after-lunch", ex_power_on=True)
    for verb in (driver.stop_node, driver.start_node, driver.destroy_node):
        bare_lab.expire_sessions(silent=silent)
        assert verb(node) is True


def test_a_session_that_ends_at_the_very_clone_makes_one_vm(bare_lab: Lab, create: Create, direct: Direct) -> None:
    bare_lab.faults.add("CloneVM_Task", fault="NotAuthenticated")
    create("once-more")
    assert direct.children("vm/made") == ["once-more"]


def test_in_a_storm_each_success_is_one_vm_and_each_failure_none(
    bare_lab: Lab, create: Create, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stub, "REPEAT_DELAYS_S", (0.02, 0.05, 0.1))
    bare_lab.delay_tasks({"CloneVM": 50})
    for method, when, every in STORM:
        bare_lab.faults.add(method, when=when, every=every, times=0, fault="NoDiskSpace" if when == "task" else None)
    bare_lab.reset_calls()
    futures = at_once(16, lambda number: create(f"node-{number}", ex_group="storm", ex_power_on=number % 2 == 0))
    bare_lab.faults.clear()
    direct.await_clones()
    assert writes(bare_lab)["CloneVM_Task"] <= 16
    errors = {f"node-{number}": future.exception() for number, future in enumerate(futures)}
    made = {name for name, error in errors.items() if error is None}
    told = {name for name, error in errors.items() if getattr(error, "__notes__", [])}  # that they may remain
    assert made
    assert {type(errors[name]) for name in errors.keys() - made} <= {ConnectionFailedError, NoPlacementError}
    there = direct.children("vm/storm")
    assert len(there) == len(set(there))
    assert made <= set(there) <= made | told


STORM = (
    ("CloneVM_Task", "reset-after", 4),
    ("CloneVM_Task", "reset-before", 5),
    ("CloneVM_Task", "task", 6),
    ("RetrievePropertiesEx", "reset-before", 11),
    ("RetrievePropertiesEx", "drop-body", 13),
    ("WaitForUpdatesEx", "reset-after", 5),
    ("CreateFilter", "reset-after", 6),
    ("CreatePropertyCollector", "drop-body", 6),
    ("FindByUuid", "reset-before", 3),
    ("PowerOffVM_Task", "reset-after", 2),
    ("Destroy_Task", "reset-after", 2),
)
"""Method, how it goes wrong, and one in how many times."""
