"""Nodes listed: cached, fresh, filtered, in full, one by one, and watched."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from libcloud.compute.base import Node
from libcloud.compute.types import NodeState

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import ConnectionFailedError, InvalidRequestError, NotFoundError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import pages
from libcloud_vsphere_clone.vcenter.mirror import Mirror
from libcloud_vsphere_clone.vcenter.rows import read_chunks
from tests.direct import Create, Direct, await_calls

SEEDED = ["legacy-db", "legacy-web"]
BYTES_PER_VM = 6000
"""The most that nodes and mirror together may take at any moment."""


def names(nodes: Iterator[Node] | list[Node]) -> list[str]:
    return sorted(node.name for node in nodes)


def told(node: Node) -> dict[str, Any]:
    return {name: value for name, value in vars(node).items() if name not in ("driver", "size")}


# One after the other


def test_a_first_listing_is_two_calls_and_a_third_is_one(bare_lab: Lab) -> None:
    with bare_lab.driver() as driver:
        bare_lab.reset_calls()
        first = driver.list_nodes()
        assert bare_lab.calls().total == 2
        bare_lab.reset_calls()
        driver.list_nodes()
        assert bare_lab.calls().by_method == {"CreatePropertyCollector": 1, "CreateFilter": 1, "CheckForUpdates": 1}
        bare_lab.reset_calls()
        assert [told(node) for node in driver.list_nodes()] == [told(node) for node in first]
        assert bare_lab.calls().by_method == {"WaitForUpdatesEx": 1}
        assert bare_lab.calls().bytes_out < 1000


def test_a_fresh_listing_is_one_bulk_read_each_time(bare_lab: Lab) -> None:
    with bare_lab.driver() as driver:
        driver.list_nodes(ex_cached=False)
        bare_lab.reset_calls()
        for _ in range(3):
            driver.list_nodes(ex_cached=False)
        assert bare_lab.calls().by_method == {"RetrievePropertiesEx": 3}


def test_a_watch_holds_up_no_other_call(driver: VsphereCloneNodeDriver, create: Create, bare_lab: Lab) -> None:
    create("web")
    events = driver.ex_watch_nodes(timeout_s=60)
    bare_lab.reset_calls()
    with ThreadPoolExecutor(1) as threads:
        told_of = threads.submit(next, events)
        await_calls(bare_lab, "WaitForUpdatesEx", 1)  # until it has subscribed, and waits
        for _ in range(4):
            begin = time.monotonic()
            assert names(driver.list_nodes(ex_group="made")) == ["web"]
            assert time.monotonic() - begin < 15  # the watch's call takes twenty
        assert not told_of.done()
        create("db")
        kind, node = told_of.result(timeout=60)
        assert (kind, node.name) == ("added", "db")
        events.close()


@pytest.mark.parametrize("cached", [True, False])
def test_what_happened_between_two_listings_is_seen(
    driver: VsphereCloneNodeDriver, direct: Direct, create: Create, cached: bool
) -> None:
    def listed() -> list[tuple[str, NodeState]]:
        return sorted((node.name, node.state) for node in driver.list_nodes(ex_group="made", ex_cached=cached))

    driver.list_nodes()
    driver.list_nodes()
    node = create("web")
    assert listed() == [("web", NodeState.STOPPED)]
    driver.start_node(node)
    direct.wait(direct.vm(node.extra["moid"]).Rename_Task("db"))
    assert listed() == [("db", NodeState.RUNNING)]
    driver.destroy_node(node)
    assert listed() == []


def test_a_caller_may_change_what_it_got(driver: VsphereCloneNodeDriver) -> None:
    for _ in range(3):
        for node in driver.list_nodes():
            assert node.extra.pop("path")
            node.extra["datastores"].clear()
            node.public_ips.append("192.0.2.1")
    assert all(node.extra["datastores"] and not node.public_ips for node in driver.list_nodes())


def test_a_vm_without_config_is_listed_as_unknown_each_time(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create
) -> None:
    node = create("orphan")
    bare_lab.control.change_vm(node.extra["moid"], drop_config=True)
    try:
        for cached in (True, True, True, False):
            (listed,) = driver.list_nodes(ex_group="made", ex_cached=cached)
            assert (listed.id, listed.state) == (node.id, NodeState.UNKNOWN)
        (listed,) = driver.ex_iterate_nodes(ex_group="made")
        assert (listed.id, listed.state) == (node.id, NodeState.UNKNOWN)
    finally:
        bare_lab.control.change_vm(node.extra["moid"], drop_config=False)
    for cached in (True, False):
        (listed,) = driver.list_nodes(ex_group="made", ex_cached=cached)
        assert (listed.id, listed.state) == (node.id, NodeState.STOPPED)


# Some, and all of it


def test_a_pattern_or_metadata_choose_nodes(driver: VsphereCloneNodeDriver, create: Create) -> None:
    create("web-1", ex_metadata={"role": "web", "zones": ["a"]})
    create("web-2", ex_metadata={"role": "web"})
    create("db%1", ex_metadata={"role": "db"})
    assert names(driver.list_nodes(ex_filter="web-*")) == ["web-1", "web-2"]
    assert names(driver.list_nodes(ex_filter="*-[dw]*[!x]")) == SEEDED
    assert names(driver.list_nodes(ex_filter="DB*")) == []
    assert names(driver.list_nodes(ex_filter="db%*")) == ["db%1"]
    assert names(driver.list_nodes(ex_filter={"role": "web"})) == ["web-1", "web-2"]
    assert names(driver.list_nodes(ex_filter={"role": "web", "zones": ["a"]})) == ["web-1"]
    assert names(driver.list_nodes(ex_filter={})) == ["db%1", *SEEDED, "web-1", "web-2"]
    assert names(driver.list_nodes(ex_filter="*1", ex_group="made")) == ["db%1", "web-1"]
    assert names(driver.ex_iterate_nodes(ex_filter={"role": "db"}, ex_group="made")) == ["db%1"]


@pytest.mark.parametrize("wrong", [["web-*"], 7, b"web"])
def test_any_other_filter_is_refused_and_nothing_sent(
    driver: VsphereCloneNodeDriver, bare_lab: Lab, wrong: Any
) -> None:
    bare_lab.reset_calls()
    for ask in (driver.list_nodes, driver.ex_iterate_nodes, driver.ex_watch_nodes):
        with pytest.raises(InvalidRequestError, match="ex_filter must be a name pattern or a mapping"):
            ask(ex_filter=wrong)
        with pytest.raises(InvalidRequestError, match="ex_group must be the name of a group"):
            ask(ex_group=wrong)
    assert bare_lab.calls().total == 0


def test_a_watch_of_a_user_that_sees_nothing_says_so(
    driver: VsphereCloneNodeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake: the lab's users see all there is."""
    monkeypatch.setattr(Mirror, "wait", lambda *_: {})
    with pytest.raises(NotFoundError, match="none is visible"):
        next(driver.ex_watch_nodes(timeout_s=0.1))


