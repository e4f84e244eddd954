"""How many calls each verb makes, counted by the lab."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from libcloud.compute.base import Node

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab

READ = "RetrievePropertiesEx"
TASKS_S = 0.6
"""Longer than any task that is looked at instead of subscribed to."""

Create = Callable[..., Node]


@pytest.fixture
def create(driver: VsphereCloneNodeDriver) -> Create:
    """Make a node of ``debian-12`` that runs."""
    image = driver.ex_get_image_by_name("debian-12")
    return lambda name, **options: driver.create_node(name, None, image, **{"ex_group": "counted", **options})


def counted(lab: Lab, verb: Callable[..., object], *args: object, **options: object) -> dict[str, int]:
    """The calls that a verb makes, by method."""
    lab.reset_calls()
    verb(*args, **options)
    return dict(lab.calls().by_method)


@pytest.fixture
def node_named(driver: VsphereCloneNodeDriver) -> Callable[[str], Node]:
    """Finds a node of these tests."""
    return lambda name: driver.ex_get_node(name=name, ex_group="counted")


@pytest.mark.usefixtures("late_looks")
def test_each_verb_makes_these_calls_from_the_first_time_on(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create
) -> None:
    before = bare_lab.control.leftovers().collectors  # of programs that other tests have killed
    create("for-the-folder", ex_power_on=False)
    node = create("first")
    for _ in range(2):
        assert counted(bare_lab, driver.stop_node, node) == {READ: 2, "PowerOffVM_Task": 1}
        # PowerOnMultiVM_Task has a task of its own for each VM.
        assert counted(bare_lab, driver.start_node, node) == {READ: 3, "PowerOnMultiVM_Task": 1}
        assert counted(bare_lab, driver.reboot_node, node) == {READ: 2, "ResetVM_Task": 1}
    assert counted(bare_lab, create, "second") == {READ: 3, "CloneVM_Task": 1}
    assert counted(bare_lab, driver.destroy_node, node) == {READ: 3, "PowerOffVM_Task": 1, "Destroy_Task": 1}
    off = create("third", ex_power_on=False)
    assert counted(bare_lab, driver.destroy_node, off) == {READ: 2, "Destroy_Task": 1}
    assert bare_lab.control.leftovers().collectors == before  # there was nothing to wait for


@pytest.mark.usefixtures("late_looks")
def test_a_new_group_costs_the_call_that_makes_its_folder(bare_lab: Lab, create: Create) -> None:
    made = counted(bare_lab, create, "first", ex_group="counted-anew")
    assert made == {READ: 3, "CreateFolder": 1, "CloneVM_Task": 1}


def test_long_tasks_are_subscribed_to_with_what_is_kept(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, node_named: Callable[[str], Node]
) -> None:
    """Two waits for each: the first tells that the task runs, the second that it has ended."""
    before = bare_lab.control.leftovers()
    methods = ("CloneVM", "PowerOffVM", "Destroy")
    bare_lab.delay_tasks(dict.fromkeys(methods, round(TASKS_S * 1000)))
    driver.destroy_node(create("first"))  # now the session has a collector, and knows how long tasks take
    made = counted(bare_lab, create, "second")
    assert made == {READ: 2, "CloneVM_Task": 1, "ResetListView": 1, "WaitForUpdatesEx": 2}
    node = node_named("second")
    stopped = counted(bare_lab, driver.stop_node, node)
    assert stopped == {READ: 1, "PowerOffVM_Task": 1, "ResetListView": 1, "WaitForUpdatesEx": 2}
    gone = counted(bare_lab, driver.destroy_node, node)
    assert gone == {READ: 1, "Destroy_Task": 1, "ResetListView": 1, "WaitForUpdatesEx": 2}
    left = bare_lab.control.leftovers()
    assert (left.collectors - before.collectors, left.filters - before.filters) == (1, 1)


def test_a_renewed_session_makes_one_collector_more(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create
) -> None:
    bare_lab.delay_tasks({"PowerOffVM": round(TASKS_S * 1000)})
    nodes = [create(f"renewed-{number}") for number in range(3)]
    driver.stop_node(nodes[0])
    bare_lab.expire_sessions()
    assert counted(bare_lab, driver.stop_node, nodes[1])["CreatePropertyCollector"] == 1
    assert "CreatePropertyCollector" not in counted(bare_lab, driver.stop_node, nodes[2])
    assert bare_lab.control.leftovers().collectors == 1


def test_threads_share_a_few_collectors_and_close_leaves_none(bare_lab: Lab) -> None:
    bare_lab.delay_tasks({"CloneVM": round(TASKS_S * 1000)})
    before = bare_lab.control.leftovers().collectors
    with bare_lab.driver() as driver:
        image = driver.ex_get_image_by_name("debian-12")

        def make(number: int) -> Any:
            return driver.create_node(f"crowd-{number}", None, image, ex_group="counted", ex_power_on=False)

        with ThreadPoolExecutor(8) as threads:
            nodes = list(threads.map(make, range(8)))
        assert bare_lab.control.leftovers().collectors - before in range(1, 5)
        bare_lab.delay_tasks({})
        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(driver.destroy_node, nodes))
    assert bare_lab.control.leftovers().collectors == before


def test_a_driver_that_only_lists_makes_no_collector(bare_lab: Lab) -> None:
    before = bare_lab.control.leftovers().collectors
    with bare_lab.driver() as driver:
        bare_lab.reset_calls()
        driver.list_nodes()
        driver.list_images()
        driver.list_locations()
        driver.ex_list_groups()
        driver.ex_get_image_by_name("debian-12")
        assert "CreatePropertyCollector" not in bare_lab.calls().by_method
        assert bare_lab.control.leftovers().collectors == before
