"""Which mechanism sets up a clone's guest, and why; and what each mechanism can carry. (pure)

The caller's choice counts before the image's mark, and that before what the guest's operating system suggests.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import InvalidRequestError
from ...model import marks
from ...model.marks import MECHANISMS
from ...model.vm import is_windows
from ...option_names import expression, option
from ...vcenter.rows import Row
from .setup import GuestSetup, MechanismChoice

__all__ = ["check_carried", "choose_mechanism"]


NO_TOOLS = "guestToolsNotInstalled"

_NETWORK = {"a static address", option("dns"), option("dns_search")}
_NAMES = {option("hostname"), option("domain"), option("timezone")}
_STEPS = {option("userdata"), option("first_boot_script")}
_SECRETS = {"a key", "a generated password"}

CARRIES: dict[str, set[str]] = {
    "cloud-init": {*_SECRETS, *_NAMES, *_STEPS, *_NETWORK, "routes"},
    "cloudinit-prep": {*_SECRETS, *_NAMES, *_STEPS, *_NETWORK, "routes"},
    "ignition": {*_SECRETS, *_NAMES, *_STEPS, *_NETWORK, "routes"},
    "linux-prep": {*_NAMES, *_NETWORK, option("first_boot_script"), option("customization_spec")},
    "sysprep": {*_NAMES, *_NETWORK, option("windows"), option("customization_spec")},
    "none": set(),
}
"""``{mechanism: wishes that it can carry into a guest}``, as ``_wishes`` names them. A password of the user whose
password a specification can set is another matter."""

_CLOUD_INIT = option("customize='cloud-init'")
_RUN_ONCE = option("windows=Windows(run_once=[...])")
_PASSWORD = expression("auth=NodeAuthPassword(...)")
HINTS = {
    "cloud-init": "",
    "cloudinit-prep": "",
    "ignition": "",
    "linux-prep": f"; guests with cloud-init take more: {_CLOUD_INIT}",
    "sysprep": f"; it sets the Administrator's password only; further steps go into {_RUN_ONCE}",
    "none": f"; log in with the image's own password as {_PASSWORD}, or use another image",
}


def choose_mechanism(image: Row, asked: str | None = None, spec_mechanism: str | None = None) -> MechanismChoice:
    """What sets up the guest of a clone of ``image``, which was read with ``IMAGE_PATHS``.

    :param asked: the caller's option ``customize``.
    :param spec_mechanism: what the specification stored in vCenter is for, if the caller named one.
    """
    if asked is not None:
        return MechanismChoice(asked, f"asked for with {option('customize')}")
    if spec_mechanism is not None:
        return MechanismChoice(spec_mechanism, "what the customization specification is for")
    mark = marks.read_mark(image, marks.GUEST)
    if mark in MECHANISMS:
        return MechanismChoice(str(mark), "the image's mark")
    return _suggested(image)


def check_carried(image_name: str, setup: GuestSetup, *, generated_password: bool) -> None:
    """Refuse what the mechanism cannot carry into the guest.

    :raises InvalidRequestError: something that is wanted cannot reach the guest.
    """
    choice = setup.choice
    asked = [wish for wish in _wishes(setup, generated_password) if wish not in CARRIES[choice.mechanism]]
    if not asked:
        return
    what = (
        f"image {image_name!r} has no cloud-init or other customization"
        if choice.mechanism == "none"
        else f"{choice.mechanism} customizes image {image_name!r}"
    )
    raise InvalidRequestError(
        f"{what} ({choice.reason}), so {' and '.join(asked)} cannot reach the guest{HINTS[choice.mechanism]}"
    )


def _wishes(setup: GuestSetup, generated_password: bool) -> Iterable[str]:
    """What a mechanism must be able to carry. A password that the caller chose may be the image's own."""
    options = setup.options
    given = {
        "a key": setup.login is not None and setup.login.public_keys,
        "a generated password": generated_password,
        option("hostname"): options.hostname,
        option("domain"): options.domain,
        option("timezone"): options.timezone,
        option("dns"): options.dns,
        option("dns_search"): options.dns_search,
        "a static address": any(nic.addresses or nic.name_servers for nic in setup.nics),
        "routes": any(nic.routes for nic in setup.nics),
        option("userdata"): options.userdata,
        option("first_boot_script"): setup.first_boot_script,
        option("windows"): options.windows,
        option("customization_spec"): options.customization_spec,
    }
    return [wish for wish, is_given in given.items() if is_given]


def _suggested(image: Row) -> MechanismChoice:
    """What suits the guest operating system that vCenter has on record."""
    guest_id = str(image.get("config.guestId") or "").lower()
    name = str(image.get("config.guestFullName") or "")
    if is_windows(image):
        if image.get("guest.toolsVersionStatus2") == NO_TOOLS:
            return MechanismChoice(
                "none", f"the guest is {name or 'Windows'} without VMware Tools, which sysprep needs"
            )
        return MechanismChoice("sysprep", f"the guest is {name or 'Windows'}")
    if guest_id.startswith(("coreos", "flatcar")) or any(word in name.lower() for word in ("coreos", "flatcar")):
        return MechanismChoice("ignition", f"the guest is {name or 'CoreOS'}")
    return MechanismChoice(
        "cloud-init", f"the guest is {name}, and nothing else is said" if name else "nothing else is said"
    )
