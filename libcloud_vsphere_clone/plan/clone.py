"""The one CloneSpec that makes a node: a request and an image in, the spec out. (pure)

Hardware, marks, adapters and cloud-init data all travel in it, so a node is complete when its clone task ends.
Source: VirtualMachine.CloneVM_Task, VirtualMachineCloneSpec, VirtualMachineConfigSpec (vSphere Web Services API).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyVmomi import vim

from ..errors import NoPlacementError
from ..model import marks
from ..model.images import CloneSource
from ..model.names import escape_name
from ..model.nics import Nic
from ..model.options import check_nothing_shared
from ..model.places import find_one, list_networks
from ..model.request import NodeRequest
from ..option_names import spell
from ..vcenter.rows import Ref, Row
from ..vcenter.types import to_managed
from .guest.guest_data import GuestData, build_guest_data
from .guest.resolve import default_login, host_key_mark, resolve_setup
from .guest.setup import GuestSetup
from .hardware import build_cpu_memory, build_disk_change, list_devices, memory_bytes, needed_bytes
from .network import build_adapter_changes, used_networks
from .placement import Placement, PlacementWish, Reservations, choose_placement


@dataclass(frozen=True)
class ClonePlan:
    """One clone, ready to be sent into a folder.

    :param kept_keys: guestinfo keys that the node must have once it is made.
    """

    request: NodeRequest
    image_name: str
    template: Ref
    placement: Placement
    spec: Any = field(repr=False)  # holds what goes into the guest
    kept_keys: tuple[str, ...] = ()

    @property
    def action(self) -> str:
        """What it does, to stand after "could not"."""
        return f"clone image {self.image_name!r} to node {self.request.name!r} in group {self.request.options.group!r}"


def build_clone_plan(request: NodeRequest, source: CloneSource, reserved: Reservations | None = None) -> ClonePlan:
    """The plan for one node.

    :param reserved: what other clones of the same group will need; this one's share is added.
    :raises InvalidRequestError: the image cannot do what is asked.
    :raises NotFoundError, AmbiguousNameError: a name in the request does not lead to exactly one thing.
    :raises NoPlacementError: nothing fits.
    """
    reserved = Reservations() if reserved is None else reserved
    image, tree = source.image, source.tree
    setup = resolve_setup(request, source, reserved.macs)
    guest = build_guest_data(setup)
    networks = _find_networks(source, setup.nics)
    placement = choose_placement(
        tree, source.layout.datacenter, image, _build_wish(request, source, networks), reserved
    )
    changes = build_adapter_changes(tree, image, networks, [nic.mac_address for nic in setup.nics])
    more_marks = _build_guest_marks(image, setup, host_key_mark(request.host_keys, setup))
    spec = vim.vm.CloneSpec(
        location=_build_location(placement),
        config=_build_config(request, image, changes, more_marks, guest),
        customization=guest.specification,
        powerOn=request.options.power_on,
        template=False,
    )
    image_name = str(tree.name(image.ref) or image["name"])
    kept_keys = guest.kept_keys if request.options.power_on else (*guest.kept_keys, *guest.fleeting_keys)
    return ClonePlan(request, image_name, image.ref, placement, spec, kept_keys)


def build_clone_plans(
    requests: Sequence[NodeRequest], source: CloneSource, locations: Sequence[str] = ()
) -> list[ClonePlan]:
    """The plans for the nodes of a group, each knowing what those before it will need.

    :param locations: filled in this order: the next one only gets what the ones before cannot take. None leaves it to
        each request.
    :raises VsphereError: as ``build_clone_plan``; NoPlacementError when the last location is full too.
    """
    check_nothing_shared([request.options for request in requests])
    reserved, left = Reservations(), list(locations)
    return [_build_fitting_plan(request, source, reserved, left) for request in requests]


def to_stored_name(plan: ClonePlan) -> str:
    """The node's name as vCenter wants it sent."""
    return escape_name(plan.request.name)


