"""Groups: many nodes at once, exact reports of those that failed, and nothing left of them."""

from __future__ import annotations

import itertools
import math
import pickle
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword
from libcloud.compute.deployment import ScriptDeployment
from libcloud.compute.types import DeploymentError, NodeState
from pyVmomi import vim

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import (
    ConnectionFailedError,
    GroupError,
    InvalidRequestError,
    NameInUseError,
    NoPlacementError,
    NotFoundError,
    NotPermittedError,
    TaskError,
    TaskTimeoutError,
)
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.operations.clone import Clone
from libcloud_vsphere_clone.plan.nics import Nic
from libcloud_vsphere_clone.sessions.transports import SSH, Target
from tests.direct import Direct, await_calls, writes
from tests.interrupts import Interrupted

CreateGroup = Callable[..., list[Node]]
GIB = 1024**3


@pytest.fixture
def create_group(driver: VsphereCloneNodeDriver) -> CreateGroup:
    """Makes nodes of ``debian-12`` in the group ``web`` that stay off, unless told otherwise."""
    image = driver.ex_get_image_by_name("debian-12")

    def create(count: int, location: Any = None, group: str = "web", **options: Any) -> list[Node]:
        words = {"ex_power_on": False, **options}
        return driver.ex_create_nodes_in_group(group, count, None, image, location, **words)

    return create


def names_of(nodes: list[Node]) -> list[str]:
    return [node.name for node in nodes]


def notes_of(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


@pytest.fixture
def on_start(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], None], Callable[[], None]], None]:
    """Does things just before and just after the clone of the node of this name is sent; no other is sent meanwhile."""
    start, one_at_a_time = Clone._start, threading.Lock()

    def steer(name: str, before: Callable[[], None], after: Callable[[], None]) -> None:
        def steered(clone: Clone) -> Any:
            with one_at_a_time:
                if clone.name != name:
                    return start(clone)
                before()
                try:
                    return start(clone)
                finally:
                    after()

        monkeypatch.setattr(Clone, "_start", steered)

    return steer


# Creating


def test_names_are_unique_and_end_in_hex(
    driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    nodes = create_group(4, ex_metadata={"tier": 1}, ex_power_on=True)
    more = create_group(2)
    names = names_of(nodes + more)
    assert len(set(names)) == 6
    assert all(re.fullmatch("web-[0-9a-f]{5}", name) for name in names)
    assert direct.children("vm/web") == sorted(names)
    assert {node.id for node in driver.list_nodes(ex_group="web")} == {node.id for node in nodes + more}
    assert all(node.extra["managed"] and node.extra["metadata"] == {"tier": 1} for node in nodes)
    assert {node.state for node in nodes} == {"running"}


def test_names_of_ones_own_keep_their_order(create_group: CreateGroup) -> None:
    names = [f"n-{number}" for number in (3, 1, 2, 5, 4)]
    assert names_of(create_group(5, ex_names=names, ex_max_in_flight=2)) == names


def test_two_callers_share_a_new_group(
    create_group: CreateGroup, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = itertools.count()  # drawn by chance, one name in 4096 would be another's once in a while
    monkeypatch.setattr("libcloud_vsphere_clone.model.names.secrets.token_hex", lambda _: f"{next(numbers):03x}000")
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(create_group, 4, group="shared") for _ in range(2)]
        nodes = [node for future in made for node in future.result()]
    assert direct.children("vm/shared") == sorted(names_of(nodes))


@pytest.mark.parametrize(
    ("count", "options", "reason"),
    [
        (0, {}, "count"),
        (-1, {}, "count"),
        (True, {}, "count"),
        ("2", {}, "count"),
        (2.0, {}, "count"),
        (2, {"ex_max_in_flight": 0}, "ex_max_in_flight"),
        (2, {"ex_max_in_flight": None}, "ex_max_in_flight"),
        (2, {"ex_names": ["a"]}, "2 different names"),
        (2, {"ex_names": ["a", "a"]}, "2 different names"),
        (2, {"ex_names": "ab"}, "2 different names"),
        (2, {"ex_names": [["a"], ["b"]]}, "2 different names"),
        (2, {"ex_names": []}, "2 different names"),
        (2, {"ex_names": ["a", "x" * 81]}, "81 characters"),
        (2, {"group": "x" * 78}, "84 characters"),
        (2, {"group": "jclouds-images"}, "images folder"),
        (2, {"ex_each": [{}]}, "ex_each"),
        (2, {"ex_each": [{"ex_hostname": "a"}, {"ex_hostname": "A"}]}, "share the host name a"),
        (2, {"ex_grup": "x"}, "ex_grup"),
        (2, {"ex_timeout_s": 0}, "ex_timeout_s"),
        (2, {"location": "cluster-drs"}, "list_locations"),
        (2, {"location": ["cluster-drs"]}, "list_locations"),
        (2, {"location": 7}, "list_locations"),
    ],
)
def test_what_cannot_be_right_is_refused_unsent(
    bare_lab: Lab, create_group: CreateGroup, count: Any, options: dict[str, Any], reason: str
) -> None:
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match=reason):
        create_group(count, **options)
    assert writes(bare_lab) == {}


