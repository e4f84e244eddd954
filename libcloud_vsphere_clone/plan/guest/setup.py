"""``GuestSetup``: how one guest shall be set up, resolved once and handed to each mechanism. (pure)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyVmomi import VmomiSupport

from ...model.login import Login
from ...model.nics import Nic
from ...model.options import NodeOptions

__all__ = ["GuestSetup", "MechanismChoice"]


@dataclass(frozen=True)
class MechanismChoice:
    """A mechanism, and why it was chosen."""

    mechanism: str
    reason: str


@dataclass(frozen=True)
class GuestSetup:
    """How one guest shall be set up: the caller's options, and all that they leave open decided.

    :param node_id: the node's instanceUuid; by it cloud-init knows that this is a first boot.
    :param host_name: the option ``hostname``, or made of the node's name.
    :param login: with a user name; None adds no login to those of the image.
    :param nics: every adapter of the clone, each with its MAC address where ``needs_macs``.
    :param first_boot_script: the text for this node.
    :param host_key_config: further cloud-config, on host keys.
    :param stored_spec: the CustomizationSpec on which the rest is put; it stays as it is.
    :param api_version: what this vCenter is spoken to in; None is not checked.
    """

    node_id: str
    choice: MechanismChoice
    host_name: str
    options: NodeOptions = field(default_factory=NodeOptions)
    login: Login | None = None
    nics: Sequence[Nic] = ()
    first_boot_script: str | None = field(default=None, repr=False)
    host_key_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    stored_spec: Any = field(default=None, repr=False)
    api_version: str | None = None

    @property
    def mechanism(self) -> str:
        """One of ``MECHANISMS``."""
        return self.choice.mechanism

    @property
    def full_name(self) -> str:
        """The host name with its domain, if it is in one."""
        return f"{self.host_name}.{self.options.domain}" if self.options.domain else self.host_name

    @property
    def named_nics(self) -> Sequence[Nic]:
        """The adapters for guests that know them by MAC address: all, or none where DHCP on each will do."""
        return self.nics if needs_macs(self.mechanism, self.options, self.nics) else ()

    def dns_servers(self, nic: Nic) -> list[str]:
        """The DNS servers of an adapter: its own, then those for all."""
        return list(dict.fromkeys([*map(str, nic.name_servers), *map(str, self.options.dns)]))

    def knows(self, version: str) -> bool:
        """Whether vCenter's API has what this version of it brought; an unknown one has."""
        return self.api_version is None or VmomiSupport.IsChildVersion(self.api_version, version)


def needs_macs(mechanism: str, options: NodeOptions, nics: Sequence[Nic]) -> bool:
    """Whether the guest's data names adapters by their MAC addresses, so that these have to be known beforehand."""
    by_mac = mechanism in ("cloud-init", "cloudinit-prep", "ignition")
    return by_mac and bool(options.dns or options.dns_search or not all(nic.is_plain for nic in nics))