def build_extra_config(source: Iterable[str], values: Mapping[str, str]) -> list[Any]:
    """extraConfig options: ``values``, and blanks for all other marks and guestinfo that the source would pass on.

    vCenter copies the source's extraConfig to a clone; an empty value removes a key.
    """
    ours = (marks.OWN_PREFIX, marks.GUEST_PREFIX)
    blanks = {key: "" for key in source if key.startswith(ours)}
    return [vim.option.OptionValue(key=key, value=value) for key, value in {**blanks, **values}.items()]


def _find_networks(source: CloneSource, nics: Sequence[Nic]) -> list[Row | None]:
    """The network of each adapter; None where it keeps the image's."""
    tree = source.tree
    named = list_networks(tree, source.layout.datacenter)
    return [find_one(tree, "network", nic.network, named) if nic.network is not None else None for nic in nics]


def _build_wish(request: NodeRequest, source: CloneSource, networks: Sequence[Row | None]) -> PlacementWish:
    return PlacementWish(
        location=request.location,
        resource_pool=request.options.resource_pool,
        datastore=request.options.datastore,
        needed_bytes=needed_bytes(source.image, request.hardware),
        memory_bytes=memory_bytes(source.image, request.hardware),
        networks=tuple(used_networks(source.tree, source.image, networks)),
    )


def _build_config(
    request: NodeRequest, image: Row, adapter_changes: list[Any], more_marks: Mapping[str, str], guest: GuestData
) -> Any:
    source = [option["key"] for option in image.get("config.extraConfig", [])]
    values = {**_build_marks(request, image), **more_marks, **guest.guestinfo}
    config = vim.vm.ConfigSpec(
        instanceUuid=request.id,
        annotation=request.options.annotation,
        extraConfig=build_extra_config(source, values),
        deviceChange=[*build_disk_change(image, request.hardware), *adapter_changes],
        **build_cpu_memory(image, request.hardware),
    )
    if guest.guestinfo and image.get("config.vAppConfig"):
        # The environment that vCenter would give the guest by it wins over guestinfo, in cloud-init and in Ignition.
        config.vAppConfigRemoved = True
    return config


def _build_guest_marks(image: Row, setup: GuestSetup, host_keys: str) -> dict[str, str]:
    """The marks on the node's guest: what sets it up, how to get into it later, and how to know it then."""
    choice = setup.choice
    found = {
        marks.CUSTOMIZATION: f"{choice.mechanism}: {spell(choice.reason)}",
        marks.LOGIN: default_login(image, choice),
        marks.TRANSPORT: marks.read_mark(image, marks.TRANSPORT),
        marks.HOST_KEY: host_keys,
        marks.ADDRESSES: ",".join(str(address.ip) for nic in setup.nics for address in nic.addresses),
    }
    return {key: value for key, value in found.items() if value}


def _build_marks(request: NodeRequest, image: Row) -> dict[str, str]:
    metadata = request.options.metadata
    return {
        marks.ID: request.id,
        marks.GROUP: request.options.group,
        marks.IMAGE: str(image["config.instanceUuid"]),
        marks.SIZE: request.size_id,
        marks.METADATA: json.dumps(dict(metadata), ensure_ascii=False) if metadata else "",
        marks.DISKS: ",".join(str(disk["key"]) for disk in list_devices(image, "VirtualDisk")),
    }


def _build_fitting_plan(
    request: NodeRequest, source: CloneSource, reserved: Reservations, left: list[str]
) -> ClonePlan:
    """The plan in the first location that still has room; full ones are taken off the list."""
    while len(left) > 1:
        try:
            return build_clone_plan(replace(request, location=left[0]), source, reserved)
        except NoPlacementError:
            del left[0]
    location = left[0] if left else request.location
    return build_clone_plan(replace(request, location=location), source, reserved)


def _build_location(placement: Placement) -> Any:
    return vim.vm.RelocateSpec(
        pool=to_managed(placement.resource_pool),
        datastore=to_managed(placement.datastore),
        host=to_managed(placement.host),
    )