def test_a_group_that_does_not_fit_is_refused_unsent(bare_lab: Lab, create_group: CreateGroup) -> None:
    bare_lab.reset_calls()
    with pytest.raises(NoPlacementError, match="shared-2"):
        create_group(500, ex_datastore="shared-2", ex_memory_mib=64 * 1024)
    assert writes(bare_lab) == {}


def test_no_more_clones_run_at_once_than_allowed(bare_lab: Lab, create_group: CreateGroup, direct: Direct) -> None:
    bare_lab.delay_tasks({"CloneVM": 1000})  # long enough for a look at three at once on a busy machine
    seen = [0]
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(create_group, 5, ex_max_in_flight=3)
        while not made.done():
            seen.append(len(direct.running_clones()))
    assert len(made.result()) == 5
    assert max(seen) == 3


def test_progress_is_told_by_name(bare_lab: Lab, create_group: CreateGroup) -> None:
    bare_lab.delay_tasks({"CloneVM": 100})
    seen: list[tuple[str, int]] = []
    nodes = create_group(3, ex_on_progress=lambda name, percent: seen.append((name, percent)))
    assert {name for name, percent in seen if percent == 100} == set(names_of(nodes))
    assert all(0 <= percent <= 100 for _, percent in seen)


@pytest.mark.usefixtures("unharmed")
def test_a_caller_whose_progress_fails_leaves_nothing(bare_lab: Lab, create_group: CreateGroup) -> None:
    def fail(name: str, percent: int) -> None:
        raise RuntimeError("no terminal")

    bare_lab.delay_tasks({"CloneVM": 100})
    with pytest.raises(RuntimeError):
        create_group(4, ex_on_progress=fail, ex_max_in_flight=2)


TRIES = 4
"""Looks at tasks are few when nothing slows the machine: so the least of so many tries counts, and one mostly does."""


def test_fifty_nodes_take_fifty_writes_and_little_else(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup
) -> None:
    create_group(1, group="fifty")  # the views of a session are made once, and its folder
    driver.ex_destroy_group("fifty")
    made, destroyed = [math.inf], [math.inf]
    while (max(min(made), min(destroyed)) > 1.3) and len(made) <= TRIES:
        bare_lab.reset_calls()
        create_group(50, group="fifty", ex_max_in_flight=50)
        assert writes(bare_lab) == {"CloneVM_Task": 50}
        made.append(bare_lab.calls().total / 50)
        bare_lab.reset_calls()
        driver.ex_destroy_group("fifty", ex_max_in_flight=50)
        assert bare_lab.calls().by_method["Destroy_Task"] == 50
        destroyed.append(bare_lab.calls().total / 50)  # they are off
    assert min(made) <= 1.3
    assert min(destroyed) <= 1.3
    assert driver.list_nodes(ex_group="fifty") == []


def test_each_round_in_flight_takes_a_look_or_two(bare_lab: Lab, create_group: CreateGroup) -> None:
    bare_lab.delay_tasks({"CloneVM": 1000})
    looks = [math.inf]
    while min(looks) > 8 + 4 * 2 and len(looks) <= TRIES:
        bare_lab.reset_calls()
        create_group(16, group=f"rounds-{len(looks)}", ex_max_in_flight=4)
        assert writes(bare_lab) == {"CloneVM_Task": 16, "CreateFolder": 1}
        looks.append(bare_lab.calls().total - 17)
    assert min(looks) <= 8 + 4 * 2  # one for each round and eight


