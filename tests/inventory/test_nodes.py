"""Nodes as a lab has them: how many round trips it takes to see them, and which of them may be touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from libcloud.compute.types import NodeState

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import AmbiguousNameError, InvalidRequestError, NameInUseError, NotFoundError
from libcloud_vsphere_clone.inventory.nodes import CONFIGLESS_PATHS, fetch_some
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.model.vm import NODE_PATHS
from tests.direct import Direct

ORPHANED = {"runtime.connectionState": "orphaned"}
WRITES = ("start_node", "stop_node", "reboot_node", "destroy_node")


def test_a_fresh_listing_takes_two_round_trips_and_then_one(bare_lab: Lab) -> None:
    with bare_lab.driver() as driver:
        bare_lab.reset_calls()
        first = driver.list_nodes(ex_cached=False)
        assert bare_lab.calls().total == 2
        assert [node.id for node in driver.list_nodes(ex_cached=False)] == [node.id for node in first]
        assert bare_lab.calls().total == 3


def test_views_do_not_pile_up(bare_lab: Lab) -> None:
    before = bare_lab.control.leftovers()
    with bare_lab.driver() as driver:
        driver.list_nodes()
        driver.list_nodes()
        used = bare_lab.control.leftovers()
        for _ in range(5):
            driver.list_nodes()
        assert bare_lab.control.leftovers() == used
    assert bare_lab.control.leftovers() == before


def test_system_vms_images_and_templates_anywhere_are_no_nodes(driver: VsphereCloneNodeDriver, direct: Direct) -> None:
    node = create(driver, "becomes-a-template", ex_power_on=False)
    direct.vm(node.extra["moid"]).MarkAsTemplate()
    try:
        assert sorted(listed.name for listed in driver.list_nodes()) == ["legacy-db", "legacy-web"]
        for write in WRITES:
            with pytest.raises(InvalidRequestError, match="it is a template"):
                getattr(driver, write)(node)
    finally:
        direct.destroy(direct.vm(node.extra["moid"]))


@pytest.mark.parametrize("path", ["infrastructure/vCLS-1", "infrastructure/backup-proxy", "jclouds-images/debian-12"])
@pytest.mark.parametrize("write", WRITES)
def test_what_is_no_node_is_not_touched(bare_lab: Lab, direct: Direct, path: str, write: str) -> None:
    with bare_lab.driver(ex_allow_unmanaged=True) as driver:
        uuid = direct.read(direct.find(f"vm/{path}"), "config.instanceUuid")
        with pytest.raises(InvalidRequestError, match="is no node"):
            getattr(driver, write)(as_node(driver, uuid))


def test_a_foreign_vm_is_a_node_that_is_not_managed(driver: VsphereCloneNodeDriver) -> None:
    node = driver.ex_get_node(name="legacy-db")
    assert node.extra["managed"] is False
    assert node.extra["group"] == "legacy"
    assert node.state == NodeState.RUNNING
    for write in WRITES:
        with pytest.raises(InvalidRequestError, match="ex_allow_unmanaged=True"):
            getattr(driver, write)(node)


def test_a_clone_made_by_hand_has_our_marks_and_is_not_managed(driver: VsphereCloneNodeDriver, direct: Direct) -> None:
    node = create(driver, "original", ex_power_on=False)
    copy = direct.clone(direct.vm(node.extra["moid"]), direct.find("vm/legacy"), "copy")
    try:
        assert direct.extra_config(copy)[marks.ID] == node.id
        [seen] = [listed for listed in driver.list_nodes() if listed.name == "copy"]
        assert seen.extra["managed"] is False
        with pytest.raises(InvalidRequestError, match="did not create it"):
            driver.destroy_node(seen)
    finally:
        direct.destroy(copy)


@pytest.fixture
def hidden(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> Iterator[Any]:
    """A node of ours whose configuration vCenter has lost."""
    node = create(driver, "lost", ex_power_on=False)
    bare_lab.control.change_vm(node.extra["moid"], ORPHANED, drop_config=True)
    yield node
    bare_lab.control.change_vm(node.extra["moid"], {"runtime.connectionState": "connected"}, drop_config=False)


def test_a_vm_without_config_is_listed_and_unknown(bare_lab: Lab, driver: VsphereCloneNodeDriver, hidden: Any) -> None:
    bare_lab.reset_calls()
    [seen] = [node for node in driver.list_nodes() if node.name == "lost"]
    assert bare_lab.calls().total <= 3
    assert (seen.id, seen.state, seen.extra["managed"]) == (hidden.id, NodeState.UNKNOWN, None)
    assert driver.ex_get_node(seen.id).state == NodeState.UNKNOWN
    json.dumps(seen.extra)


@pytest.mark.parametrize("write", WRITES)
def test_a_vm_without_config_is_never_written_to(bare_lab: Lab, hidden: Any, write: str) -> None:
    with bare_lab.driver(ex_allow_unmanaged=True) as driver:
        [seen] = [node for node in driver.list_nodes() if node.name == "lost"]
        for node in (seen, hidden, as_node(driver, hidden.id)):
            with pytest.raises(InvalidRequestError, match="no configuration"):
                getattr(driver, write)(node)


def test_a_vm_that_tells_no_id_at_all_is_not_taken_for_gone(bare_lab: Lab, hidden: Any) -> None:
    with bare_lab.driver() as driver:
        bare_lab.control.change_vm(hidden.extra["moid"], {"summary.config.instanceUuid": ""})
        [seen] = [node for node in driver.list_nodes() if node.name == "lost"]
        assert seen.id == hidden.extra["moid"]
        for node in (seen, hidden, as_node(driver, seen.extra["moid"])):
            with pytest.raises(InvalidRequestError, match="no configuration"):
                driver.destroy_node(node)


def test_an_orphaned_vm_is_unknown(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    node = create(driver, "adrift")
    bare_lab.control.change_vm(node.extra["moid"], ORPHANED)
    assert driver.ex_get_node(node.id).state == NodeState.UNKNOWN
    bare_lab.control.change_vm(node.extra["moid"], {"runtime.connectionState": "connected"})


def test_unknown_enums_break_nothing(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    node = create(driver, "from-the-future")
    bare_lab.control.change_vm(
        node.extra["moid"], {"runtime.powerState": "hibernated", "guest.toolsRunningStatus": "guestToolsDreaming"}
    )
    seen = driver.ex_get_node(node.id)
    assert (seen.state, seen.extra["tools"]) == (NodeState.UNKNOWN, "guestToolsDreaming")
    assert node.id in [listed.id for listed in driver.list_nodes()]
    bare_lab.control.change_vm(node.extra["moid"], {"runtime.powerState": "poweredOn"})


def test_what_vanished_is_dropped(driver: VsphereCloneNodeDriver, direct: Direct) -> None:
    node = create(driver, "short-lived", ex_power_on=False)
    direct.destroy(direct.vm(node.extra["moid"]))
    assert node.id not in [listed.id for listed in driver.list_nodes()]
    assert fetch_some(driver._session, driver._names, [driver._ref(node)]).rows == []
    with pytest.raises(NotFoundError, match=node.id):
        driver.ex_get_node(node.id)
    assert driver.destroy_node(node) is True


@pytest.mark.parametrize("listed", [0, 2], ids=["from vCenter", "from what is kept"])
def test_a_name_is_found_once_or_said_where(driver: VsphereCloneNodeDriver, listed: int) -> None:
    for _ in range(listed):
        driver.list_nodes()
    one, two = (create(driver, "twin", ex_group=group, ex_power_on=False) for group in ("red", "blue"))
    assert driver.ex_get_node(name="twin", ex_group="red").id == one.id
    assert driver.ex_get_node(name="twin", ex_group="blue").id == two.id
    with pytest.raises(AmbiguousNameError) as caught:
        driver.ex_get_node(name="twin")
    assert set(caught.value.paths) == {"red/twin", "blue/twin"}
    with pytest.raises(NotFoundError):
        driver.ex_get_node(name="twin", ex_group="green")


def test_a_look_up_by_name_reads_little(bare_lab: Lab, direct: Direct) -> None:
    with bare_lab.driver() as driver:
        driver.list_nodes()
        bare_lab.reset_calls()
        node = driver.ex_get_node(name="legacy-db")
        assert bare_lab.calls().by_method == {"RetrievePropertiesEx": 2}
        whole = driver.list_nodes()
        assert node.extra == next(listed for listed in whole if listed.name == "legacy-db").extra
        bare_lab.reset_calls()
        assert driver.ex_get_node(name="legacy-db").extra == node.extra
        assert bare_lab.calls().by_method == {"WaitForUpdatesEx": 1}
        direct.wait(direct.vm(node.extra["moid"]).Rename_Task("renamed"))
        try:
            assert driver.ex_get_node(name="renamed").id == node.id
            with pytest.raises(NotFoundError):
                driver.ex_get_node(name="legacy-db")
        finally:
            direct.wait(direct.vm(node.extra["moid"]).Rename_Task("legacy-db"))


def test_a_node_found_by_id_needs_no_hint(driver: VsphereCloneNodeDriver) -> None:
    node = create(driver, "by-id", ex_power_on=False)
    assert driver.ex_get_node(node.id).name == "by-id"
    assert driver.destroy_node(as_node(driver, node.id)) is True
    assert driver.list_nodes(ex_group="libcloud") == []


def test_a_stale_hint_is_only_a_hint(driver: VsphereCloneNodeDriver) -> None:
    one, two = create(driver, "one", ex_power_on=False), create(driver, "two", ex_power_on=False)
    one.extra["moid"] = two.extra["moid"]
    assert driver.destroy_node(one) is True
    assert [node.name for node in driver.list_nodes(ex_group="libcloud")] == ["two"]


NAMES = [
    "Bücher 東京", " spaced  out ", "x" * 80, "ünï" * 26, "o'clock & <co>", '$(id) `id` "q"', "a.b_c-d",
    "50%", "a/b", "a\\b", "%2f", "a%2fb/c%25",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_unusual_names_are_created_listed_found_and_destroyed(driver: VsphereCloneNodeDriver, name: str) -> None:
    node = create(driver, name, ex_group="ünusual & spaced", ex_power_on=False)
    assert node.name == name
    assert [listed.name for listed in driver.list_nodes(ex_group="ünusual & spaced")] == [name]
    assert driver.ex_get_node(name=name).id == node.id
    with pytest.raises(NameInUseError):
        create(driver, name, ex_group="ünusual & spaced", ex_power_on=False)
    assert driver.destroy_node(node) is True
    assert driver.list_nodes(ex_group="ünusual & spaced") == []


@pytest.mark.parametrize("group", ["50%", "a/b", "a\\b", "%2f"])
def test_groups_with_escapes_in_their_names(driver: VsphereCloneNodeDriver, group: str) -> None:
    node = create(driver, "in-it", ex_group=group, ex_power_on=False)
    assert node.extra["group"] == group
    assert [listed.id for listed in driver.list_nodes(ex_group=group)] == [node.id]
    assert create(driver, "in-it-too", ex_group=group, ex_power_on=False).extra["group"] == group
    assert [found.name for found in driver.ex_list_groups()].count(group) == 1


def test_every_path_exists_in_the_api() -> None:
    from libcloud_vsphere_clone.vcenter.properties import supported_paths

    for version in ("vim.version.version9", "vim.version.v8_0_3_0"):
        assert set(supported_paths("VirtualMachine", CONFIGLESS_PATHS, version)) == set(CONFIGLESS_PATHS)
        missing = set(NODE_PATHS) - set(supported_paths("VirtualMachine", NODE_PATHS, version))
        assert missing <= {"config.createDate"}


def create(driver: VsphereCloneNodeDriver, name: str, **kwargs: Any) -> Any:
    return driver.create_node(name, None, driver.ex_get_image_by_name("debian-12"), **kwargs)


def as_node(driver: VsphereCloneNodeDriver, node_id: str) -> Any:
    """What a script has that knows nothing but the id."""
    from libcloud.compute.base import Node

    return Node(node_id, "", NodeState.UNKNOWN, [], [], driver)
