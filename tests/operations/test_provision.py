"""Nodes made through a real vCenter's API: all that was asked for is there, and what cannot be is refused unsent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import InvalidRequestError, NoPlacementError, NotFoundError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model import marks
from tests.direct import Create, Direct, writes

NO_SUCH_UUID = "50000000-0000-4000-8000-000000000999"


def test_every_parameter_ends_up_in_vcenter(driver: VsphereCloneNodeDriver, create: Create, direct: Direct) -> None:
    template = direct.find("vm/jclouds-images/debian-12")
    nowhere = next(place for place in driver.list_locations() if place.name == "cluster-nodrs")
    node = create(
        "all-of-it",
        size=driver.list_sizes()[5],
        location=nowhere,
        ex_disk_gib=20,
        ex_datastore="shared-2",
        ex_resource_pool="tenants",
        ex_networks=["dvpg-web", "VM Network", "dvpg-web"],
        ex_metadata={"tier": "wéb", "n": [1, None]},
        ex_annotation="made by a test",
        ex_power_on=True,
    )
    vm = direct.vm(node.extra["moid"])
    assert direct.read(vm, "config.instanceUuid") == node.id
    assert direct.read(vm, "config.hardware.numCPU") == 4
    assert direct.read(vm, "config.hardware.memoryMB") == 8192
    assert direct.read(vm, "config.annotation") == "made by a test"
    assert direct.read(vm, "runtime.powerState") == "poweredOn"
    assert direct.read(direct.read(vm, "resourcePool"), "name") == "tenants"
    assert [direct.read(store, "name") for store in direct.read(vm, "datastore")] == ["shared-2"]
    host = direct.read(vm, "runtime.host")
    assert direct.read(direct.read(host, "parent"), "name") == "cluster-nodrs"
    [disk] = direct.devices(vm, vim.vm.device.VirtualDisk)
    assert disk.capacityInKB == 20 * 1024**2
    assert disk.backing.fileName.startswith("[shared-2]")
    options = direct.extra_config(vm)
    assert (options[marks.ID], options[marks.GROUP]) == (node.id, "made")
    assert options[marks.IMAGE] == direct.read(template, "config.instanceUuid")
    assert options[marks.SIZE] == driver.list_sizes()[5].id
    assert json.loads(options[marks.METADATA]) == {"tier": "wéb", "n": [1, None]}
    assert node.extra["metadata"] == {"tier": "wéb", "n": [1, None]}
    assert marks.GUEST not in options


def test_a_placement_is_found_where_a_node_is_then_made(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create
) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    nowhere = next(place for place in driver.list_locations() if place.name == "cluster-nodrs")
    words: Any = {"ex_datastore": "shared-2", "ex_resource_pool": "tenants", "ex_disk_gib": 20}
    bare_lab.reset_calls()
    found = driver.ex_find_placement(driver.list_sizes()[5], image, nowhere, **words)
    assert bare_lab.calls().by_method == {"RetrievePropertiesEx": 1}
    assert (found.location, found.datastore, found.resource_pool) == ("cluster-nodrs", "shared-2", "tenants")
    node = create("placed", driver.list_sizes()[5], location=nowhere, **words)
    assert (node.extra["host"], node.extra["datastores"]) == (found.host, [found.datastore])


def test_a_placement_says_what_cannot_take_the_node(driver: VsphereCloneNodeDriver) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    found = driver.ex_find_placement(None, image)
    assert (found.location, found.host) == ("cluster-drs", None)
    assert dict(found.rejected)["local-1"] == "no usable host of the location reaches it"
    with pytest.raises(NoPlacementError, match="local-1: no usable host"):
        driver.ex_find_placement(None, image, ex_datastore="local-1")
    misspelt: Any = {"ex_dikk_gib": 1}
    with pytest.raises(InvalidRequestError, match="ex_dikk_gib"):
        driver.ex_find_placement(None, image, **misspelt)


def test_adapters_move_are_added_and_have_addresses_of_their_own(create: Create, direct: Direct) -> None:
    card = vim.vm.device.VirtualEthernetCard
    [source] = direct.devices(direct.find("vm/jclouds-images/debian-12"), card)
    node = create("wired", ex_networks=["dvpg-web", "VM Network"])
    first, second = direct.devices(direct.vm(node.extra["moid"]), card)
    group = direct.find("network/dvpg-web")
    assert first.backing.port.portgroupKey == direct.read(group, "key")
    assert second.backing.network._moId == direct.find("network/VM Network")._moId
    assert first.key == source.key
    assert type(first) is type(second) is type(source)
    assert len({card.macAddress for card in (source, first, second)}) == 3
    [kept] = direct.devices(direct.vm(create("kept").extra["moid"]), card)
    assert kept.macAddress not in {source.macAddress, first.macAddress, second.macAddress}


def test_marks_and_guestinfo_of_the_source_do_not_pass_on(
    driver: VsphereCloneNodeDriver, create: Create, direct: Direct
) -> None:
    master = direct.clone(direct.find("vm/jclouds-images/debian-12"), direct.find("vm/jclouds-images"), "used-master")
    foreign = {"libcloud.lease": "7", "libcloud.metadata": '{"old": 1}', "guestinfo.secret": "old", "other.key": "kept"}
    options = [vim.option.OptionValue(key=key, value=value) for key, value in foreign.items()]
    try:
        direct.wait(master.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=options)))
        image = driver.ex_get_image_by_name("used-master")
        node = driver.create_node("fresh", None, image, ex_group="made", ex_power_on=False)
    finally:
        direct.destroy(master)
    found = direct.extra_config(direct.vm(node.extra["moid"]))
    assert not {"libcloud.lease", "libcloud.metadata", "guestinfo.secret"} & found.keys()
    assert found["other.key"] == "kept"
    assert node.extra["metadata"] == {}


def test_no_size_keeps_the_images_hardware(create: Create, direct: Direct) -> None:
    node = create("as-it-is")
    vm = direct.vm(node.extra["moid"])
    assert (node.size, node.extra["cpus"], node.extra["memory_mib"]) == (None, 2, 2048)
    [disk] = direct.devices(vm, vim.vm.device.VirtualDisk)
    assert disk.capacityInKB == 8 * 1024**2
    assert direct.read(vm, "runtime.powerState") == "poweredOff"
    assert "cloud-init" in direct.read(vm, "config.annotation")


def test_a_node_takes_about_one_write(bare_lab: Lab, create: Create) -> None:
    create("first")
    bare_lab.reset_calls()
    create("second", ex_power_on=True)
    calls = bare_lab.calls()
    assert writes(bare_lab) == {"CloneVM_Task": 1}
    assert calls.total <= 9


def test_without_drs_the_host_is_chosen(driver: VsphereCloneNodeDriver, create: Create) -> None:
    places = {place.name: place for place in driver.list_locations()}
    assert create("a", location=places["cluster-nodrs"]).extra["host"].startswith("esx-nodrs-")
    alone = create("b", location=places["esx-alone.lab"], ex_datastore="local-1")
    assert (alone.extra["host"], alone.extra["datastores"]) == ("esx-alone.lab", ["local-1"])


# Refused before anything is sent


@pytest.mark.parametrize(
    ("wish", "error", "known"),
    [
        ({"ex_disk_gib": 4}, InvalidRequestError, "cannot shrink"),
        ({"ex_datastore": "shared-9"}, NotFoundError, "shared-1, shared-2"),
        ({"ex_resource_pool": "tenant-z"}, NotFoundError, "tenant-a, tenants"),
        ({"ex_networks": ["dmz"]}, NotFoundError, "VM Network, dvpg-web"),
        ({"ex_networks": ["dvpg-web"] * 11}, InvalidRequestError, "at most 10"),
        ({"ex_datastore": "local-1"}, NoPlacementError, "no usable host"),
        ({"ex_disk_gib": 0}, InvalidRequestError, "ex_disk_gib"),
        ({"ex_cpus": -1}, InvalidRequestError, "ex_cpus"),
        ({"ex_memory_mib": 1023}, InvalidRequestError, "multiple of 4"),
        ({"ex_metadata": {"when": object()}}, InvalidRequestError, "JSON"),
        ({"ex_group": "jclouds-images"}, InvalidRequestError, "images folder"),
        ({"ex_group": "x" * 81}, InvalidRequestError, "81 characters"),
    ],
)
def test_a_wish_that_cannot_be_met_sends_nothing(
    bare_lab: Lab, create: Create, wish: dict[str, Any], error: type[Exception], known: str
) -> None:
    bare_lab.reset_calls()
    with pytest.raises(error, match=known):
        create("never", **wish)
    assert writes(bare_lab) == {}


def test_a_name_that_is_no_name_sends_nothing(bare_lab: Lab, create: Create) -> None:
    bare_lab.reset_calls()
    for name in ("", "x" * 81, "a\nb"):
        with pytest.raises(InvalidRequestError, match="node"):
            create(name)
    assert writes(bare_lab) == {}


def test_an_unknown_size_location_or_image_sends_nothing(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create
) -> None:
    size, place = driver.list_sizes()[0], driver.list_locations()[0]
    image = driver.list_images()[0]
    size.id, place.id, image.id = "m5.large", "domain-c999", NO_SUCH_UUID
    image.extra = {}
    bare_lab.reset_calls()
    with pytest.raises(NotFoundError, match="1cpu-1gib"):
        create("never", size=size)
    with pytest.raises(NotFoundError, match=r"cluster-drs, cluster-nodrs, esx-alone\.lab"):
        create("never", location=place)
    with pytest.raises(NotFoundError, match="no image"):
        driver.create_node("never", None, image)
    assert writes(bare_lab) == {}
