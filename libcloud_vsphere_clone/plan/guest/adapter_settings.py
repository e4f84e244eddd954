"""Adapters as vSphere's guest customization wants them: a clone's NICs in, CustomizationAdapterMappings out. (pure)

There is one for every adapter of the clone, in their order: vCenter refuses any other number (NicSettingMismatch).
Source: CustomizationAdapterMapping, CustomizationIPSettings, CustomizationGlobalIPSettings (vSphere Web Services API).
"""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from ...errors import InvalidRequestError
from ...model.nics import Nic
from ...option_names import option
from .setup import GuestSetup

__all__ = ["build_adapter_mappings", "build_global_settings", "copied"]


def build_global_settings(setup: GuestSetup) -> Any:
    """What is not of one adapter: Linux knows its DNS servers from here only, Windows its search list.

    Those of a stored specification hold where nothing is wanted.
    """
    base = getattr(setup.stored_spec, "globalIPSettings", None)
    servers = [*map(str, setup.options.dns), *(str(server) for nic in setup.nics for server in nic.name_servers)]
    return vim.vm.customization.GlobalIPSettings(
        dnsServerList=list(dict.fromkeys(servers)) or list(getattr(base, "dnsServerList", None) or []),
        dnsSuffixList=list(setup.options.dns_search) or list(getattr(base, "dnsSuffixList", None) or []),
    )


def build_adapter_mappings(setup: GuestSetup) -> list[Any]:
    """A mapping for each adapter; of a stored specification those of the adapters of which nothing is wanted.

    :raises InvalidRequestError: an adapter needs what a specification cannot express.
    """
    base = getattr(setup.stored_spec, "nicSettingMap", None) or []
    known = [*base, *(None for _ in range(len(setup.nics) - len(base)))]
    return [
        vim.vm.customization.AdapterMapping(adapter=_build_settings(index, nic, setup, known[index]))
        for index, nic in enumerate(setup.nics)
    ]


def copied(thing: Any) -> Any:
    """A data object of its own with the same values."""
    return type(thing)(**{known.name: getattr(thing, known.name) for known in thing._GetPropertyList()})


def _build_settings(index: int, nic: Nic, setup: GuestSetup, base: Any) -> Any:
    if nic.routes:
        raise InvalidRequestError("vSphere's guest customization knows no routes; leave routes= out, or use cloud-init")
    settings = _build_addresses(nic) if nic.addresses or base is None else _kept_addresses(index, base.adapter)
    # Linux ignores these; Windows has them at each adapter.
    settings.dnsServerList = setup.dns_servers(nic) or settings.dnsServerList
    settings.dnsDomain = setup.options.domain or settings.dnsDomain
    return settings


def _build_addresses(nic: Nic) -> Any:
    settings = vim.vm.customization.IPSettings(ip=_build_generator(nic))
    for interface in (interface for interface in nic.addresses if interface.version == 4):
        settings.subnetMask = str(interface.netmask)
    settings.gateway = [str(gateway) for gateway in nic.gateways if gateway.version == 4]
    settings.ipV6Spec = _build_ipv6(nic)
    return settings


def _kept_addresses(index: int, stored: Any) -> Any:
    _check_known(index, stored.ip)
    return copied(stored)


def _build_generator(nic: Nic) -> Any:
    """How the adapter gets its IPv4 address; vSphere wants one named, so an adapter without asks DHCP."""
    found = [interface for interface in nic.addresses if interface.version == 4]
    match found:
        case []:
            return vim.vm.customization.DhcpIpGenerator()
        case [interface]:
            return vim.vm.customization.FixedIp(ipAddress=str(interface.ip))
        case several:
            raise InvalidRequestError(
                f"vSphere's guest customization sets one IPv4 address of an adapter, here are {len(several)}: "
                f"{', '.join(map(str, several))}; use cloud-init, or an adapter for each"
            )


def _build_ipv6(nic: Nic) -> Any:
    found = [interface for interface in nic.addresses if interface.version == 6]
    if not found:
        return None
    fixed = vim.vm.customization.FixedIpV6
    return vim.vm.customization.IPSettings.IpV6AddressSpec(
        ip=[fixed(ipAddress=str(one.ip), subnetMask=one.network.prefixlen) for one in found],
        gateway=[str(gateway) for gateway in nic.gateways if gateway.version == 6],
    )


def _check_known(index: int, generator: Any) -> None:
    asking = (vim.vm.customization.UnknownIpGenerator, vim.vm.customization.CustomIpGenerator)
    if isinstance(generator, asking):
        raise InvalidRequestError(
            f"the customization specification leaves the address of adapter {index + 1} to whoever uses it: give it "
            f"with {option('networks=[Nic(address=...)]')}"
        )
