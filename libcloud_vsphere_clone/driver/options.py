"""``create_node``'s words → a request: Libcloud's objects and options in, one checked ``NodeRequest`` out. (pure)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, TypeVar, cast

from libcloud.compute.base import Node, NodeImage, NodeLocation, NodeSize

from .. import plan, sessions
from ..errors import InvalidRequestError
from ..model.checks import to_seconds
from ..model.sizes import Size, find_size
from .convert import to_login

Thing = TypeVar("Thing", NodeSize, NodeImage, NodeLocation)

CLONE_TIMEOUT_S = 3600.0
"""Seconds for a full clone of a large disk over a slow datastore."""


class CreateOptions(TypedDict, total=False):
    """The ``ex_`` options that ``create_node`` and the verbs for groups share; ``create_node`` says what each means."""

    ex_datastore: str | None
    ex_resource_pool: str | None
    ex_networks: Sequence[str | plan.nics.Nic] | None
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
    ex_first_boot_script: str | Callable[[str], str] | None
    ex_windows: plan.guest.windows.Windows | None
    ex_customize: str | None
    ex_customization_spec: str | None
    ex_annotation: str | None
    ex_power_on: bool
    ex_timeout_s: float


class OwnOptions(TypedDict, total=False):
    """What each node of a group can have of its own; it holds over what is for all."""

    ex_hostname: str | None
    ex_networks: Sequence[str | plan.nics.Nic] | None
    ex_userdata: str | bytes | None
    ex_metadata: Mapping[str, Any] | None


GUEST_WORDS = {
    "ex_customize": "mechanism",
    "ex_hostname": "host_name",
    "ex_domain": "domain",
    "ex_timezone": "time_zone",
    "ex_dns": "dns_servers",
    "ex_dns_search": "dns_search",
    "ex_networks": "nics",
    "ex_userdata": "userdata",
    "ex_first_boot_script": "first_boot_script",
    "ex_windows": "windows",
    "ex_customization_spec": "spec_name",
}
"""``{option: what plan.guest.customization.Customization calls it}``."""


def build_request(
    sizes: Iterable[Size],
    name: str,
    group: str,
    size: NodeSize | None,
    location: NodeLocation | None,
    auth: Any,
    options: CreateOptions,
) -> plan.clone.NodeRequest:
    """The request for one node, with an id of its own.

    :raises InvalidRequestError: a word cannot be right.
    :raises NotFoundError: no size has this id.
    """
    unknown = options.keys() - CreateOptions.__annotations__.keys()
    if unknown:
        raise InvalidRequestError(f"unknown options {', '.join(sorted(unknown))}; check the spelling")
    return plan.clone.NodeRequest(
        id=_new_id(),
        name=name,
        group=group,
        size_id=id_of(size, NodeSize) or "",
        hardware=_build_hardware(sizes, size, options),
        location=id_of(location, NodeLocation),
        datastore=options.get("ex_datastore"),
        resource_pool=options.get("ex_resource_pool"),
        customization=plan.guest.customization.Customization(
            login=to_login(auth, options.get("ex_username")), **_guest_words(options, name)
        ),
        generated_password=bool(getattr(auth, "generated", False)),
        metadata=options.get("ex_metadata") or {},
        annotation=options.get("ex_annotation"),
        power_on=options.get("ex_power_on", True),
        host_keys=sessions.ssh.host_keys.new_host_keys(),
    )


def another(
    request: plan.clone.NodeRequest, name: str, options: CreateOptions, own: OwnOptions | None = None
) -> plan.clone.NodeRequest:
    """The same request for another node: what is a node's own is new, and what is in ``own`` holds.

    :param options: what the request was made of.
    """
    own = own or {}
    script = {"ex_first_boot_script": options.get("ex_first_boot_script")}  # it may be made for each
    return replace(
        request,
        id=_new_id(),
        name=name,
        customization=replace(request.customization, **_guest_words({**script, **own}, name)),
        metadata=own.get("ex_metadata", request.metadata) or {},
        host_keys=sessions.ssh.host_keys.new_host_keys(),
    )


def check_each(each: object, count: int) -> list[OwnOptions]:
    """What each of so many nodes has of its own; nothing where nobody says.

    :raises InvalidRequestError: it is not one mapping for each, or nodes cannot have such words of their own.
    """
    if each is None:
        return [{} for _ in range(count)]
    if not isinstance(each, Sequence) or len(each) != count or not all(isinstance(own, Mapping) for own in each):
        # Not shown: secrets may be in it.
        raise InvalidRequestError(f"ex_each must be a list of {count} mappings, one for each node")
    known = OwnOptions.__annotations__
    unknown = {str(word) for own in each for word in own} - known.keys()
    if unknown:
        raise InvalidRequestError(
            f"ex_each: {', '.join(sorted(unknown))} cannot be of one node; {', '.join(known)} can be"
        )
    return list(each)


def taken_options(words: Mapping[str, Any]) -> CreateOptions:
    """The ``CreateOptions`` among a method's arguments."""
    return cast(CreateOptions, {word: words[word] for word in CreateOptions.__annotations__})


def clone_timeout_s(options: CreateOptions) -> float:
    """The seconds that one clone may take.

    :raises InvalidRequestError: not a positive number.
    """
    return to_seconds("ex_timeout_s", options.get("ex_timeout_s", CLONE_TIMEOUT_S))


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


def _new_id() -> str:
    from uuid import uuid4

    return str(uuid4())


def _build_hardware(sizes: Iterable[Size], size: NodeSize | None, options: CreateOptions) -> plan.hardware.Hardware:
    """What a size and single wishes make; the wishes win. A size is known by its id."""
    cpus, memory_mib = options.get("ex_cpus"), options.get("ex_memory_mib")
    disk_gib = options.get("ex_disk_gib")
    if size is None:
        return plan.hardware.Hardware(cpus, memory_mib, disk_gib)
    known = find_size(sizes, str(size.id))
    return plan.hardware.Hardware(
        known.cpus if cpus is None else cpus,
        known.memory_mib if memory_mib is None else memory_mib,
        (known.disk_gib or None) if disk_gib is None else disk_gib,
    )


def _guest_words(options: Mapping[str, object], name: str) -> dict[str, Any]:
    """What is said of the guest of the node of this name, in the words of ``Customization``."""
    words: dict[str, Any] = {field: options[word] for word, field in GUEST_WORDS.items() if word in options}
    if "nics" in words:
        words["nics"] = _to_nics(words["nics"])
    if callable(script := words.get("first_boot_script")):
        words["first_boot_script"] = script(name)
    return words


def _to_nics(networks: Sequence[str | plan.nics.Nic] | None) -> list[plan.nics.Nic]:
    """An adapter for each; a network's name alone is an adapter on it."""
    if isinstance(networks, str) or not isinstance(networks or (), Sequence):
        raise InvalidRequestError(f"ex_networks must be a list of names, paths, ids and Nic(...), got {networks!r}")
    return [plan.nics.Nic(network) if isinstance(network, str) else network for network in networks or ()]
