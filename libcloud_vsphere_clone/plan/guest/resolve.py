"""A request and its image in, the ``GuestSetup`` out: each choice about one guest is made here and only here. (pure)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...model import marks
from ...model.host_keys import HostKeys
from ...model.host_name import build_host_name
from ...model.images import CloneSource
from ...model.login import WINDOWS_ADMINISTRATOR
from ...model.request import NodeRequest
from ...vcenter.rows import Row
from ..network import complete_nics
from .guest_customization import mechanism_of, sets_password
from .ignition import DEFAULT_LOGIN as CORE_USER
from .mechanism import check_carried, choose_mechanism
from .setup import GuestSetup, MechanismChoice, needs_macs

__all__ = ["default_login", "host_key_mark", "resolve_setup"]

DEFAULT_LOGINS = {"ignition": CORE_USER, "sysprep": WINDOWS_ADMINISTRATOR}
"""The user of a login when neither the caller nor the image names one; elsewhere it is root."""


def resolve_setup(request: NodeRequest, source: CloneSource, reserved_macs: set[str]) -> GuestSetup:
    """How the guest of one node shall be set up.

    :param reserved_macs: MAC addresses that other clones of the group will have; those of this one are added.
    :raises InvalidRequestError: the image's mechanism cannot express it.
    """
    options, image, stored_spec = request.options, source.image, source.stored_spec
    choice = choose_mechanism(image, options.customize, mechanism_of(stored_spec) if stored_spec is not None else None)
    named = needs_macs(choice.mechanism, options, options.nics)
    setup = GuestSetup(
        node_id=request.id,
        choice=choice,
        host_name=options.hostname or build_host_name(request.name, f"node-{request.id[:8]}"),
        options=options,
        login=request.login.named(default_login(image, choice)) if request.login is not None else None,
        nics=complete_nics(image, options.nics, taken_macs=reserved_macs if named else None),
        first_boot_script=request.first_boot_script,
        stored_spec=stored_spec,
        api_version=source.api_version,
    )
    is_lost = request.generated_password and not sets_password(setup)
    check_carried(str(image["name"]), setup, generated_password=is_lost)
    return replace(setup, host_key_config=_host_key_config(request.host_keys, setup))


def default_login(image: Row, choice: MechanismChoice) -> str | None:
    """The user of a login that names none: the image's own user, else the mechanism's; None leaves it to root."""
    return marks.read_mark(image, marks.LOGIN) or DEFAULT_LOGINS.get(choice.mechanism)


def host_key_mark(keys: HostKeys | None, setup: GuestSetup) -> str:
    """The mark that says which host keys the guest will have; empty where it makes its own."""
    return keys.mark if keys is not None and _takes_host_keys(setup) and not setup.options.userdata else ""


def _host_key_config(keys: HostKeys | None, setup: GuestSetup) -> Mapping[str, Any]:
    """Cloud-config on host keys, perhaps empty.

    Private keys go only to guests that remove them from guestinfo after the first boot: that is where nothing but
    ours is in the user data.
    """
    if keys is None or not _takes_host_keys(setup):
        return {}
    return keys.publish if setup.options.userdata else keys.install


def _takes_host_keys(setup: GuestSetup) -> bool:
    """Whether the mechanism has a place for host keys, and there is a login for which they matter."""
    return setup.mechanism == "cloud-init" and setup.login is not None
