"""Groups: many nodes at once, within their limits, and where they are placed."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import (
    InvalidRequestError,
    NoPlacementError,
)
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model import names as model_names
from tests.direct import Direct, writes
from tests.driver.conftest import CreateGroup, names_of

GIB = 1024**3

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
    monkeypatch.setattr(model_names, "draw_hex", lambda _: f"{next(numbers):03x}00")
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
