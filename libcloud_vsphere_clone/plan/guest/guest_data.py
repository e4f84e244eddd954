"""What a CloneSpec tells its guest, by the mechanism that the guest understands. (pure)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...model import marks
from ...model.login import WINDOWS_ADMINISTRATOR
from ...model.marks import SPEC_MECHANISMS
from ...vcenter.rows import Row
from ..nics import Nic
from .cloud_init import build_guestinfo, is_cleaned
from .customization import Customization
from .guest_customization import build_specification, sets_password
from .host_name import build_host_name
from .ignition import DEFAULT_LOGIN as CORE_USER
from .ignition import build_ignition
from .mechanism import Choice, check_carried

__all__ = ["GuestData", "build_guest_data", "default_login", "needs_macs"]


DEFAULT_LOGINS = {"ignition": CORE_USER, "sysprep": WINDOWS_ADMINISTRATOR}
"""Whom a login is for when neither the caller nor the image names anybody; elsewhere it is root."""


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


def needs_macs(choice: Choice, wanted: Customization) -> bool:
    """Whether the guest is told its adapters by their MAC addresses, so that they have to be known beforehand."""
    return choice.mechanism in ("cloud-init", "cloudinit-prep", "ignition") and wanted.has_network_wishes


def default_login(image: Row, choice: Choice) -> str | None:
    """Whom a login is for where nobody says: the image's own user, else the mechanism's; None leaves it to root."""
    return marks.read_mark(image, marks.LOGIN) or DEFAULT_LOGINS.get(choice.mechanism)


def build_guest_data(
    node_id: str,
    name: str,
    image: Row,
    choice: Choice,
    wanted: Customization,
    nics: Sequence[Nic],
    *,
    generated_password: bool = False,
    stored_spec: Any = None,
    api_version: str | None = None,
) -> GuestData:
    """What the guest of one node is told.

    :param name: the node's; makes the host name where none is wanted.
    :param nics: every adapter that the clone will have.
    :param stored_spec: the specification in vCenter that ``wanted.spec_name`` names.
    :param api_version: what this vCenter is spoken to in; None is not checked.
    :raises InvalidRequestError: the mechanism cannot tell it.
    """
    if wanted.login is not None:
        wanted = replace(wanted, login=wanted.login.named(default_login(image, choice)))
    is_lost = generated_password and not sets_password(choice.mechanism, wanted.login, api_version)
    check_carried(str(image["name"]), choice, wanted, generated_password=is_lost)
    host_name = wanted.host_name or build_host_name(name, f"node-{node_id[:8]}")
    told = nics if needs_macs(choice, wanted) else ()
    match choice.mechanism:
        case "cloud-init":
            guestinfo = build_guestinfo(instance_id=node_id, host_name=host_name, wanted=wanted, nics=told)
            return _from_guestinfo(guestinfo, ("guestinfo.userdata",) if is_cleaned(wanted) else ())
        case "ignition":
            guestinfo = build_ignition(host_name=host_name, wanted=wanted, nics=told)
            return _from_guestinfo(guestinfo, tuple(guestinfo))  # the guest deletes it once it has read it
        case mechanism if mechanism in SPEC_MECHANISMS:
            adapters = told if mechanism == "cloudinit-prep" else nics
            made = build_specification(
                mechanism, node_id, host_name, wanted, adapters, base=stored_spec, api_version=api_version
            )
            return GuestData(specification=made)
        case _:
            return GuestData()


def _from_guestinfo(guestinfo: dict[str, str], removed: tuple[str, ...]) -> GuestData:
    """:param removed: how the keys begin that the guest removes once it has read them."""
    keys = [key for key in guestinfo if key.endswith(".encoding")]
    fleeting = tuple(key for key in keys if removed and key.startswith(removed))
    return GuestData(guestinfo, kept_keys=tuple(key for key in keys if key not in fleeting), fleeting_keys=fleeting)
