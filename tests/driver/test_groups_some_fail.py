"""Groups of which some nodes fail: the report is exact, and nothing is left of those."""

from __future__ import annotations

import pickle
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from libcloud.compute.base import Node
from libcloud.compute.types import DeploymentError, NodeState

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import (
    GroupError,
    NameInUseError,
    NoPlacementError,
    NotPermittedError,
    TaskTimeoutError,
)
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model import names as model_names
from tests.direct import Direct, writes
from tests.driver.conftest import CloneCalls, CreateGroup, names_of, notes_of


@pytest.mark.parametrize("when", ["task", "before"])
def test_of_ten_every_third_fails_and_the_others_are_there(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct, when: str
) -> None:
    bare_lab.faults.add("CloneVM_Task", fault="NoDiskSpace", when=when, every=3, times=0)
    names = [f"n-{number}" for number in range(10)]
    bare_lab.reset_calls()
    with pytest.raises(GroupError, match="3 of 10 nodes could not be created in group 'web'") as caught:
        create_group(10, ex_names=names, ex_max_in_flight=4)
    failed = list(caught.value.errors)
    assert failed == [name for name in names if name in failed]  # in the order of the names, three of them
    assert len(failed) == 3
    assert names_of(caught.value.nodes) == [name for name in names if name not in failed]
    assert direct.children("vm/web") == names_of(caught.value.nodes)
    for name, error in caught.value.errors.items():
        assert type(error) is NoPlacementError
        assert repr(name) in str(error)
        assert not notes_of(error)
    assert writes(bare_lab)["CloneVM_Task"] == 10
    assert {node.id for node in caught.value.nodes} == {node.id for node in driver.list_nodes(ex_group="web")}


def test_a_name_that_is_taken_fails_alone(create_group: CreateGroup, direct: Direct) -> None:
    create_group(1, ex_names=["a"])
    with pytest.raises(GroupError) as caught:
        create_group(3, ex_names=["b", "a", "c"])
    assert {name: type(error) for name, error in caught.value.errors.items()} == {"a": NameInUseError}
    assert direct.children("vm/web") == ["a", "b", "c"]


def test_a_drawn_name_that_is_taken_is_drawn_again(
    bare_lab: Lab, create_group: CreateGroup, direct: Direct, draw: Callable[..., None]
) -> None:
    create_group(1, ex_names=["web-00001"])
    draw("00001", "00002", "00003")
    bare_lab.reset_calls()
    assert names_of(create_group(2)) == ["web-00003", "web-00002"]
    assert writes(bare_lab) == {"CloneVM_Task": 3}
    assert direct.children("vm/web") == ["web-00001", "web-00002", "web-00003"]


def test_a_name_is_not_drawn_for_ever(create_group: CreateGroup, direct: Direct, draw: Callable[..., None]) -> None:
    create_group(1, ex_names=["web-00001"])
    draw("00001", "00002", "00001")
    with pytest.raises(GroupError, match="1 of 2") as caught:
        create_group(2)
    assert {name: type(error) for name, error in caught.value.errors.items()} == {"web-00001": NameInUseError}
    assert names_of(caught.value.nodes) == ["web-00002"]
    assert direct.children("vm/web") == ["web-00001", "web-00002"]


def test_a_node_that_fits_nowhere_when_it_is_drawn_again_fails_alone(
    create_group: CreateGroup,
    direct: Direct,
    draw: Callable[..., None],
    small_stores: Callable[[dict[str, int]], None],
    clone_calls: CloneCalls,
) -> None:
    create_group(1, ex_names=["web-00001"])
    draw("00001", "00002", "00003")
    clone_calls.surround("web-00001", before=lambda: small_stores({"shared-1": 0}))
    with pytest.raises(GroupError) as caught:
        create_group(2, ex_datastore="shared-1")
    assert {name: type(error) for name, error in caught.value.errors.items()} == {"web-00001": NoPlacementError}
    assert names_of(caught.value.nodes) == ["web-00002"]
    assert direct.children("vm/web") == ["web-00001", "web-00002"]


