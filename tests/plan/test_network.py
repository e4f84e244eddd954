"""Network adapters of a clone."""

from __future__ import annotations

from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model.nics import MOST_ADAPTERS, Nic
from libcloud_vsphere_clone.plan.network import build_adapter_changes, complete_nics, list_adapters, used_networks
from libcloud_vsphere_clone.vcenter.rows import TYPE_KEY, Ref, Row
from tests.by_hand import NETWORK_FOLDER, SWITCH, VM_NETWORK, WEB, build_adapter, build_disk, build_image, build_tree

Card = vim.vm.device.VirtualEthernetCard
DEVICES = "config.hardware.device"
NSX = Row(
    Ref("OpaqueNetwork", "network-o1"),
    {
        "name": "nsx",
        "parent": NETWORK_FOLDER,
        "summary": {"opaqueNetworkId": "o-1", "opaqueNetworkType": "nsx.LogicalSwitch"},
    },
)
TREE = build_tree(None, NSX)
ON_WEB = {
    TYPE_KEY: "VirtualEthernetCardDistributedVirtualPortBackingInfo",
    "port": {"switchUuid": "50 11 22 33", "portgroupKey": "dvportgroup-1", "portKey": "7"},
}
ON_NSX = {TYPE_KEY: "VirtualEthernetCardOpaqueNetworkBackingInfo", "opaqueNetworkId": "o-1"}


def changes(networks: list[Ref], *adapters: dict[str, Any]) -> Any:
    image = build_image({DEVICES: [build_disk(), *adapters]})
    return build_adapter_changes(TREE, image, [TREE.rows[ref] for ref in networks])


def test_no_wish_leaves_the_adapters_to_vcenter() -> None:
    assert changes([], build_adapter()) == []


def test_an_adapter_moves_and_keeps_its_type_and_place() -> None:
    [change] = changes([VM_NETWORK], build_adapter(4000, "VirtualE1000e"))
    assert change.operation == "edit"
    card = change.device
    assert isinstance(card, vim.vm.device.VirtualE1000e)
    assert (card.key, card.controllerKey, card.unitNumber) == (4000, 100, 7)
    assert (card.addressType, card.macAddress) == ("generated", "")
    connectable: Any = card.connectable
    assert connectable.startConnected is True


def test_missing_adapters_are_added_like_the_first() -> None:
    edit, one, two = changes([VM_NETWORK, WEB, WEB], build_adapter(4000, "VirtualE1000"))
    assert [change.operation for change in (edit, one, two)] == ["edit", "add", "add"]
    assert all(isinstance(change.device, vim.vm.device.VirtualE1000) for change in (one, two))
    assert one.device.key != two.device.key
    assert max(one.device.key, two.device.key) < 0
    assert one.device.controllerKey is None


def test_an_image_without_adapters_gets_vmxnet3() -> None:
    [change] = changes([VM_NETWORK])
    assert change.operation == "add"
    assert isinstance(change.device, vim.vm.device.VirtualVmxnet3)


def test_further_adapters_stay_as_they_are() -> None:
    [change] = changes([WEB], build_adapter(4000), build_adapter(4001))
    assert change.device.key == 4000


def test_a_further_adapter_with_an_address_set_by_hand_gets_one_of_its_own() -> None:
    first, second = changes([VM_NETWORK], build_adapter(4000), build_adapter(4001, backing=ON_WEB, mac="manual"))
    assert (second.operation, second.device.key) == ("edit", 4001)
    assert (second.device.addressType, second.device.macAddress) == ("generated", "")
    assert second.device.backing.port.portgroupKey == "dvportgroup-1"
    assert second.device.backing.port.portKey is None
    assert first.device.key == 4000
    [only] = changes([], build_adapter(mac="Manual"))
    assert only.device.backing.network._moId == VM_NETWORK.moid


def test_an_address_set_by_hand_on_a_network_out_of_sight_is_refused() -> None:
    hidden = {"port": {"portgroupKey": "dvportgroup-404"}}
    with pytest.raises(InvalidRequestError, match="ex_networks"):
        changes([], build_adapter(backing=hidden, mac="manual"))


def test_a_standard_network_by_name_and_reference() -> None:
    backing = changes([VM_NETWORK], build_adapter())[0].device.backing
    assert isinstance(backing, Card.NetworkBackingInfo)
    network: Any = backing.network
    assert (backing.deviceName, network._moId) == ("VM Network", "network-1")


