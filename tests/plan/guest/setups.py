"""Setups of guests written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from libcloud_vsphere_clone.model.nics import Nic
from libcloud_vsphere_clone.model.options import NodeOptions
from libcloud_vsphere_clone.plan.guest.setup import GuestSetup, MechanismChoice

NODE_ID = "50000000-0000-4000-8000-0000000000ff"


def build_setup(mechanism: str, nics: Sequence[Nic] = (), name: str = "web-1", **settings: Any) -> GuestSetup:
    """A setup of this mechanism and these adapters.

    :param settings: fields of a GuestSetup and options of a node; a script is both.
    """
    own = {field.name for field in fields(GuestSetup)}
    options = {name: value for name, value in settings.items() if name not in own or name == "first_boot_script"}
    resolved = {name: value for name, value in settings.items() if name in own}
    choice = MechanismChoice(mechanism, "asked")
    return GuestSetup(NODE_ID, choice, name, NodeOptions(**options), nics=nics, **resolved)
