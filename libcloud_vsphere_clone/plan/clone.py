"""The one CloneSpec that makes a node: what was found and what is wanted in, the spec out. (pure)

Hardware, marks, adapters and cloud-init data all travel in it, so a node is complete when its clone task ends.
Source: VirtualMachine.CloneVM_Task, VirtualMachineCloneSpec, VirtualMachineConfigSpec (vSphere Web Services API).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyVmomi import vim

from ..errors import InvalidRequestError, NoPlacementError
from ..model import marks
from ..model.host_keys import HostKeys
from ..model.names import check_name, check_text, escape_name
from ..model.places import find_one, list_networks
from ..model.tree import Tree
from ..vcenter.rows import Ref, Row
from ..vcenter.types import to_managed
from .guest.customization import Customization, check_apart
from .guest.guest_customization import mechanism_of
from .guest.guest_data import GuestData, build_guest_data, default_login, needs_macs
from .guest.host_keys import told_host_keys
from .guest.mechanism import Choice, choose_mechanism
from .hardware import Hardware, build_cpu_memory, build_disk_change, list_devices, memory_bytes, needed_bytes
from .network import build_adapter_changes, complete_nics, used_networks
from .nics import Nic
from .placement import Placement, PlacementWish, Taken, choose_placement

CLONE_PATHS = (
    *("config.extraConfig", "config.vAppConfig"),
    *("config.hardware.numCoresPerSocket", "summary.storage.committed"),
)
"""What a clone's plan asks of the image beyond what an image shows."""


@dataclass(frozen=True)
class NodeRequest:
    """What the caller of ``create_node`` wants, checked as far as it can be without vCenter.

    :param id: the instanceUuid the node shall have.
    :param size_id: the size's id, to be remembered in a mark.
    :param generated_password: the login's password was made up, so the image cannot know it already.
    :param stored_spec: the CustomizationSpec that ``customization.spec_name`` names, once it was read.
    :param api_version: of this vCenter's API, once it is known.
    :param host_keys: made for this node alone.
    """

    id: str
    name: str
    group: str
    size_id: str = ""
    hardware: Hardware = field(default_factory=Hardware)
    location: str | None = None
    datastore: str | None = None
    resource_pool: str | None = None
    customization: Customization = field(default_factory=Customization)
    generated_password: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    annotation: str | None = None
    power_on: bool = True
    stored_spec: Any = field(default=None, repr=False)
    api_version: str | None = None
    host_keys: HostKeys | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "node")
        check_name(self.group, "group")
        _check_metadata(self.metadata)
        check_text(self.annotation or "", "ex_annotation")


@dataclass(frozen=True)
class ClonePlan:
    """One clone, ready to be sent into a folder.

    :param choice: how the guest is told what it shall be, and why so.
    :param kept_keys: guestinfo keys that the node must have once it is made.
    """

    request: NodeRequest
    image_name: str
    template: Ref
    placement: Placement
    spec: Any = field(repr=False)  # holds what the guest is told
    choice: Choice
    kept_keys: tuple[str, ...] = ()

    @property
    def action(self) -> str:
        """What it does, to stand after "could not"."""
        return f"clone image {self.image_name!r} to node {self.request.name!r} in group {self.request.group!r}"


def build_clone_plan(
    request: NodeRequest, image: Row, tree: Tree, datacenter: Ref, taken: Taken | None = None
) -> ClonePlan:
    """The plan for one node.

    :param image: read with ``IMAGE_PATHS`` and ``CLONE_PATHS``.
    :param tree: read with ``PLACE_PATHS``.
    :param taken: what other clones of the same group take; this one's share is added.
    :raises InvalidRequestError: the image cannot do what is asked.
    :raises NotFoundError, AmbiguousNameError: a name in the request does not lead to exactly one thing.
    :raises NoPlacementError: nothing fits.
    """
    taken = Taken() if taken is None else taken
    wanted = request.customization
    spec_mechanism = mechanism_of(request.stored_spec) if request.stored_spec is not None else None
    choice = choose_mechanism(image, wanted.mechanism, spec_mechanism)
    told, host_key_mark = told_host_keys(request.host_keys, choice, wanted)
    request = replace(request, customization=replace(wanted, extra_config={**wanted.extra_config, **told}))
    nics = complete_nics(image, wanted.nics, taken_macs=taken.macs if needs_macs(choice, wanted) else None)
    networks = _find_networks(tree, datacenter, nics)
    guest = _build_guest(request, image, choice, nics)
    placement = choose_placement(tree, datacenter, image, _build_wish(request, tree, image, networks), taken)
    more_marks = _choice_marks(image, choice, host_key_mark, nics)
    changes = build_adapter_changes(tree, image, networks, [nic.mac_address for nic in nics])
    spec = vim.vm.CloneSpec(
        location=_build_location(placement),
        config=_build_config(request, image, changes, more_marks, guest),
        customization=guest.specification,
        powerOn=request.power_on,
        template=False,
    )
    image_name = str(tree.name(image.ref) or image["name"])
    kept_keys = guest.kept_keys if request.power_on else (*guest.kept_keys, *guest.fleeting_keys)
    return ClonePlan(request, image_name, image.ref, placement, spec, choice, kept_keys)


