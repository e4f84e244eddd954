"""Adapters with addresses, as cloud-init's network config version 2. (pure)

Takes what is wanted of every adapter, each with its MAC address; gives the mapping that goes into the metadata. The
guest finds its adapters by their MAC addresses and calls them eth0, eth1 and so on: without names of ours cloud-init's
writers for systemd-networkd and ifupdown would look for adapters called like the entries here.

Source: cloud-init documentation, "Networking config Version 2"; checked with cloud-init 22.4.2 and its writers for
netplan, systemd-networkd, NetworkManager, ifupdown and sysconfig.
"""

from __future__ import annotations

from typing import Any

from ...model.nics import Nic
from .setup import GuestSetup

__all__ = ["build_network_config"]


def build_network_config(setup: GuestSetup) -> dict[str, Any]:
    """The network config of a guest: ``{"version": 2, "ethernets": {name: adapter}}``.

    :param setup: each of its adapters has a MAC address. They are all in it: one left out would stay down.
    """
    names = [f"eth{index}" for index in range(len(setup.nics))]
    adapters = {name: _build_adapter(name, nic, setup) for name, nic in zip(names, setup.nics, strict=True)}
    return {"version": 2, "ethernets": adapters}


def _build_adapter(name: str, nic: Nic, setup: GuestSetup) -> dict[str, Any]:
    adapter: dict[str, Any] = {"match": {"macaddress": nic.mac_address}, "set-name": name}
    if nic.addresses:
        adapter |= {"dhcp4": False, "dhcp6": False, "addresses": [str(interface) for interface in nic.addresses]}
    else:
        adapter["dhcp4"] = True
    # Not as routes: cloud-init 22.4 makes ::/64 of ::/0, and netplan, which calls these old, still takes them.
    adapter |= {f"gateway{gateway.version}": str(gateway) for gateway in nic.gateways}
    if nic.routes:
        adapter["routes"] = [{"to": str(route.network), "via": str(route.gateway)} for route in nic.routes]
    # The servers for all stand at each: there is no other place that all writers read.
    servers = {"addresses": setup.dns_servers(nic), "search": list(setup.options.dns_search)}
    if any(servers.values()):
        adapter["nameservers"] = {key: values for key, values in servers.items() if values}
    return adapter