@pytest.mark.usefixtures("unharmed")
def test_an_interrupt_before_names_are_drawn_again_leaves_no_node(
    create_group: CreateGroup, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = direct.find("vm").CreateFolder("taken")
    stranger = direct.clone(direct.find("vm/jclouds-images/debian-12"), folder, "taken-00001")
    endings = iter(["00001", "00002"])

    def draw(_: int) -> str:
        for ending in endings:
            return ending
        raise KeyboardInterrupt

    monkeypatch.setattr(model_names, "draw_hex", draw)
    with pytest.raises(KeyboardInterrupt):
        create_group(2, group="taken")
    assert direct.children("vm/taken") == ["taken-00001"]
    direct.destroy(stranger)


def test_two_programs_that_draw_the_same_names_get_different_nodes(
    bare_lab: Lab, direct: Direct, driver: VsphereCloneNodeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = threading.local()

    def draw(_: int) -> str:
        drawn.count = getattr(drawn, "count", -1) + 1
        own = "" if drawn.count < 6 else threading.current_thread().name[-1]
        return f"{drawn.count:04x}{own or 0}"

    def scale() -> list[Node]:
        with bare_lab.driver() as own:
            image = own.ex_get_image_by_name("debian-12")
            return own.ex_create_nodes_in_group("web", 6, None, image, ex_power_on=False, ex_max_in_flight=3)

    monkeypatch.setattr(model_names, "draw_hex", draw)
    bare_lab.delay_tasks({"CloneVM": 100})
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(scale) for _ in range(2)]
        nodes = [node for future in made for node in future.result()]
    assert len(nodes) == 12
    assert direct.children("vm/web") == sorted(names_of(nodes))
    assert {node.id for node in driver.list_nodes(ex_group="web")} == {node.id for node in nodes}


def test_a_group_of_which_all_nodes_fail_says_so_for_each(
    bare_lab: Lab, create_group: CreateGroup, direct: Direct
) -> None:
    bare_lab.faults.add("CloneVM_Task", fault="NoPermission", times=0)
    with pytest.raises(GroupError, match=r"7 of 7.*and 2 more") as caught:
        create_group(7)
    assert caught.value.nodes == []
    assert {type(error) for error in caught.value.errors.values()} == {NotPermittedError}
    assert direct.children("vm/web") == []


def test_an_error_of_a_group_can_be_pickled(bare_lab: Lab, create_group: CreateGroup) -> None:
    bare_lab.faults.add("CloneVM_Task", fault="NoDiskSpace", when="task")
    with pytest.raises(GroupError) as caught:
        create_group(2)
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (str(copy), copy.nodes) == (str(caught.value), [])
    assert {name: str(error) for name, error in copy.errors.items()} == {
        name: str(error) for name, error in caught.value.errors.items()
    }


def test_an_error_of_a_deployment_is_pickled_as_its_text(driver: VsphereCloneNodeDriver) -> None:
    node = Node("id-1", "a", NodeState.RUNNING, [], [], driver)
    cause = RuntimeError("the step failed", threading.Lock())
    failed = DeploymentError(node=node, original_exception=cause, driver=driver)
    error = GroupError("1 of 1", [node], {"a": failed})
    assert str(error).startswith("1 of 1 (a: ('the step failed'")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert str(copy.errors["a"]) == str(cause)


def test_why_a_node_failed_may_be_unreadable_for_a_while(bare_lab: Lab, create_group: CreateGroup) -> None:
    bare_lab.faults.add("CloneVM_Task", fault="NoDiskSpace", when="task")
    bare_lab.faults.add("RetrieveProperties", fault="NotSupported")
    with pytest.raises(GroupError) as caught:
        create_group(3, ex_names=["a", "b", "c"])
    (failed,) = caught.value.errors  # whichever was sent first: they are sent side by side
    assert names_of(caught.value.nodes) == [name for name in "abc" if name != failed]


def test_an_overdue_clone_is_cancelled_and_the_others_are_there(
    bare_lab: Lab, create_group: CreateGroup, direct: Direct, clone_calls: CloneCalls
) -> None:
    slow, quick = {"CloneVM": 30_000}, {"CloneVM": 50}
    bare_lab.delay_tasks(quick)

    def slow_down() -> None:
        direct.await_clones()  # the one beside it, if it was sent before
        bare_lab.delay_tasks(slow)

    clone_calls.surround("late", before=slow_down, after=lambda: bare_lab.delay_tasks(quick))
    started = time.monotonic()
    with pytest.raises(GroupError) as caught:
        create_group(4, ex_names=["a", "late", "b", "c"], ex_timeout_s=3, ex_max_in_flight=2)
    assert time.monotonic() - started < 25  # the late one would take thirty seconds
    assert {name: type(error) for name, error in caught.value.errors.items()} == {"late": TaskTimeoutError}
    assert "ex_timeout_s=" in str(caught.value.errors["late"])
    assert names_of(caught.value.nodes) == ["a", "b", "c"]
    tasks = direct.read(direct.content.taskManager, "recentTask")
    assert {direct.read(task, "info.state") for task in tasks} <= {"success", "error"}  # it is made no more
    assert direct.children("vm/web") == ["a", "b", "c"]


def test_an_id_that_cannot_be_marked_fails_alone(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = iter([driver.ex_get_node(name="legacy-db").id, "50000000-0000-4000-8000-000000000777"])
    monkeypatch.setattr(uuid, "uuid4", lambda: next(taken))
    bare_lab.faults.add("ReconfigVM_Task", fault="NoPermission")
    with pytest.raises(GroupError) as caught:
        create_group(2, ex_names=["a", "b"])
    assert {name: type(error) for name, error in caught.value.errors.items()} == {"a": NotPermittedError}
    assert names_of(driver.list_nodes(ex_group="web")) == ["b"]