@pytest.mark.parametrize("wrong", ["3", float("nan"), True])
def test_a_watch_takes_seconds_and_nothing_else(driver: VsphereCloneNodeDriver, bare_lab: Lab, wrong: Any) -> None:
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="timeout_s must be a number of seconds"):
        driver.ex_watch_nodes(timeout_s=wrong)
    assert bare_lab.calls().total == 0


def test_a_full_listing_tells_more(driver: VsphereCloneNodeDriver, create: Create) -> None:
    create("web", ex_annotation="Ours.")
    (usual,), (full,) = driver.list_nodes(ex_group="made"), driver.list_nodes(ex_group="made", ex_full=True)
    assert full.extra == {
        **usual.extra,
        "description": "Ours.",
        "guest_os": full.extra["guest_os"],
        "disks_gib": [8.0],
    }
    assert "Debian" in full.extra["guest_os"]


# One by one


def test_nodes_come_one_by_one_as_they_are_listed(
    driver: VsphereCloneNodeDriver, bare_lab: Lab, create: Create
) -> None:
    create("web")
    listed = driver.list_nodes(ex_cached=False)
    bare_lab.reset_calls()
    assert [told(node) for node in driver.ex_iterate_nodes()] == [told(node) for node in listed]
    assert bare_lab.calls().by_method == {"RetrievePropertiesEx": 2}


