"""The ``libcloud.*`` extraConfig keys that the driver writes on what it creates, and what they prove. (pure)

vCenter copies extraConfig to clones and restores, so a mark alone proves nothing: a VM is managed only when its
``libcloud.id`` is its own instanceUuid. Source: VirtualMachineConfigInfo.extraConfig (vSphere Web Services API).
"""

from __future__ import annotations

import json
from typing import Any

from ..vcenter.rows import Row

ID = "libcloud.id"
GROUP = "libcloud.group"
IMAGE = "libcloud.image"
SIZE = "libcloud.size"
METADATA = "libcloud.metadata"
DISKS = "libcloud.disks"
"""Device keys of the disks that the clone brought, comma-separated: others are attached volumes."""
GUEST = "libcloud.guest"
"""On an image: what customizes its guest, one of ``MECHANISMS``; without it the guest's operating system decides."""
LOGIN = "libcloud.login"
"""On an image: its own user for logins."""
TRANSPORT = "libcloud.transport"
"""On an image: how to get into its guests, one of ``sessions.transports.TRANSPORTS``."""
CUSTOMIZATION = "libcloud.customization"
"""On a node: what its guest was customized with, and why with that: ``cloud-init: the image's mark``."""
ADDRESSES = "libcloud.addresses"
"""On a node: the static addresses that its guest was given, comma-separated."""
HOST_KEY = "libcloud.hostkey"
"""On a node: the fingerprints of its SSH host keys."""
PUBLISHED_HOST_KEYS = "guestinfo.libcloud.hostkeys"
"""The same, by the guest itself."""
CUSTOMIZED = "guestinfo.libcloud.customized"
"""How its customization went, by the guest itself: ``done``, ``error: ...``, anything else for not yet."""

OWN_PREFIX = "libcloud."
GUEST_PREFIX = "guestinfo."


def mark_path(key: str) -> str:
    """The property path that reads one mark in bulk, as a bare string."""
    return f'config.extraConfig["{key}"].value'


NODE_MARKS = tuple(mark_path(key) for key in (ID, IMAGE, SIZE, METADATA, CUSTOMIZATION))


def read_mark(row: Row, key: str) -> str | None:
    """The mark's text; None when it is not set."""
    value = row.get(mark_path(key))
    return str(value) if value else None


def read_customization(row: Row) -> tuple[str | None, str | None]:
    """What a node's guest was customized with, and why with that."""
    mechanism, _, reason = (read_mark(row, CUSTOMIZATION) or "").partition(": ")
    return mechanism or None, reason or None


def read_addresses(row: Row) -> list[str]:
    """The static addresses that a node's guest was given when it was made."""
    return [address for address in (read_mark(row, ADDRESSES) or "").split(",") if address]


def is_managed(row: Row) -> bool | None:
    """Whether this driver made the VM; None when the marks are unreadable for this user, or there is no ``config``."""
    if mark_path(ID) in row.unreadable or "config.instanceUuid" not in row:
        return None
    mark = read_mark(row, ID)
    return mark is not None and mark == row.get("config.instanceUuid")


def read_metadata(row: Row) -> dict[str, Any]:
    """The caller's metadata; empty when there is none, or what is there is no JSON object."""
    text = read_mark(row, METADATA)
    try:
        metadata = json.loads(text) if text else {}
    except ValueError:
        return {}
    return metadata if isinstance(metadata, dict) else {}


MECHANISMS = ("cloud-init", "cloudinit-prep", "linux-prep", "sysprep", "ignition", "none")
"""How a guest can be set up; an image's mark names one of them."""
SPEC_MECHANISMS = ("cloudinit-prep", "linux-prep", "sysprep")
"""vSphere's own guest customization: VMware Tools bring a CustomizationSpec into the guest."""