def build_clone_plans(
    requests: Iterable[NodeRequest], image: Row, tree: Tree, datacenter: Ref, locations: Sequence[str] = ()
) -> list[ClonePlan]:
    """The plans for the nodes of a group, each knowing what those before it take.

    :param locations: filled in this order: the next one only gets what the ones before cannot take. None leaves it to
        each request.
    :raises VsphereError: as ``build_clone_plan``; NoPlacementError when the last location is full too.
    """
    wanted, taken, left = list(requests), Taken(), list(locations)
    check_apart([request.customization for request in wanted])
    return [_build_fitting_plan(request, image, tree, datacenter, taken, left) for request in wanted]


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


def _check_metadata(metadata: object) -> None:
    if not isinstance(metadata, Mapping):
        raise InvalidRequestError(f"ex_metadata must be a mapping, got {metadata!r}")
    try:
        text = json.dumps(dict(metadata), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as cause:
        raise InvalidRequestError(f"ex_metadata must be JSON: {cause}") from cause
    check_text(text, "ex_metadata")


def _build_guest(request: NodeRequest, image: Row, choice: Choice, nics: Sequence[Nic]) -> GuestData:
    return build_guest_data(
        request.id,
        request.name,
        image,
        choice,
        request.customization,
        nics,
        generated_password=request.generated_password,
        stored_spec=request.stored_spec,
        api_version=request.api_version,
    )


def _find_networks(tree: Tree, datacenter: Ref, nics: Sequence[Nic]) -> list[Row | None]:
    """The network of each adapter; None where it keeps the image's."""
    named = list_networks(tree, datacenter)
    return [find_one(tree, "network", nic.network, named) if nic.network is not None else None for nic in nics]


def _build_wish(request: NodeRequest, tree: Tree, image: Row, networks: Sequence[Row | None]) -> PlacementWish:
    return PlacementWish(
        location=request.location,
        resource_pool=request.resource_pool,
        datastore=request.datastore,
        needed_bytes=needed_bytes(image, request.hardware),
        memory_bytes=memory_bytes(image, request.hardware),
        networks=tuple(used_networks(tree, image, networks)),
    )


def _build_config(
    request: NodeRequest, image: Row, adapter_changes: list[Any], more_marks: Mapping[str, str], guest: GuestData
) -> Any:
    source = [option["key"] for option in image.get("config.extraConfig", [])]
    values = {**_build_marks(request, image), **more_marks, **guest.guestinfo}
    config = vim.vm.ConfigSpec(
        instanceUuid=request.id,
        annotation=request.annotation,
        extraConfig=build_extra_config(source, values),
        deviceChange=[*build_disk_change(image, request.hardware), *adapter_changes],
        **build_cpu_memory(image, request.hardware),
    )
    if guest.guestinfo and image.get("config.vAppConfig"):
        # The environment that vCenter would give the guest by it wins over guestinfo, in cloud-init and in Ignition.
        config.vAppConfigRemoved = True
    return config


def _choice_marks(image: Row, choice: Choice, host_keys: str, nics: Sequence[Nic]) -> dict[str, str]:
    """How the guest is told what it shall be, how to get into it later, and how to know it then."""
    found = {
        marks.CUSTOMIZATION: f"{choice.mechanism}: {choice.reason}",
        marks.LOGIN: default_login(image, choice),
        marks.TRANSPORT: marks.read_mark(image, marks.TRANSPORT),
        marks.HOST_KEY: host_keys,
        marks.ADDRESSES: ",".join(str(address.ip) for nic in nics for address in nic.addresses),
    }
    return {key: value for key, value in found.items() if value}


def _build_marks(request: NodeRequest, image: Row) -> dict[str, str]:
    return {
        marks.ID: request.id,
        marks.GROUP: request.group,
        marks.IMAGE: str(image["config.instanceUuid"]),
        marks.SIZE: request.size_id,
        marks.METADATA: json.dumps(dict(request.metadata), ensure_ascii=False) if request.metadata else "",
        marks.DISKS: ",".join(str(disk["key"]) for disk in list_devices(image, "VirtualDisk")),
    }


def _build_fitting_plan(
    request: NodeRequest, image: Row, tree: Tree, datacenter: Ref, taken: Taken, left: list[str]
) -> ClonePlan:
    """The plan in the first location that still has room; full ones are taken off the list."""
    while len(left) > 1:
        try:
            return build_clone_plan(replace(request, location=left[0]), image, tree, datacenter, taken)
        except NoPlacementError:
            del left[0]
    location = left[0] if left else request.location
    return build_clone_plan(replace(request, location=location), image, tree, datacenter, taken)


def _build_location(placement: Placement) -> Any:
    return vim.vm.RelocateSpec(
        pool=to_managed(placement.resource_pool),
        datastore=to_managed(placement.datastore),
        host=to_managed(placement.host),
    )
