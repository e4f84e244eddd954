"""Rows turned into Libcloud's objects, and Libcloud's auth into logins."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword, NodeAuthSSHKey, NodeDriver, NodeImage, NodeSize
from libcloud.compute.drivers.dummy import DummyNodeDriver
from libcloud.compute.types import NodeState

from libcloud_vsphere_clone.driver.convert import (
    NODE_STATES,
    to_datastore,
    to_group,
    to_image,
    to_location,
    to_login,
    to_network,
    to_node,
    to_size,
    to_state,
)
from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.inventory.groups import Group
from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.model.layout import FolderNames, find_layout
from libcloud_vsphere_clone.model.sizes import Size
from libcloud_vsphere_clone.model.vm import Found
from libcloud_vsphere_clone.vcenter.rows import Ref, Row
from tests.by_hand import (
    ALONE,
    DRS,
    GROUP,
    IMAGE_UUID,
    LOCAL_1,
    NO_DRS,
    SHARED_1,
    SHARED_2,
    VM_FOLDER,
    WEB,
    build_disk,
    build_image,
    build_tree,
    build_vm,
)

DRIVER: NodeDriver = DummyNodeDriver("0")
SIZES = [NodeSize("2cpu-4gib", "2 CPUs, 4 GiB", 4096, 0, 0, 0.0, DRIVER)]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBmQm3Ufo5pnTnrMoRLV2bxAiBcHwIBzQ3j8nzhKxkL8 someone@somewhere"


def node(values: dict[str, Any] | None = None, *, unreadable: set[str] | None = None) -> Node:
    tree = build_tree()
    row = build_vm("vm-9", "web-1", values=values)
    row.unreadable = frozenset(unreadable or ())
    return to_node(row, Found([row], tree, find_layout(tree, FolderNames())), DRIVER, SIZES)


def image(values: dict[str, Any] | None = None) -> NodeImage:
    tree = build_tree()
    row = build_image(values)
    return to_image(row, Found([row], tree, find_layout(tree, FolderNames())), DRIVER)


def nic(*addresses: str, key: str = "4000") -> dict[str, Any]:
    return {"macAddress": "00:50:56:00:00:01", "deviceConfigId": key, "ipAddress": [*addresses]}


def test_a_node_shows_what_it_is_and_where() -> None:
    made = node(
        {
            marks.mark_path(marks.ID): "uuid-of-vm-9",
            marks.mark_path(marks.IMAGE): IMAGE_UUID,
            marks.mark_path(marks.SIZE): "2cpu-4gib",
            marks.mark_path(marks.METADATA): '{"tier": "web"}',
            "datastore": [SHARED_2, SHARED_1],
            "config.hardware.numCPU": 2,
            "config.hardware.memoryMB": 4096,
            "config.createDate": "2026-01-02T03:04:05.678901Z",
            "guest.toolsRunningStatus": "guestToolsRunning",
        }
    )
    assert (made.id, made.name, made.state) == ("uuid-of-vm-9", "web-1", NodeState.RUNNING)
    assert made.size is SIZES[0]
    assert made.created_at == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    expected = {
        "group": "libcloud",
        "path": "libcloud/web-1",
        "image": IMAGE_UUID,
        "size": "2cpu-4gib",
        "metadata": {"tier": "web"},
        "managed": True,
        "tools": "guestToolsRunning",
        "cpus": 2,
        "memory_mib": 4096,
        "connection_state": "connected",
        "host": "host-1.lab",
        "cluster": "cluster-drs",
        "datastores": ["shared-1", "shared-2"],
        "moid": "vm-9",
    }
    assert {key: made.extra.get(key) for key in expected} == expected
    assert json.loads(json.dumps(made.extra)) == made.extra


def test_a_node_of_which_next_to_nothing_is_known() -> None:
    tree = build_tree()
    row = Row(Ref("VirtualMachine", "vm-9"))
    made = to_node(row, Found([row], tree, find_layout(tree, FolderNames())), DRIVER, SIZES)
    assert (made.id, made.name, made.state, made.size) == ("vm-9", "", NodeState.UNKNOWN, None)
    assert made.extra["managed"] is None
    assert made.created_at is None
    json.dumps(made.extra)


def test_a_size_that_is_no_longer_there_is_remembered_by_its_id() -> None:
    made = node({marks.mark_path(marks.SIZE): "gone"})
    assert (made.size, made.extra["size"]) == (None, "gone")


def test_marks_that_cannot_be_read_are_unknown() -> None:
    made = node(unreadable={marks.mark_path(marks.ID)})
    assert (made.extra["managed"], made.state) == (None, NodeState.RUNNING)


def test_a_name_is_as_people_write_it_and_a_path_is_not() -> None:
    made = node({"name": "50%25 a%2fb"})
    assert (made.name, made.extra["path"]) == ("50% a/b", "libcloud/50%25 a%2fb")


def test_a_node_directly_in_the_nodes_folder_has_no_group() -> None:
    assert node({"parent": VM_FOLDER}).extra["group"] is None


def test_addresses_are_public_or_private_by_scope_and_the_vms_own() -> None:
    made = node({"guest.net": [nic("10.0.0.5", "8.8.8.8"), nic("172.17.0.1", key="-1")]})
    assert (made.public_ips, made.private_ips) == (["8.8.8.8"], ["10.0.0.5"])
    assert node({"guest.net": None}).private_ips == []


@pytest.mark.parametrize(
    ("values", "state"),
    [
        *(({"runtime.powerState": power}, state) for power, state in NODE_STATES.items()),
        ({"runtime.powerState": "hibernated"}, NodeState.UNKNOWN),
        ({"runtime.powerState": None}, NodeState.UNKNOWN),
        ({"runtime.connectionState": "orphaned"}, NodeState.UNKNOWN),
        ({"runtime.connectionState": "inaccessible"}, NodeState.UNKNOWN),
        ({"runtime.connectionState": "disconnected"}, NodeState.UNKNOWN),
        ({"runtime.connectionState": None}, NodeState.RUNNING),
        ({"config.instanceUuid": None}, NodeState.UNKNOWN),
    ],
)
def test_power_and_connection_decide_a_nodes_state(values: dict[str, Any], state: NodeState) -> None:
    assert to_state(build_vm("vm-9", "web-1", values=values)) == state


def test_a_config_that_cannot_be_read_does_not_hide_the_state() -> None:
    row = build_vm("vm-9", "web-1", values={"config.instanceUuid": None})
    row.unreadable = frozenset({"config.instanceUuid"})
    assert to_state(row) == NodeState.RUNNING


@pytest.mark.parametrize("text", [None, "1970-01-01T00:00:00Z", "not a date", ""])
def test_no_creation_date_is_none(text: str | None) -> None:
    assert node({"config.createDate": text}).created_at is None


def test_an_image_shows_what_it_is_and_where() -> None:
    made = image(
        {
            "config.hardware.device": [build_disk(2001, 100), build_disk(2000, 8)],
            "config.guestFullName": "Debian",
            "config.version": "vmx-19",
            "config.annotation": "golden",
        }
    )
    assert (made.id, made.name) == (IMAGE_UUID, "debian-12")
    extra = made.extra
    assert (extra["path"], extra["kind"], extra["customization"]) == ("debian-12", "template", "cloud-init")
    assert (extra["cpus"], extra["memory_mib"], extra["disks_gib"]) == (2, 2048, [8.0, 100.0])
    assert (extra["guest_os"], extra["hardware_version"], extra["description"]) == ("Debian", "vmx-19", "golden")
    assert (extra["cluster"], extra["datastores"], extra["moid"]) == ("cluster-drs", ["shared-1"], "vm-1")
    assert json.loads(json.dumps(extra)) == extra


def test_a_master_is_no_template() -> None:
    assert image({"config.template": False, "runtime.powerState": "poweredOn"}).extra["kind"] == "vm"


def test_a_size_becomes_libclouds() -> None:
    made = to_size(Size("tiny", 1, 512, 10), DRIVER)
    assert (made.id, made.name, made.ram, made.disk, made.price) == ("tiny", "tiny", 512, 10, 0.0)
    assert made.extra == {"cpus": 1}


def test_clusters_and_hosts_become_locations() -> None:
    tree = build_tree()
    drs, no_drs, alone = (to_location(tree.rows[ref], tree, DRIVER) for ref in (DRS, NO_DRS, ALONE))
    assert (drs.id, drs.name, drs.country) == ("domain-c1", "cluster-drs", "")
    assert (drs.extra["kind"], alone.extra["kind"]) == ("cluster", "host")
    assert (drs.extra["drs"], no_drs.extra["drs"], alone.extra["drs"]) == (True, False, False)
    assert drs.extra["networks"] == ["VM Network", "dvpg-web"]
    assert alone.extra["datastores"] == ["local-1", "shared-1", "shared-2"]
    json.dumps(drs.extra)


def test_groups_networks_and_datastores_have_ids_and_paths() -> None:
    tree = build_tree(
        {LOCAL_1: {"parent": Ref("StoragePod", "group-p1")}}, Row(Ref("StoragePod", "group-p1"), {"name": "pod"})
    )
    group = to_group(Group(GROUP, "libcloud", "libcloud", 3))
    assert (group.id, group.name, group.extra) == ("group-v3", "libcloud", {"path": "libcloud", "node_count": 3})
    network = to_network(tree.rows[WEB], tree)
    assert (network.id, network.extra) == ("dvportgroup-1", {"path": "lab-dc/network/dvpg-web", "kind": "distributed"})
    store = to_datastore(tree.rows[LOCAL_1], tree)
    assert (store.name, store.extra["pod"], store.extra["maintenance"]) == ("local-1", "pod", "normal")
    json.dumps(store.extra)


def test_no_auth_is_no_login() -> None:
    assert to_login(None, "admin") is None


def test_a_key_and_a_password_are_for_root_unless_told() -> None:
    key = to_login(NodeAuthSSHKey(KEY), None)
    assert key is not None
    assert (key.named(None).username, key.public_keys, key.password) == ("root", (KEY,), None)
    password = to_login(NodeAuthPassword("s3cret"), "admin")
    assert password is not None
    assert (password.username, password.password) == ("admin", "s3cret")
    assert "s3cret" not in repr(password)


@pytest.mark.parametrize("auth", ["a string", 7, object()])
def test_any_other_auth_is_refused(auth: Any) -> None:
    with pytest.raises(InvalidRequestError, match="NodeAuthSSHKey"):
        to_login(auth, None)


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(InvalidRequestError):
        to_login(NodeAuthSSHKey("not a key"), None)
