"""Network adapters: an image's adapters and those wanted in, device changes out. (pure)

Source: VirtualEthernetCard, VirtualDeviceConfigSpec, DistributedVirtualSwitchPortConnection (vSphere Web Services API).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from pyVmomi import vim

from ..errors import InvalidRequestError
from ..model.nics import MOST_ADAPTERS, Nic, choose_mac
from ..model.tree import Tree
from ..option_names import option
from ..vcenter.rows import TYPE_KEY, Ref, Row
from ..vcenter.types import to_managed, vim_type
from .hardware import list_devices

_NEW_KEY = -101
"""Keys of devices that vCenter shall number are negative and unique within a spec."""


def list_adapters(image: Row) -> list[dict[str, Any]]:
    """The network adapters, in the order in which the guest sees them, known by properties that only adapters have."""
    return [device for device in list_devices(image, "") if "macAddress" in device or "addressType" in device]


def complete_nics(image: Row, nics: Sequence[Nic], *, taken_macs: set[str] | None = None) -> list[Nic]:
    """What is wanted of every adapter that the clone will have: those named, then those that stay as the image's are.

    :param taken_macs: given where the guest knows its adapters by their MAC addresses: those that have none get one
        here, none of these, and it is added. vCenter would choose them only when it makes the clone.
    :raises InvalidRequestError: an adapter that the image lacks has no network.
    """
    present = len(list_adapters(image))
    for index, nic in enumerate(nics):
        if nic.network is None and index >= present:
            raise InvalidRequestError(
                f"image {image['name']!r} has {present} network adapters, so adapter {index + 1} needs a network: "
                f"name it in {option('networks=')}"
            )
    every = [*nics, *(Nic() for _ in range(present - len(nics)))]
    return every if taken_macs is None else [_with_mac(nic, taken_macs) for nic in every]


def used_networks(tree: Tree, image: Row, networks: Sequence[Row | None]) -> list[Ref]:
    """The networks that the clone's adapters will be on, as far as they are visible.

    :param networks: one for each adapter; None keeps the image's.
    """
    kept = [_network_of(tree, adapter.get("backing", {})) for adapter in list_adapters(image)]
    wanted = [network.ref if network is not None else None for network in networks]
    return [ref for pair in zip_longest(wanted, kept) if (ref := pair[0] or pair[1]) is not None]


def build_adapter_changes(
    tree: Tree, image: Row, networks: Sequence[Row | None], macs: Sequence[str | None] = ()
) -> list[Any]:
    """Device changes that put the adapters on ``networks``, one each, and add adapters where there are too few.

    Adapters keep their type, and further ones stay as they are. MAC addresses that are not chosen are left to vCenter:
    an edited adapter that names none would keep its source's, and so would one whose address was set by hand.

    :param networks: None keeps the network of the image's adapter at this place.
    :param macs: likewise, the MAC address of each; None leaves it to vCenter.
    :raises InvalidRequestError: more networks than a VM can have adapters, or one that must be known is not visible.
    """
    if len(networks) > MOST_ADAPTERS:
        raise InvalidRequestError(
            f"{option('networks')} names {len(networks)} networks; a VM has at most {MOST_ADAPTERS} adapters"
        )
    adapters = list_adapters(image)
    changes = []
    for index, (adapter, network, mac) in enumerate(zip_longest(adapters, networks, macs)):
        if adapter is None and network is not None:
            like = adapters[0][TYPE_KEY] if adapters else "VirtualVmxnet3"
            fresh = {TYPE_KEY: like, "key": _NEW_KEY - index}
            changes.append(_change("add", _adapter(fresh, build_backing(tree, network), mac)))
        elif network is not None or mac is not None or adapter.get("addressType", "").lower() == "manual":
            backing = build_backing(tree, network if network is not None else _kept_network(tree, adapter))
            changes.append(_change("edit", _adapter(adapter, backing, mac)))
    return changes


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


def _with_mac(nic: Nic, taken: set[str]) -> Nic:
    mac = nic.mac_address or choose_mac(taken)
    taken.add(mac)
    return replace(nic, mac=mac)


def _kept_network(tree: Tree, adapter: dict[str, Any]) -> Row:
    ref = _network_of(tree, adapter.get("backing", {}))
    if ref is None or ref not in tree.rows:
        raise InvalidRequestError(
            f"the image's adapter with the MAC address {adapter.get('macAddress')} needs another one in the clone, and "
            f"its network is not visible; name a network for each adapter with {option('networks=')}"
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


def _adapter(like: dict[str, Any], backing: Any, mac: str | None) -> Any:
    adapter = vim_type(like[TYPE_KEY])()
    adapter.key = int(like["key"])
    if "controllerKey" in like:
        adapter.controllerKey, adapter.unitNumber = int(like["controllerKey"]), int(like["unitNumber"])
    adapter.backing = backing
    adapter.addressType, adapter.macAddress = ("manual", mac) if mac else ("generated", "")
    adapter.connectable = vim.vm.device.VirtualDevice.ConnectInfo(
        startConnected=True, allowGuestControl=True, connected=True
    )
    return adapter


def _change(operation: str, device: Any) -> Any:
    return vim.vm.device.VirtualDeviceSpec(operation=operation, device=device)
