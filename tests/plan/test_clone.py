"""The one CloneSpec of a node."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from pyVmomi import SoapAdapter, vim

from libcloud_vsphere_clone.errors import InvalidRequestError, NoPlacementError, NotFoundError
from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.model.hardware import Hardware
from libcloud_vsphere_clone.model.login import Login
from libcloud_vsphere_clone.model.options import NodeOptions
from libcloud_vsphere_clone.model.request import NodeRequest
from libcloud_vsphere_clone.plan.clone import (
    ClonePlan,
    build_clone_plan,
    build_clone_plans,
    build_extra_config,
    to_stored_name,
)
from libcloud_vsphere_clone.vcenter.rows import Ref
from tests.by_hand import (
    ALONE,
    DRS,
    GIB,
    HOST_1,
    HOST_2,
    IMAGE_UUID,
    LOCAL_1,
    SHARED_1,
    SHARED_2,
    VM_NETWORK,
    WEB,
    build_disk,
    build_image,
    build_source,
    build_tree,
)

NEW_UUID = "50000000-0000-4000-8000-0000000000ff"
STATIC = {marks.mark_path(marks.GUEST): "none"}
SECRET = "correct horse battery staple"


def plan(image: dict[str, Any] | None = None, changes: Any = None, **wishes: Any) -> ClonePlan:
    source = build_source(build_image(image), build_tree(changes), wishes.pop("api_version", None))
    return build_clone_plan(build_request(**wishes), source)


def build_request(**wishes: Any) -> NodeRequest:
    """:param wishes: fields of a request and options of a node."""
    options = {field.name: wishes.pop(field.name) for field in fields(NodeOptions) if field.name in wishes}
    script = options.get("first_boot_script")
    known = {"id": NEW_UUID, "name": "web-1", "first_boot_script": script, "options": NodeOptions(**options)}
    return NodeRequest(**{**known, **wishes})


def extra_config(made: ClonePlan) -> dict[str, str]:
    return {option.key: option.value for option in made.spec.config.extraConfig}


def test_a_bare_wish() -> None:
    made = plan()
    spec = made.spec
    assert (spec.powerOn, spec.template) == (True, False)
    assert spec.config.instanceUuid == NEW_UUID
    assert (spec.config.numCPUs, spec.config.memoryMB, spec.config.annotation) == (None, None, None)
    assert list(spec.config.deviceChange) == []
    assert (spec.customization, spec.config.vAppConfigRemoved) == (None, None)
    assert (spec.location.datastore._moId, spec.location.host) == (SHARED_1.moid, None)
    assert made.template.moid == "vm-1"


def test_marks_name_what_it_is_and_where_from() -> None:
    options = extra_config(plan(size_id="2cpu-4gib", metadata={"tier": "wéb"}))
    assert options[marks.ID] == NEW_UUID
    assert options[marks.GROUP] == "libcloud"
    assert options[marks.IMAGE] == IMAGE_UUID
    assert options[marks.SIZE] == "2cpu-4gib"
    assert json.loads(options[marks.METADATA]) == {"tier": "wéb"}
    assert options[marks.DISKS] == "2000"
    mechanism, _, reason = options[marks.CUSTOMIZATION].partition(": ")
    assert (mechanism, bool(reason)) == ("cloud-init", True)


def test_foreign_marks_and_guestinfo_of_the_source_are_blanked() -> None:
    source = ["libcloud.id", "libcloud.guest", "libcloud.lease", "guestinfo.userdata", "guestinfo.secret", "svga.vram"]
    options = extra_config(plan({"config.extraConfig": [{"key": key, "value": "x"} for key in source]}))
    assert options["libcloud.lease"] == options["libcloud.guest"] == options["guestinfo.secret"] == ""
    assert options["libcloud.id"] == NEW_UUID
    assert "svga.vram" not in options
    assert "x" not in options.values()


def test_every_option_stands_once() -> None:
    options = build_extra_config(["guestinfo.a", "libcloud.id"], {"libcloud.id": "1", "libcloud.size": ""})
    assert {o.key: o.value for o in options} == {"guestinfo.a": "", "libcloud.id": "1", "libcloud.size": ""}
    assert len(options) == 3


def test_hardware_disks_and_adapters_travel_in_it() -> None:
    spec = plan(hardware=Hardware(4, 4096, 20), networks=("dvpg-web", "VM Network"), power_on=False).spec
    assert (spec.config.numCPUs, spec.config.memoryMB, spec.powerOn) == (4, 4096, False)
    kinds = [(change.operation, type(change.device)) for change in spec.config.deviceChange]
    vmxnet3 = vim.vm.device.VirtualVmxnet3
    assert kinds == [("edit", vim.vm.device.VirtualDisk), ("edit", vmxnet3), ("add", vmxnet3)]


def test_the_spec_can_be_sent() -> None:
    spec = plan(hardware=Hardware(4, 4096, 20), networks=("dvpg-web",), annotation="é").spec
    assert "dvportgroup-1" in SoapAdapter.Serialize(spec, version="vim.version.v8_0_3_0").decode()


def test_disks_of_the_image_are_marked_all() -> None:
    two = plan({"config.hardware.device": [build_disk(2001), build_disk(2000)]})
    assert extra_config(two)[marks.DISKS] == "2000,2001"


def test_room_is_the_image_its_growth_and_a_swap_file() -> None:
    thick = {"config.hardware.device": [build_disk(thinProvisioned="false")], "summary.storage.committed": 8 * GIB}
    tight = {SHARED_1: {"summary.freeSpace": 24 * GIB}, SHARED_2: {"summary.freeSpace": 1 * GIB}}
    hardware = Hardware(memory_mib=4096, disk_gib=20)  # 8 GiB there, 12 more, 4 of swap
    assert plan(thick, tight, hardware=hardware).placement.datastore == SHARED_1
    with pytest.raises(NoPlacementError, match=r"24\.0 GiB"):
        plan(thick, {**tight, SHARED_1: {"summary.freeSpace": 24 * GIB - 1}}, hardware=hardware)


def test_hosts_need_the_networks_that_adapters_keep() -> None:
    only_web = {"network": [WEB]}
    with pytest.raises(NoPlacementError, match="VM Network"):
        plan(None, {HOST_1: only_web, HOST_2: only_web})
    assert plan(None, {HOST_1: only_web, HOST_2: only_web}, networks=("dvpg-web",)).placement.host is None


def test_an_uplink_is_no_network_to_ask_for() -> None:
    with pytest.raises(NotFoundError, match="VM Network, dvpg-web"):
        plan(networks=("dvs-1-uplinks",))


def test_a_network_by_id_or_path() -> None:
    for name in (VM_NETWORK.moid, "lab-dc/network/VM Network"):
        [change] = plan(networks=(name,)).spec.config.deviceChange
        assert change.device.backing.network._moId == VM_NETWORK.moid


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"name": ""}, "node needs a name"),
        ({"name": "x" * 81}, "81 characters"),
        ({"group": " "}, "group needs a name"),
        ({"metadata": {"when": object()}}, "ex_metadata"),
        ({"metadata": {("a", "b"): 1}}, "ex_metadata"),
        ({"metadata": {"half": "\ud800"}}, "ex_metadata"),
        ({"metadata": ["a"]}, "ex_metadata"),
        ({"annotation": "a\x00b"}, "ex_annotation"),
    ],
)
def test_a_request_that_cannot_be_right(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        plan(**wrong)


def test_names_are_escaped_on_their_way_only() -> None:
    made = plan(name="a/50%")
    assert to_stored_name(made) == "a%2f50%25"
    assert "'a/50%'" in made.action


def test_cloud_init_is_told_and_no_password_travels_in_clear() -> None:
    made = plan(login=Login("root", password=SECRET), userdata="#cloud-config\n{}")
    options = extra_config(made)
    assert {"guestinfo.metadata", "guestinfo.userdata"} <= options.keys()
    assert SECRET not in str(options)
    assert SECRET not in repr(made)


def test_no_password_is_in_the_request() -> None:
    for mechanism in ("cloud-init", "cloudinit-prep", "ignition", "none"):
        spec = plan(login=Login("root", password=SECRET), customize=mechanism).spec
        assert SECRET not in SoapAdapter.Serialize(spec, version="vim.version.v8_0_3_0").decode()


def test_a_vapp_configuration_would_win_over_guestinfo_and_is_removed() -> None:
    appliance = {"config.vAppConfig": {"product": [{"key": "0"}]}}
    assert plan(appliance).spec.config.vAppConfigRemoved is True
    assert plan(appliance, customize="ignition").spec.config.vAppConfigRemoved is True
    assert plan(appliance, customize="linux-prep").spec.config.vAppConfigRemoved is None
    assert plan(appliance, customize="none").spec.config.vAppConfigRemoved is None


def test_the_images_own_user_is_whom_a_login_is_for() -> None:
    key = ("ssh-ed25519 AAAA",)
    own = {marks.mark_path(marks.LOGIN): "debian"}
    for image, username, expected in ((own, None, "debian"), (own, "joe", "joe"), (None, None, "root")):
        made = plan(image, login=Login(username, key), customize="cloudinit-prep")
        found = "root" if '"disable_root"' in made.spec.customization.identity.userdata else expected
        assert found == expected
        assert expected == "root" or f'"name": "{expected}"' in made.spec.customization.identity.userdata


def test_several_nodes_have_mac_addresses_of_their_own() -> None:
    plans = plan_all(3, [], dns=["10.0.0.2"])
    macs = {change.device.macAddress for made in plans for change in made.spec.config.deviceChange}
    assert len(macs) == 3
    with pytest.raises(InvalidRequestError, match="2 nodes cannot share the host name web"):
        plan_all(2, [], hostname="web")


@pytest.mark.parametrize(
    ("wishes", "named"),
    [
        ({"login": Login("root", public_keys=("ssh-ed25519 AAAA",))}, "a key"),
        ({"login": Login("root", password="x"), "generated_password": True}, "a generated password"),
        ({"userdata": "#!/bin/sh"}, "ex_userdata"),
    ],
)
def test_an_image_without_cloud_init_refuses_what_it_cannot_use(wishes: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequestError, match=named):
        plan(STATIC, **wishes)


@pytest.mark.parametrize(
    ("mechanism", "username", "is_set"),
    [
        ("sysprep", None, True),
        ("sysprep", "Administrator", True),
        ("sysprep", "vagrant", False),
        ("linux-prep", None, True),
        ("linux-prep", "joe", False),
        ("cloud-init", "joe", True),
    ],
)
def test_a_generated_password_is_of_a_user_whose_password_can_be_set(
    mechanism: str, username: str | None, is_set: bool
) -> None:
    wishes: dict[str, Any] = {"customize": mechanism, "generated_password": True, "api_version": "vim.version.v9_1_0_0"}
    login = Login(username, password=SECRET)
    if is_set:
        assert plan(login=login, **wishes)
    else:
        with pytest.raises(InvalidRequestError, match="so a generated password cannot reach the guest"):
            plan(login=login, **wishes)


def test_an_image_without_cloud_init_is_told_nothing() -> None:
    options = extra_config(plan(STATIC, login=Login("root", password=SECRET)))
    assert not [key for key in options if key.startswith("guestinfo.")]


# Several of one group


def plan_all(count: int, locations: list[str], changes: Any = None, **wishes: Any) -> list[ClonePlan]:
    requests = [build_request(**{"id": f"id-{n}", "name": f"n-{n}", "group": "web", **wishes}) for n in range(count)]
    return build_clone_plans(requests, build_source(build_image(), build_tree(changes)), locations)


def clusters(plans: list[ClonePlan]) -> list[Ref]:
    return [made.placement.cluster for made in plans]


NEEDED = 3 * GIB  # the image takes 1, and its memory 2 of swap


def room(nodes: int) -> dict[str, int]:
    return {"summary.freeSpace": nodes * NEEDED}


def test_every_plan_is_its_own_nodes() -> None:
    plans = plan_all(3, [])
    assert [made.request.name for made in plans] == ["n-0", "n-1", "n-2"]
    assert [made.spec.config.instanceUuid for made in plans] == ["id-0", "id-1", "id-2"]
    assert clusters(plans) == [DRS] * 3


def test_locations_are_filled_in_turn() -> None:
    stores = {SHARED_1: room(2), SHARED_2: room(1), LOCAL_1: room(9)}
    assert clusters(plan_all(5, ["cluster-drs", "esx-alone.lab"], stores)) == [DRS] * 3 + [ALONE] * 2
    assert clusters(plan_all(5, ["esx-alone.lab", "cluster-drs"], stores)) == [ALONE] * 5


def test_a_location_that_is_full_from_the_start_is_passed_over() -> None:
    stores = {SHARED_1: room(0), SHARED_2: room(0), LOCAL_1: room(2)}
    assert clusters(plan_all(2, ["cluster-drs", "cluster-nodrs", "esx-alone.lab"], stores)) == [ALONE] * 2


def test_the_last_location_says_why_nothing_fits() -> None:
    stores = {SHARED_1: room(1), SHARED_2: room(0), LOCAL_1: room(1)}
    with pytest.raises(NoPlacementError, match="local-1"):
        plan_all(3, ["cluster-drs", "esx-alone.lab"], stores)


def test_no_locations_leave_it_to_the_request() -> None:
    assert clusters(plan_all(2, [], location="esx-alone.lab")) == [ALONE] * 2


def test_a_location_that_does_not_exist_is_no_full_one() -> None:
    with pytest.raises(NotFoundError, match="cluster-x"):
        plan_all(1, ["cluster-x", "esx-alone.lab"])
