"""Network adapters: an image's adapters and the networks wanted in, device changes out. (pure)

Source: VirtualEthernetCard, VirtualDeviceConfigSpec, DistributedVirtualSwitchPortConnection (vSphere Web Services API).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from ..errors import InvalidRequestError
from ..inventory.tree import Tree
from ..vcenter.rows import TYPE_KEY, Ref, Row
from ..vcenter.types import to_managed, vim_type
from .hardware import list_devices

MOST_ADAPTERS = 10
"""Adapters one VM can have (vSphere Configuration Maximums)."""

_NEW_KEY = -101
"""Keys of devices that vCenter shall number are negative and unique within a spec."""


def list_adapters(image: Row) -> list[dict[str, Any]]:
    """The network adapters, in the order in which the guest sees them; told by what only adapters have."""
    return [device for device in list_devices(image, "") if "macAddress" in device or "addressType" in device]


def adapter_networks(tree: Tree, image: Row) -> list[Ref]:
    """The networks that the adapters are on, as far as they are visible."""
    found = (_network_of(tree, adapter.get("backing", {})) for adapter in list_adapters(image))
    return [ref for ref in found if ref is not None]


def build_adapter_changes(tree: Tree, image: Row, networks: Sequence[Row]) -> list[Any]:
    """Device changes that put the first adapters on ``networks``, one each, and add adapters where there are too few.

    Adapters keep their type, and further ones stay as they are. MAC addresses are left to vCenter: an edited adapter
    that names none would keep its source's, and so would one whose address was set by hand.

    :raises InvalidRequestError: more networks than a VM can have adapters.
    """
    if len(networks) > MOST_ADAPTERS:
        raise InvalidRequestError(
            f"ex_networks names {len(networks)} networks; a VM has at most {MOST_ADAPTERS} adapters"
        )
    adapters = list_adapters(image)
    changes = []
    for index, network in enumerate(networks):
        backing = build_backing(tree, network)
        if index < len(adapters):
            changes.append(_change("edit", _adapter(adapters[index], backing)))
        else:
            like = adapters[0][TYPE_KEY] if adapters else "VirtualVmxnet3"
            changes.append(_change("add", _adapter({TYPE_KEY: like, "key": _NEW_KEY - index}, backing)))
    by_hand = [adapter for adapter in adapters[len(networks) :] if adapter.get("addressType", "").lower() == "manual"]
    return changes + [_change("edit", _adapter(a, build_backing(tree, _kept_network(tree, a)))) for a in by_hand]


def build_backing(tree: Tree, network: Row) -> Any:
    """What connects an adapter to a network of any kind.

    :raises InvalidRequestError: the switch of a distributed port group is not visible.
    """
    card = vim.vm.device.VirtualEthernetCard
    match network.ref.kind:
        case "DistributedVirtualPortgroup":
            switch = tree.rows.get(network.get("config.distributedVirtualSwitch", Ref("", "")))
            if switch is None or "uuid" not in switch:
                raise InvalidRequestError(
                    f"the switch of network {network['name']!r} is not visible; the user needs read access to it"
                )
            port = vim.dvs.PortConnection(portgroupKey=network["key"], switchUuid=switch["uuid"])
            return card.DistributedVirtualPortBackingInfo(port=port)
        case "OpaqueNetwork":
            summary = network["summary"]
            return card.OpaqueNetworkBackingInfo(
                opaqueNetworkId=summary["opaqueNetworkId"], opaqueNetworkType=summary["opaqueNetworkType"]
            )
        case _:
            return card.NetworkBackingInfo(deviceName=network["name"], network=to_managed(network.ref))


def _kept_network(tree: Tree, adapter: dict[str, Any]) -> Row:
    ref = _network_of(tree, adapter.get("backing", {}))
    if ref is None or ref not in tree.rows:
        raise InvalidRequestError(
            f"an adapter of the image has the MAC address {adapter.get('macAddress')} set by hand, and its network is "
            "not visible, so the clone cannot be given another; name a network for each adapter with ex_networks="
        )
    return tree.rows[ref]


def _network_of(tree: Tree, backing: dict[str, Any]) -> Ref | None:
    direct = backing.get("network")
    if isinstance(direct, Ref):
        return direct
    key = backing.get("port", {}).get("portgroupKey")
    opaque = backing.get("opaqueNetworkId")
    for ref, row in tree.rows.items():
        if key is not None and ref.kind == "DistributedVirtualPortgroup" and row.get("key") == key:
            return ref
        if opaque is not None and ref.kind == "OpaqueNetwork" and row["summary"].get("opaqueNetworkId") == opaque:
            return ref
    return None


def _adapter(like: dict[str, Any], backing: Any) -> Any:
    adapter = vim_type(like[TYPE_KEY])()
    adapter.key = int(like["key"])
    if "controllerKey" in like:
        adapter.controllerKey, adapter.unitNumber = int(like["controllerKey"]), int(like["unitNumber"])
    adapter.backing = backing
    adapter.addressType, adapter.macAddress = "generated", ""
    adapter.connectable = vim.vm.device.VirtualDevice.ConnectInfo(
        startConnected=True, allowGuestControl=True, connected=True
    )
    return adapter


def _change(operation: str, device: Any) -> Any:
    return vim.vm.device.VirtualDeviceSpec(operation=operation, device=device)
