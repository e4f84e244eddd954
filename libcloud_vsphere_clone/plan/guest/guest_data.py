"""What a CloneSpec holds for its guest, by the mechanism that the guest understands. (pure)"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...model.marks import SPEC_MECHANISMS
from .cloud_init import build_guestinfo, is_cleaned
from .guest_customization import build_specification
from .ignition import build_ignition
from .setup import GuestSetup

__all__ = ["GuestData", "build_guest_data"]


@dataclass(frozen=True)
class GuestData:
    """What goes into a CloneSpec for its guest, and how vCenter's taking it can be seen afterwards.

    :param guestinfo: ``{key: value}`` of extraConfig.
    :param specification: a CustomizationSpec; None without one.
    :param kept_keys: small guestinfo keys that must be there once the clone is made.
    :param fleeting_keys: likewise, but a guest that has booted may have removed them.
    """

    guestinfo: dict[str, str] = field(default_factory=dict, repr=False)
    specification: Any = field(default=None, repr=False)
    kept_keys: tuple[str, ...] = ()
    fleeting_keys: tuple[str, ...] = ()


def build_guest_data(setup: GuestSetup) -> GuestData:
    """What the guest's mechanism makes of its setup.

    :raises InvalidRequestError: the mechanism cannot express it.
    """
    match setup.mechanism:
        case "cloud-init":
            return _from_guestinfo(build_guestinfo(setup), ("guestinfo.userdata",) if is_cleaned(setup) else ())
        case "ignition":
            guestinfo = build_ignition(setup)
            return _from_guestinfo(guestinfo, tuple(guestinfo))  # the guest deletes it once it has read it
        case mechanism if mechanism in SPEC_MECHANISMS:
            return GuestData(specification=build_specification(setup))
        case _:
            return GuestData()


def _from_guestinfo(guestinfo: dict[str, str], removed: tuple[str, ...]) -> GuestData:
    """:param removed: how the keys begin that the guest removes once it has read them."""
    keys = [key for key in guestinfo if key.endswith(".encoding")]
    fleeting = tuple(key for key in keys if removed and key.startswith(removed))
    return GuestData(guestinfo, kept_keys=tuple(key for key in keys if key not in fleeting), fleeting_keys=fleeting)