def test_a_session_looks_at_images_places_and_nodes_through_one_view(bare_lab: Lab) -> None:
    with bare_lab.driver() as driver:
        bare_lab.reset_calls()
        image = driver.ex_get_image_by_name("debian-12")
        assert driver.list_locations()
        (node,) = driver.ex_create_nodes_in_group("web", 1, None, image, ex_power_on=False)
        assert driver.ex_get_node(node.id).name == node.name
        assert driver.ex_destroy_group("web")
        assert bare_lab.calls().by_method["CreateContainerView"] == 1


# Placement


@pytest.fixture
def small_stores(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> Iterator[Callable[[dict[str, int]], None]]:
    """Sets datastores' free space; undone after the test."""
    stores = {store.name: store for store in driver.ex_list_datastores()}

    def change(free_bytes: dict[str, int]) -> None:
        for name, free in free_bytes.items():
            path = f"/v1/objects/{stores[name].id}"
            bare_lab.control.request("POST", path, {"set": {"summary.freeSpace": free}})

    yield change
    change({name: store.extra["free_bytes"] for name, store in stores.items()})


def test_locations_are_filled_in_turn(
    driver: VsphereCloneNodeDriver,
    create_group: CreateGroup,
    direct: Direct,
    small_stores: Callable[[dict[str, int]], None],
) -> None:
    template = direct.find("vm/jclouds-images/debian-12")
    needed = direct.read(template, "summary.storage").committed + 2 * GIB
    small_stores({"shared-1": 3 * needed, "shared-2": needed // 2, "pod-1-a": 0, "pod-1-b": 0, "local-1": 9 * needed})
    places = {place.name: place for place in driver.list_locations()}
    turn = [places["cluster-drs"], places["esx-alone.lab"]]
    nodes = create_group(5, turn, ex_max_in_flight=1)
    assert [node.extra["cluster"] for node in nodes] == ["cluster-drs"] * 3 + ["esx-alone.lab"] * 2
    assert [node.extra["datastores"] for node in nodes] == [["shared-1"]] * 3 + [["local-1"]] * 2


def test_without_drs_nodes_are_spread_over_hosts(driver: VsphereCloneNodeDriver, create_group: CreateGroup) -> None:
    place = next(place for place in driver.list_locations() if place.name == "cluster-nodrs")
    hosts = [node.extra["host"] for node in create_group(6, place)]
    assert sorted(hosts) == ["esx-nodrs-1.lab"] * 3 + ["esx-nodrs-2.lab"] * 3


# Some fail


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


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Draws these endings of names, and the last one for ever."""

    def draw_these(*endings: str) -> None:
        left = list(endings)
        monkeypatch.setattr(
            "libcloud_vsphere_clone.model.names.secrets.token_hex",
            lambda _: left.pop(0) if len(left) > 1 else left[0],
        )

    return draw_these


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


def test_one_that_fits_nowhere_when_it_is_drawn_again_fails_alone(
    create_group: CreateGroup,
    direct: Direct,
    draw: Callable[..., None],
    small_stores: Callable[[dict[str, int]], None],
    on_start: Callable[[str, Callable[[], None], Callable[[], None]], None],
) -> None:
    create_group(1, ex_names=["web-00001"])
    draw("00001", "00002", "00003")
    on_start("web-00001", lambda: small_stores({"shared-1": 0}), lambda: None)
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

    monkeypatch.setattr("libcloud_vsphere_clone.model.names.secrets.token_hex", draw)
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

    monkeypatch.setattr("libcloud_vsphere_clone.model.names.secrets.token_hex", draw)
    bare_lab.delay_tasks({"CloneVM": 100})
    with ThreadPoolExecutor(2) as pool:
        made = [pool.submit(scale) for _ in range(2)]
        nodes = [node for future in made for node in future.result()]
    assert len(nodes) == 12
    assert direct.children("vm/web") == sorted(names_of(nodes))
    assert {node.id for node in driver.list_nodes(ex_group="web")} == {node.id for node in nodes}


def test_all_fail(bare_lab: Lab, create_group: CreateGroup, direct: Direct) -> None:
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


def test_why_one_failed_may_be_unreadable_for_a_while(bare_lab: Lab, create_group: CreateGroup) -> None:
    bare_lab.faults.add("CloneVM_Task", fault="NoDiskSpace", when="task")
    bare_lab.faults.add("RetrieveProperties", fault="NotSupported")
    with pytest.raises(GroupError) as caught:
        create_group(3, ex_names=["a", "b", "c"])
    (failed,) = caught.value.errors  # whichever was sent first: they are sent side by side
    assert names_of(caught.value.nodes) == [name for name in "abc" if name != failed]


def test_an_overdue_clone_is_cancelled_and_the_others_are_there(
    bare_lab: Lab, create_group: CreateGroup, direct: Direct, on_start: Any
) -> None:
    slow, quick = {"CloneVM": 30_000}, {"CloneVM": 50}
    bare_lab.delay_tasks(quick)

    def slow_down() -> None:
        direct.await_clones()  # the one beside it, if it was sent before
        bare_lab.delay_tasks(slow)

    on_start("late", slow_down, lambda: bare_lab.delay_tasks(quick))
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
    taken = iter(["unused", driver.ex_get_node(name="legacy-db").id, "50000000-0000-4000-8000-000000000777"])
    monkeypatch.setattr("libcloud_vsphere_clone.driver.options.uuid.uuid4", lambda: next(taken))
    bare_lab.faults.add("ReconfigVM_Task", fault="NoPermission")
    with pytest.raises(GroupError) as caught:
        create_group(2, ex_names=["a", "b"])
    assert {name: type(error) for name, error in caught.value.errors.items()} == {"a": NotPermittedError}
    assert names_of(driver.list_nodes(ex_group="web")) == ["b"]


# Connections


def test_a_session_that_ends_midway_is_renewed(bare_lab: Lab, create_group: CreateGroup, direct: Direct) -> None:
    bare_lab.delay_tasks({"CloneVM": 500})
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(create_group, 6, ex_max_in_flight=2)
        for _ in range(2):
            time.sleep(0.6)
            bare_lab.expire_sessions()
        nodes = made.result()
    with bare_lab.driver() as fresh:
        assert {node.id for node in fresh.list_nodes(ex_group="web")} == {node.id for node in nodes}


@pytest.mark.parametrize("when", ["reset-after", "drop-body"])
def test_lost_replies_make_no_second_clone(bare_lab: Lab, create_group: CreateGroup, direct: Direct, when: str) -> None:
    bare_lab.faults.add("CloneVM_Task", when=when, every=3, times=0)
    bare_lab.reset_calls()
    nodes = create_group(9, ex_max_in_flight=4, ex_power_on=True)
    assert writes(bare_lab)["CloneVM_Task"] == 9
    assert direct.children("vm/web") == sorted(names_of(nodes))
    assert all(node.extra["managed"] for node in nodes)


def test_lost_requests_are_told_apart(
    bare_lab: Lab, create_group: CreateGroup, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, three = Clone._search, threading.Barrier(3)

    def search_together(clone: Clone, timeout_s: float) -> Any:
        three.wait(timeout=60)  # none goes on before three of them are here: they are made side by side
        return search(clone, timeout_s)

    monkeypatch.setattr(Clone, "_search", search_together)
    bare_lab.faults.add("CloneVM_Task", when="reset-before", every=3, times=0)
    with pytest.raises(GroupError) as caught:
        create_group(9, ex_names=[f"n-{number}" for number in range(9)])
    assert len(caught.value.errors) == 3
    assert {type(error) for error in caught.value.errors.values()} == {ConnectionFailedError}
    assert all("safe to try again" in str(error) for error in caught.value.errors.values())
    assert direct.children("vm/web") == names_of(caught.value.nodes)


def test_a_stalled_reply_is_recovered(bare_lab: Lab, direct: Direct) -> None:
    bare_lab.faults.add("CloneVM_Task", when="stall", delay_ms=5000, every=2)
    bare_lab.reset_calls()
    with bare_lab.driver(timeout=2) as impatient:
        image = impatient.ex_get_image_by_name("debian-12")
        nodes = impatient.ex_create_nodes_in_group("web", 3, None, image, ex_power_on=False)
        assert writes(bare_lab)["CloneVM_Task"] == 3
        assert direct.children("vm/web") == sorted(names_of(nodes))
        assert impatient.ex_destroy_group("web")


def test_a_vcenter_that_is_lost_midway_is_told_what_may_remain(
    bare_lab: Lab, create_group: CreateGroup, direct: Direct, monkeypatch: pytest.MonkeyPatch, on_start: Any
) -> None:
    monkeypatch.setattr("libcloud_vsphere_clone.vcenter.stub.REPEAT_DELAYS_S", ())  # the waits have tests of their own
    methods = ("CloneVM_Task", "RetrievePropertiesEx", "FindByUuid", "CurrentTime", "WaitForUpdatesEx", "CancelTask")
    more = ("CreatePropertyCollector", "CreateFilter", "CreateListView", "ResetListView", "DestroyPropertyCollector")

    def lose() -> None:
        for method in (*methods, *more, "PowerOffVM_Task", "Destroy_Task"):
            bare_lab.faults.add(method, when="reset-before", times=0)

    bare_lab.delay_tasks({"CloneVM": 200})
    names = [f"n-{number}" for number in range(9)]
    on_start("n-5", lose, lambda: None)
    bare_lab.reset_calls()
    with pytest.raises(GroupError, match="9 of 9") as caught:
        create_group(9, ex_names=names, ex_max_in_flight=4)
    bare_lab.faults.clear()
    errors = caught.value.errors
    assert list(errors) == names
    assert {type(error) for error in errors.values()} == {ConnectionFailedError}
    assert all(repr(name) in str(error) for name, error in errors.items())
    told = [name for name, error in errors.items() if notes_of(error)]
    assert {*names[:4], "n-5"} <= set(told) <= set(names[:8])  # the others were never sent
    for name in told:
        [note] = notes_of(errors[name])
        assert f"VM {name!r} with instanceUuid" in note
        assert "may remain" in note
    assert writes(bare_lab)["CloneVM_Task"] == len(told)
    direct.await_clones()  # what vCenter goes on to make
    assert set(direct.children("vm/web")) <= set(told)


def test_a_vcenter_that_is_lost_at_the_end_is_told_what_may_remain(
    bare_lab: Lab, create_group: CreateGroup, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libcloud_vsphere_clone.vcenter.stub.REPEAT_DELAYS_S", ())
    monkeypatch.setattr(
        "libcloud_vsphere_clone.operations.provision.fetch_some", failing(ConnectionResetError("the last read is lost"))
    )
    for method in ("PowerOffVM_Task", "Destroy_Task"):
        bare_lab.faults.add(method, when="reset-before", times=0)
    with pytest.raises(GroupError, match="the last read is lost") as caught:
        create_group(2, ex_names=["a", "b"])
    assert ["may remain" in note for error in caught.value.errors.values() for note in notes_of(error)] == [True, True]
    assert direct.children("vm/web") == ["a", "b"]


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


# Destroying


def test_a_group_is_destroyed_and_its_folder_stays(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    create_group(3, ex_power_on=True)
    create_group(2)
    bare_lab.reset_calls()
    assert driver.ex_destroy_group("web") is True
    calls = bare_lab.calls().by_method
    assert (calls["PowerOffVM_Task"], calls["Destroy_Task"]) == (3, 5)
    assert direct.children("vm/web") == []
    assert "web" in [group.name for group in driver.ex_list_groups()]
    assert driver.ex_destroy_group("web") is True


def test_a_question_that_holds_one_up_is_told(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libcloud_vsphere_clone.vcenter.jobs.QUESTION_S", 0.5)
    asking, other = create_group(2, ex_power_on=True)
    question = {"id": "q1", "text": "retry or cancel?", "choice": {}}
    bare_lab.control.change_vm(asking.extra["moid"], {"runtime.question": question})
    bare_lab.faults.add("Destroy_Task", fault="InvalidPowerState", target=asking.extra["moid"], when="task")
    bare_lab.delay_tasks({"PowerOffVM": 5000})
    with pytest.raises(GroupError) as caught:
        driver.ex_destroy_group("web")
    bare_lab.delay_tasks({})
    [(name, error)] = caught.value.errors.items()
    assert name == asking.name != other.name
    assert "asks 'retry or cancel?' and waits" in str(error)


def test_what_is_not_ours_in_a_group_is_not_touched(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    [ours] = create_group(1)
    foreign = direct.clone(direct.vm(ours.extra["moid"]), direct.find("vm/web"), "copy-by-hand")
    below = direct.find("vm/web").CreateFolder("below")
    deeper = direct.clone(direct.vm(ours.extra["moid"]), below, "deeper")
    template = direct.clone(direct.vm(ours.extra["moid"]), direct.find("vm/web"), "a-template")
    template.MarkAsTemplate()
    try:
        with bare_lab.driver(ex_allow_unmanaged=True) as bold:
            assert bold.ex_destroy_group("web") is True
        assert direct.children("vm/web") == ["a-template", "below", "copy-by-hand"]
        assert direct.children("vm/web/below") == ["deeper"]
        with pytest.raises(InvalidRequestError, match="not empty"):
            driver.ex_destroy_group("web", ex_remove_folder=True)
        assert direct.children("vm/web/below") == ["deeper"]
        pool = direct.find("host/cluster-drs/Resources")
        template.MarkAsVirtualMachine(pool)
    finally:
        for vm in (foreign, deeper, template):
            direct.destroy(vm)
        direct.wait(below.Destroy_Task())


def test_an_empty_folder_is_removed_if_asked(
    driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    create_group(2, group="passing")
    assert driver.ex_destroy_group("passing", ex_remove_folder=True) is True
    assert direct.find("vm/passing") is None
    create_group(1, group="passing")
    assert driver.ex_destroy_group("passing", ex_remove_folder=True) is True


def test_no_folder_is_removed_while_a_clone_is_on_its_way(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    create_group(1, ex_names=["a"])
    bare_lab.delay_tasks({"CloneVM": 3000})
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(create_group, 1, ex_names=["b"])
        while not (direct.running_clones() or coming.done()):
            time.sleep(0.01)
        with pytest.raises(InvalidRequestError, match=r"a task VirtualMachine\.clone\w* is under way"):
            driver.ex_destroy_group("web", ex_remove_folder=True)
        coming.result()
    assert direct.children("vm/web") == ["b"]


def test_an_unknown_group_is_none(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    bare_lab.reset_calls()
    for call in (driver.ex_destroy_group, lambda name: driver.ex_run_script_on_group(name, "id", auth=PASSWORD)):
        with pytest.raises(NotFoundError, match=r"no group 'nowhere'.*ex_list_groups"):
            call("nowhere")
    with pytest.raises(InvalidRequestError, match="images folder"):
        driver.ex_destroy_group("jclouds-images")
    with pytest.raises(InvalidRequestError, match="ex_max_in_flight"):
        driver.ex_destroy_group("legacy", ex_max_in_flight=0)
    assert writes(bare_lab) == {}


def test_a_node_that_cannot_be_destroyed_remains_alone(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup
) -> None:
    stuck = create_group(4, ex_power_on=True)[2]
    bare_lab.faults.add("Destroy_Task", fault="ResourceInUse", when="task", target=stuck.extra["moid"], times=0)
    with pytest.raises(GroupError, match="1 of 4 nodes could not be destroyed") as caught:
        driver.ex_destroy_group("web")
    assert names_of(caught.value.nodes) == [stuck.name]
    assert {name: type(error) for name, error in caught.value.errors.items()} == {stuck.name: TaskError}
    assert names_of(driver.list_nodes(ex_group="web")) == [stuck.name]
    bare_lab.faults.clear()
    assert driver.ex_destroy_group("web") is True


def test_lost_replies_do_not_keep_a_group_alive(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    create_group(8, ex_power_on=True)
    for method in ("PowerOffVM_Task", "Destroy_Task"):
        bare_lab.faults.add(method, when="reset-after", every=3, times=0)
    assert driver.ex_destroy_group("web", ex_max_in_flight=3) is True
    assert direct.children("vm/web") == []


def test_a_vcenter_that_is_lost_while_destroying_is_not_waited_for_again_and_again(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create_group: CreateGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libcloud_vsphere_clone.vcenter.stub.REPEAT_DELAYS_S", (0.1,))
    nodes = create_group(6)
    for method in ("PowerOffVM_Task", "Destroy_Task", "CurrentTime"):
        bare_lab.faults.add(method, when="reset-before", times=0)
    bare_lab.reset_calls()
    with pytest.raises(GroupError) as caught:
        driver.ex_destroy_group("web")
    assert set(caught.value.errors) == set(names_of(nodes))
    assert bare_lab.calls().by_method["Destroy_Task"] <= 2 * len(nodes) + 2  # once side by side, then no more
    bare_lab.faults.clear()


def test_disks_that_were_attached_later_are_kept(
    driver: VsphereCloneNodeDriver, create_group: CreateGroup, direct: Direct
) -> None:
    nodes = create_group(2)
    vm = direct.vm(nodes[0].extra["moid"])
    [disk] = direct.devices(vm, vim.vm.device.VirtualDisk)
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
        fileName="[shared-1] kept.vmdk", diskMode="persistent", thinProvisioned=True
    )
    volume = vim.vm.device.VirtualDisk(
        key=-1, controllerKey=disk.controllerKey, unitNumber=3, capacityInKB=1024, backing=backing
    )
    change = vim.vm.device.VirtualDeviceSpec(operation="add", fileOperation="create", device=volume)
    direct.wait(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])))
    browser = direct.read(direct.find("datastore/shared-1"), "browser")
    assert driver.ex_destroy_group("web") is True
    pattern = vim.host.DatastoreBrowser.SearchSpec(matchPattern=["kept*.vmdk"])
    found = direct.wait(browser.SearchDatastore_Task("[shared-1]", pattern))
    assert "kept.vmdk" in [file.path for file in found.file]


# Deploying: what is refused before there is a node

PASSWORD = NodeAuthPassword("secret-1")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"ssh_interface": "wrong"}, "ssh_interface"),
        ({"deploy": "not a deployment"}, "must be a Deployment"),
        ({"ssh_key": "no key"}, "key"),
        ({"ex_grup": "x"}, "ex_grup"),
        ({"count": 0}, "count"),
    ],
)
def test_a_deployment_that_cannot_be_right_is_refused_unsent(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, words: dict[str, Any], reason: str
) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match=reason):
        driver.ex_deploy_nodes_in_group(
            "web", **{"count": 2, "size": None, "image": image, "deploy": ScriptDeployment("true"), **words}
        )
    assert writes(bare_lab) == {}


def test_a_deployment_that_cannot_be_copied_is_refused_unsent(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    class Locked(ScriptDeployment):
        def __init__(self) -> None:
            super().__init__("true")
            self.lock = threading.Lock()

    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="copied"):
        driver.ex_deploy_nodes_in_group("web", 2, None, image, deploy=Locked())
    assert writes(bare_lab) == {}


def test_each_node_is_deployed_at_its_own_address(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, direct: Direct
) -> None:
    """The guests report an address of nobody's as well, and before their own."""
    logins: dict[str, str] = {}

    class Refusing(SSH):
        def open(self, target: Target, *_: Any, **__: Any) -> Any:
            logins[target.name] = target.addresses[0]
            raise ConnectionFailedError("that was all")

    def report(node: Node, what: str) -> None:
        if not what.startswith("waiting"):
            return
        addresses = ["10.0.0.99", f"10.0.0.{node.name[-1]}"]
        [adapter] = direct.devices(direct.vm(node.extra["moid"]), vim.vm.device.VirtualEthernetCard)
        net = {"macAddress": adapter.macAddress, "ipAddress": addresses, "connected": True}
        bare_lab.control.change_vm(node.extra["moid"], {"guest.net": [net]})

    with pytest.raises(GroupError, match="2 of 2 nodes could not be deployed"):
        driver.ex_deploy_nodes_in_group(
            "web",
            2,
            None,
            driver.ex_get_image_by_name("debian-12"),
            deploy=ScriptDeployment("true"),
            auth=PASSWORD,
            timeout=60,
            ex_transport=Refusing(),
            ex_on_stage=report,
            ex_names=["n-5", "n-6"],
            ex_each=[{"ex_networks": [Nic(address=f"10.0.0.{number}/24")]} for number in (5, 6)],
        )
    assert logins == {"n-5": "10.0.0.5", "n-6": "10.0.0.6"}


def test_a_script_needs_a_way_in(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="ssh_key="):
        driver.ex_run_script_on_group("legacy", "id")
    assert bare_lab.calls().total == 0


def test_a_script_goes_to_nobody_elses_machine(driver: VsphereCloneNodeDriver) -> None:
    results = driver.ex_run_script_on_group("legacy", "id", auth=PASSWORD, timeout=1)
    assert {result.node.name for result in results} == {"legacy-db", "legacy-web"}
    assert {type(result.error) for result in results} == {InvalidRequestError}
    assert all("did not create it" in str(result.error) for result in results)


def test_a_script_on_nodes_that_are_off_or_silent_says_so(
    driver: VsphereCloneNodeDriver, create_group: CreateGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libcloud_vsphere_clone.guest.obstacles.OFF_FOR_S", 0.2)  # long before the time is over
    create_group(2, ex_names=["off-1", "off-2"])
    create_group(1, ex_names=["silent"], ex_power_on=True)  # there is no guest in it
    results = {r.node.name: r for r in driver.ex_run_script_on_group("web", "id", auth=PASSWORD, timeout=2)}
    assert [type(results[name].error) for name in ("off-1", "off-2", "silent")] == [
        TaskError,
        TaskError,
        TaskTimeoutError,
    ]
    assert "'off-1' is poweredOff; start it" in str(results["off-1"].error)
    assert "'silent' is poweredOn" in str(results["silent"].error)
    assert all(result.exit_status is None for result in results.values())


# Ctrl-C

MAKE_SIX = 'driver.ex_create_nodes_in_group("cut", 6, None, image, ex_max_in_flight=3)'


@pytest.mark.usefixtures("unharmed")
def test_ctrl_c_at_any_moment_leaves_no_node(bare_lab: Lab, direct: Direct, interrupted: Interrupted) -> None:
    bare_lab.delay_tasks({"CloneVM": 500})  # two rounds: no run is over before its moment, on a busy machine neither
    series = [[0.005, 0.03, 0.05, 0.35], [0.02, 0.04, 0.25, 0.6]]
    processes = [interrupted(MAKE_SIX, [[moment] for moment in moments], "-W", "error") for moments in series]
    for process in processes:
        out, errors = process.communicate(timeout=120)
        assert (out.split(), errors) == (["interrupted"] * 4, "")
    direct.await_clones()
    assert direct.children("vm/cut") == []


@pytest.mark.usefixtures("unharmed")
def test_ctrl_c_while_starts_are_on_their_way_leaves_no_node(
    bare_lab: Lab, direct: Direct, interrupted: Interrupted
) -> None:
    bare_lab.delay_tasks({"CloneVM": 20_000})  # no slot is free for a fourth, should the interrupt come late
    bare_lab.faults.add("CloneVM_Task", when="stall", delay_ms=1200, times=0)
    bare_lab.reset_calls()
    process = interrupted(MAKE_SIX, [[]], "-W", "error")
    await_calls(bare_lab, "CloneVM_Task", 3)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert (out.split(), errors) == (["interrupted"], "")  # and no note: nothing may remain
    assert writes(bare_lab)["CloneVM_Task"] == 3  # at once, and no more
    assert direct.children("vm/cut") == []


@pytest.mark.usefixtures("driver")  # which removes what remained
def test_a_second_ctrl_c_says_what_may_remain(bare_lab: Lab, direct: Direct, interrupted: Interrupted) -> None:
    bare_lab.delay_tasks({"CloneVM": 3000})
    bare_lab.faults.add("CancelTask", when="stall", delay_ms=20_000, times=0)
    bare_lab.reset_calls()
    process = interrupted(MAKE_SIX, [[]], "-W", "error")
    await_calls(bare_lab, "CloneVM_Task", 3)
    process.send_signal(signal.SIGINT)
    await_calls(bare_lab, "CancelTask", 3)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert time.monotonic() - started < 15  # nobody waits for the threads at work
    words = out.strip().split("|")
    assert words[0] == "interrupted"
    assert len(words) == 4  # three were in flight
    assert all("may remain: KeyboardInterrupt" in word for word in words[1:])
    direct.await_clones()  # or they would be made in the next test