def test_a_distributed_port_group_by_keys() -> None:
    backing = changes([WEB], build_adapter())[0].device.backing
    assert isinstance(backing, Card.DistributedVirtualPortBackingInfo)
    assert (backing.port.portgroupKey, backing.port.switchUuid) == ("dvportgroup-1", "50 11 22 33")
    assert backing.port.portKey is None


def test_an_opaque_network_by_its_own_id() -> None:
    backing = changes([NSX.ref], build_adapter())[0].device.backing
    assert isinstance(backing, Card.OpaqueNetworkBackingInfo)
    assert (backing.opaqueNetworkId, backing.opaqueNetworkType) == ("o-1", "nsx.LogicalSwitch")


def test_a_switch_out_of_sight_is_said() -> None:
    tree = build_tree({SWITCH: {"uuid": None}})
    with pytest.raises(InvalidRequestError, match="dvpg-web"):
        build_adapter_changes(tree, build_image(), [tree.rows[WEB]])


def test_more_networks_than_adapters_can_be() -> None:
    assert len(changes([WEB] * MOST_ADAPTERS)) == MOST_ADAPTERS
    with pytest.raises(InvalidRequestError, match="at most 10"):
        changes([WEB] * (MOST_ADAPTERS + 1))


@pytest.mark.parametrize(
    ("backing", "network"), [(None, VM_NETWORK), (ON_WEB, WEB), (ON_NSX, NSX.ref), ({"deviceName": "gone"}, None)]
)
def test_the_network_that_an_adapter_is_on(backing: dict[str, Any] | None, network: Ref | None) -> None:
    image = build_image({DEVICES: [build_adapter(backing=backing)]})
    assert used_networks(TREE, image, []) == ([network] if network else [])


def test_adapters_of_a_type_that_nobody_knows_are_adapters() -> None:
    image = build_image({DEVICES: [build_disk(), build_adapter(4001, "VirtualHyperNet"), build_adapter(4000)]})
    assert [adapter["key"] for adapter in list_adapters(image)] == ["4000", "4001"]


# What the whole clone will have


def test_every_adapter_of_the_clone_is_there() -> None:
    image = build_image({DEVICES: [build_adapter(4000), build_adapter(4001)]})
    assert complete_nics(image, [Nic("a")]) == [Nic("a"), Nic()]
    assert complete_nics(image, [Nic("a"), Nic(), Nic("c")]) == [Nic("a"), Nic(), Nic("c")]
    with pytest.raises(InvalidRequestError, match="has 2 network adapters, so adapter 3 needs a network"):
        complete_nics(image, [Nic("a"), Nic(), Nic()])


def test_mac_addresses_are_chosen_where_the_guest_must_know_them() -> None:
    image = build_image({DEVICES: [build_adapter(4000), build_adapter(4001)]})
    taken: set[str] = set()
    first, second = complete_nics(image, [Nic("a", mac="00:50:56:00:00:09")], taken_macs=taken)
    assert first.mac_address == "00:50:56:00:00:09"
    assert taken == {"00:50:56:00:00:09", second.mac_address}


def test_a_chosen_mac_address_stays_on_the_images_network() -> None:
    image = build_image({DEVICES: [build_adapter(4000), build_adapter(4001, backing=ON_WEB)]})
    mac = "00:50:56:00:00:09"
    [change] = build_adapter_changes(TREE, image, [None, None], [None, mac])
    card: Any = change.device
    assert (card.key, card.addressType, card.macAddress) == (4001, "manual", mac)
    assert card.backing.port.portgroupKey == "dvportgroup-1"
    added = build_adapter_changes(TREE, image, [None, None, TREE.rows[WEB]], [None, None, mac])[0].device
    assert (added.addressType, added.macAddress) == ("manual", mac)


def test_networks_that_the_clone_will_be_on() -> None:
    image = build_image({DEVICES: [build_adapter(4000), build_adapter(4001, backing=ON_WEB)]})
    assert used_networks(TREE, image, [None, TREE.rows[VM_NETWORK], TREE.rows[NSX.ref]]) == [
        VM_NETWORK,
        VM_NETWORK,
        NSX.ref,
    ]
    hidden = build_image({DEVICES: [build_adapter(4000, backing={"deviceName": "gone"}), build_adapter(4001)]})
    assert used_networks(TREE, hidden, [TREE.rows[WEB]]) == [WEB, VM_NETWORK]
