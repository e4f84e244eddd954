"""``create_node``'s words → a request: Libcloud's objects and options in, one checked ``NodeRequest`` out. (pure)"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, TypeVar, cast

from libcloud.compute.base import Node, NodeImage, NodeLocation, NodeSize

from .convert import to_login
from .errors import InvalidRequestError
from .guest.host_keys import new_host_keys
from .inventory.sizes import Size, find_size
from .plan.clone import NodeRequest
from .plan.customization import Customization, Windows
from .plan.hardware import Hardware
from .plan.nics import Nic

Thing = TypeVar("Thing", NodeSize, NodeImage, NodeLocation)

CLONE_TIMEOUT_S = 3600.0
"""Seconds for a full clone of a large disk over a slow datastore."""


class CreateOptions(TypedDict, total=False):
    """The ``ex_`` options that ``create_node`` and the verbs for groups share; ``create_node`` says what each means."""

    ex_datastore: str | None
    ex_resource_pool: str | None
    ex_networks: Sequence[str | Nic] | None
    ex_cpus: int | None
    ex_memory_mib: int | None
    ex_disk_gib: int | None
    ex_metadata: Mapping[str, Any] | None
    ex_username: str | None
    ex_hostname: str | None
    ex_domain: str | None
    ex_dns: Sequence[str]
    ex_dns_search: Sequence[str]
    ex_timezone: str | None
    ex_userdata: str | bytes | None
    ex_first_boot_script: str | None
    ex_windows: Windows | None
    ex_customize: str | None
    ex_customization_spec: str | None
    ex_annotation: str | None
    ex_power_on: bool
    ex_timeout_s: float


def build_request(
    sizes: Iterable[Size],
    name: str,
    group: str,
    size: NodeSize | None,
    location: NodeLocation | None,
    auth: Any,
    options: CreateOptions,
) -> NodeRequest:
    """The request for one node, with an id of its own.

    :raises InvalidRequestError: a word cannot be right.
    :raises NotFoundError: no size has this id.
    """
    unknown = options.keys() - CreateOptions.__annotations__.keys()
    if unknown:
        raise InvalidRequestError(f"unknown options {', '.join(sorted(unknown))}; check the spelling")
    return NodeRequest(
        id=str(uuid.uuid4()),
        name=name,
        group=group,
        size_id=id_of(size, NodeSize) or "",
        hardware=_build_hardware(sizes, size, options),
        location=id_of(location, NodeLocation),
        datastore=options.get("ex_datastore"),
        resource_pool=options.get("ex_resource_pool"),
        customization=_build_customization(auth, options),
        generated_password=bool(getattr(auth, "generated", False)),
        metadata=options.get("ex_metadata") or {},
        annotation=options.get("ex_annotation"),
        power_on=options.get("ex_power_on", True),
        host_keys=new_host_keys(),
    )


def another(request: NodeRequest, name: str) -> NodeRequest:
    """The same request for another node: what is a node's own is new."""
    return replace(request, id=str(uuid.uuid4()), name=name, host_keys=new_host_keys())


def static_addresses(networks: Sequence[str | Nic] | None) -> list[str]:
    """The addresses that a node's guest will be told to have."""
    return [str(address.ip) for nic in networks or () if isinstance(nic, Nic) for address in nic.addresses]


def taken_options(words: Mapping[str, Any]) -> CreateOptions:
    """The ``CreateOptions`` among a method's arguments."""
    return cast(CreateOptions, {word: words[word] for word in CreateOptions.__annotations__})


def clone_timeout_s(options: CreateOptions) -> float:
    """The seconds that one clone may take.

    :raises InvalidRequestError: not a positive number.
    """
    return to_seconds("ex_timeout_s", options.get("ex_timeout_s", CLONE_TIMEOUT_S))


def to_seconds(word: str, value: object) -> float:
    """The seconds that a caller gave as ``word``.

    :raises InvalidRequestError: not a positive number.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise InvalidRequestError(f"{word} must be a positive number of seconds, got {value!r}")
    return float(value)


def image_id_of(image: NodeImage | None) -> str:
    """The image's id.

    :raises InvalidRequestError: there is no image.
    """
    image_id = id_of(image, NodeImage)
    if image_id is None:
        raise InvalidRequestError("a node needs an image; take one of list_images()")
    return image_id


def id_of(thing: Thing | None, kind: type[Thing]) -> str | None:
    """The id of a Libcloud object; None stays None.

    :raises InvalidRequestError: it is something else, such as the name of one.
    """
    if thing is None:
        return None
    if not isinstance(thing, kind):
        what = kind.__name__.removeprefix("Node").lower()
        raise InvalidRequestError(f"{what} must be one of list_{what}s(), got {thing!r}")
    return str(thing.id)


def moid_of(thing: Node | NodeImage) -> str | None:
    """Where the thing was last seen; callers pass half-filled objects."""
    return (thing.extra or {}).get("moid")


def _build_hardware(sizes: Iterable[Size], size: NodeSize | None, options: CreateOptions) -> Hardware:
    """What a size and single wishes make; the wishes win. A size is known by its id."""
    cpus, memory_mib = options.get("ex_cpus"), options.get("ex_memory_mib")
    disk_gib = options.get("ex_disk_gib")
    if size is None:
        return Hardware(cpus, memory_mib, disk_gib)
    known = find_size(sizes, str(size.id))
    return Hardware(
        known.cpus if cpus is None else cpus,
        known.memory_mib if memory_mib is None else memory_mib,
        (known.disk_gib or None) if disk_gib is None else disk_gib,
    )


def _build_customization(auth: Any, options: CreateOptions) -> Customization:
    """What the guest shall be; a network's name alone is an adapter on it."""
    networks = options.get("ex_networks")
    if isinstance(networks, str):
        raise InvalidRequestError(
            f"ex_networks must be a list of names, paths, ids and Nic(...), got the text {networks!r}"
        )
    return Customization(
        mechanism=options.get("ex_customize"),
        host_name=options.get("ex_hostname"),
        domain=options.get("ex_domain"),
        login=to_login(auth, options.get("ex_username")),
        time_zone=options.get("ex_timezone"),
        dns_servers=options.get("ex_dns", ()),
        dns_search=options.get("ex_dns_search", ()),
        nics=[Nic(network) if isinstance(network, str) else network for network in networks or ()],
        userdata=options.get("ex_userdata"),
        first_boot_script=options.get("ex_first_boot_script"),
        windows=options.get("ex_windows"),
        spec_name=options.get("ex_customization_spec"),
    )