def test_the_first_node_comes_before_the_last_bytes(
    driver: VsphereCloneNodeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def note(reply: Any) -> Iterator[bytes]:
        for chunk in read_chunks(reply):
            for start in range(0, len(chunk), 500):
                taken.append(start)
                yield chunk[start : start + 500]

    monkeypatch.setattr(pages, "read_chunks", note)
    nodes = driver.ex_iterate_nodes()
    next(nodes)
    before = len(taken)
    rest = list(nodes)
    assert rest
    assert len(taken) > before


def test_a_listing_that_is_left_early_does_no_harm(driver: VsphereCloneNodeDriver, bare_lab: Lab) -> None:
    for _ in range(20):  # more than there are connections
        nodes = driver.ex_iterate_nodes()
        next(nodes)
        assert names(driver.list_nodes()) == SEEDED
        nodes.close()
    assert names(driver.ex_iterate_nodes()) == SEEDED


def test_a_reply_that_breaks_off_is_an_error(driver: VsphereCloneNodeDriver, bare_lab: Lab) -> None:
    driver.list_nodes()
    bare_lab.faults.add("RetrievePropertiesEx", when="drop-body", every=2)  # the tree's comes first
    with pytest.raises(ConnectionFailedError, match="read the inventory of"):
        list(driver.ex_iterate_nodes())
    assert names(driver.ex_iterate_nodes()) == SEEDED


@pytest.mark.parametrize("silent", [False, True], ids=["", "silent"])
def test_it_outlives_a_session_that_ended_before(driver: VsphereCloneNodeDriver, bare_lab: Lab, silent: bool) -> None:
    assert names(driver.ex_iterate_nodes()) == SEEDED
    bare_lab.control.expire_sessions(silent=silent)
    assert names(driver.ex_iterate_nodes()) == SEEDED


def test_a_view_that_was_lost_is_made_again(driver: VsphereCloneNodeDriver, bare_lab: Lab) -> None:
    nodes = driver.ex_iterate_nodes()
    bare_lab.faults.add("RetrievePropertiesEx", fault="ManagedObjectNotFound")
    assert names(nodes) == SEEDED


# As they change


def test_changes_are_told_as_they_happen(
    driver: VsphereCloneNodeDriver, direct: Direct, create: Create, bare_lab: Lab
) -> None:
    before = bare_lab.control.leftovers().collectors  # of programs that other tests have killed
    events = driver.ex_watch_nodes(timeout_s=60, ex_present=True)
    assert sorted((kind, node.name) for kind, node in (next(events), next(events))) == [("added", n) for n in SEEDED]
    node = create("web")
    kinds = [next(events)]
    driver.start_node(node)
    while kinds[-1][1].state != NodeState.RUNNING:
        kinds.append(next(events))
    direct.wait(direct.vm(node.extra["moid"]).Rename_Task("db"))
    while kinds[-1][1].name != "db":
        kinds.append(next(events))
    driver.destroy_node(node)
    while kinds[-1][0] != "removed":
        kinds.append(next(events))
    assert {told.extra["moid"] for _, told in kinds} == {node.extra["moid"]}
    assert kinds[0][0] == "added"
    assert kinds[-1][1].name == "db"
    assert {kind for kind, _ in kinds[1:-1]} == {"changed"}
    events.close()
    assert bare_lab.control.leftovers().collectors == before + len(driver._session._kept)


def test_a_watch_ends_at_its_deadline_and_leaves_nothing(driver: VsphereCloneNodeDriver, bare_lab: Lab) -> None:
    before = bare_lab.control.leftovers().collectors
    assert list(driver.ex_watch_nodes(timeout_s=0.5)) == []
    assert len(list(driver.ex_watch_nodes(timeout_s=0, ex_present=True))) == 2
    assert bare_lab.control.leftovers().collectors == before


def test_a_watch_tells_of_what_comes_to_fit_and_no_longer_does(
    driver: VsphereCloneNodeDriver, direct: Direct, create: Create, bare_lab: Lab
) -> None:
    node = create("web-1")
    vm = direct.vm(node.extra["moid"])
    events = driver.ex_watch_nodes(timeout_s=60, ex_filter="db-*")
    bare_lab.reset_calls()
    with ThreadPoolExecutor(1) as threads:
        told_of = threads.submit(next, events)
        await_calls(bare_lab, "WaitForUpdatesEx", 1)  # until it has subscribed, and waits
        direct.wait(vm.Rename_Task("db-1"))
        kind, node = told_of.result(timeout=60)
        assert (kind, node.name) == ("added", "db-1")
    direct.wait(vm.Rename_Task("web-2"))
    assert [(kind, node.name) for kind, node in [next(events)]] == [("removed", "db-1")]
    events.close()


def test_a_folder_s_new_name_changes_its_nodes(driver: VsphereCloneNodeDriver, direct: Direct, create: Create) -> None:
    create("web")
    events = driver.ex_watch_nodes(timeout_s=60, ex_present=True)
    for _ in range(3):
        next(events)
    direct.wait(direct.find("vm/made").Rename_Task("renamed"))
    try:
        kind, node = next(events)
        assert (kind, node.name, node.extra["group"]) == ("changed", "web", "renamed")
    finally:
        direct.wait(direct.find("vm/renamed").Rename_Task("made"))
    events.close()


def test_a_watch_outlives_its_session(driver: VsphereCloneNodeDriver, bare_lab: Lab, create: Create) -> None:
    events = driver.ex_watch_nodes(timeout_s=60, ex_present=True)
    assert sorted([next(events)[1].name, next(events)[1].name]) == SEEDED
    bare_lab.expire_sessions()
    create("web")
    assert next(events)[1].name == "web"
    events.close()


# Many


def test_a_thousand_nodes_take_little_memory_and_few_calls() -> None:
    with Lab(vms=1000, guests=False) as lab, lab.driver() as driver:
        driver.ex_list_groups()  # what is made once is made
        tracemalloc.start()
        try:
            for calls in (1, 3, 1):
                tracemalloc.reset_peak()
                lab.reset_calls()
                assert len(driver.list_nodes()) > 1000
                assert lab.calls().total == calls
                assert tracemalloc.get_traced_memory()[1] < 1000 * BYTES_PER_VM
        finally:
            tracemalloc.stop()
