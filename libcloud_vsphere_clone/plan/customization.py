"""What a node's guest shall be: its name, users, network and first steps, whatever mechanism tells it. (pure)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .cloud_init import Login
from .nics import Nic

__all__ = ["MECHANISMS", "Customization", "Windows"]

MECHANISMS = ("cloud-init", "cloudinit-prep", "linux-prep", "sysprep", "ignition", "none")
"""How a guest can be told; ``ex_customize`` and an image's mark name one of them."""


@dataclass(frozen=True)
class Windows:
    """What only Windows asks for, in sysprep's words.

    :param organization: whom the licence is for, with ``full_name``.
    :param workgroup: or ``domain`` with the user and the password that may join it.
    :param auto_logon_count: how often the administrator is logged on by itself; 0 for not.
    :param run_once: commands of the first log-on.
    :param time_zone: Microsoft's index of the time zone (CustomizationGuiUnattended.timeZone).
    """

    organization: str = "Organization"
    full_name: str = "Administrator"
    product_key: str | None = None
    workgroup: str | None = None
    domain: str | None = None
    domain_user: str | None = None
    domain_password: str | None = field(default=None, repr=False)
    auto_logon_count: int = 0
    run_once: Sequence[str] = ()
    time_zone: int | None = None


@dataclass(frozen=True)
class Customization:
    """One description for every mechanism.

    :param host_name: one label; without it the node's name makes one.
    :param time_zone: a name of the IANA time zone database.
    :param nics: one for each adapter that is named; empty keeps the image's, all with DHCP.
    :param first_boot_script: a script that the guest runs once, with the mechanism's own means.
    :param spec_name: a customization specification stored in vCenter, on which the rest is put.
    """

    host_name: str | None = None
    domain: str | None = None
    login: Login | None = None
    time_zone: str | None = None
    dns_servers: Sequence[str] = ()
    dns_search: Sequence[str] = ()
    nics: Sequence[Nic] = ()
    userdata: str | bytes | None = field(default=None, repr=False)
    first_boot_script: str | None = field(default=None, repr=False)
    windows: Windows | None = None
    spec_name: str | None = None
