"""``create_node``'s parameters → requests: Libcloud's objects and options in, checked ``NodeRequest``s out. (pure)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from libcloud.compute.base import Node, NodeImage, NodeLocation, NodeSize

from .. import sessions
from ..errors import InvalidRequestError
from ..model.hardware import Hardware
from ..model.login import Login
from ..model.options import CLONE_TIMEOUT_S, NodeOptions
from ..model.request import NodeRequest
from ..model.sizes import Size, find_size
from ..option_names import expression
from .convert import to_login

__all__ = [
    "CLONE_TIMEOUT_S",
    "MEMBER_OPTIONS",
    "NodeOptions",
    "build_members",
    "build_requests",
    "id_of",
    "image_id_of",
    "location_ids_of",
    "moid_of",
    "refuse_unknown",
]

Thing = TypeVar("Thing", NodeSize, NodeImage, NodeLocation)

MEMBER_OPTIONS = ("ex_hostname", "ex_networks", "ex_userdata", "ex_metadata")
"""What each node of a group can have of its own; it holds over what is for all."""


def build_requests(
    names: Sequence[str],
    options: Sequence[NodeOptions],
    sizes: Iterable[Size],
    size: NodeSize | None,
    location: NodeLocation | None,
    auth: Any,
) -> list[NodeRequest]:
    """The requests for nodes that share size, location and log-in, each with an id and host keys of its own.

    :param options: of each node, in the order of the names.
    :param sizes: the catalogue.
    :raises InvalidRequestError: an option cannot be right.
    :raises NotFoundError: no size has this id.
    """
    shared = options[0]
    size_id, hardware = _build_hardware(sizes, size, shared)
    import uuid  # takes as long as several of our modules, and a listing makes no node

    login: Login | None = to_login(auth, shared.username)
    return [
        NodeRequest(
            id=str(uuid.uuid4()),
            name=name,
            options=own,
            size_id=size_id,
            hardware=hardware,
            location=id_of(location, NodeLocation),
            login=login,
            generated_password=bool(getattr(auth, "generated", False)),
            first_boot_script=own.script_for(name),
            host_keys=sessions.ssh.host_keys.new_host_keys(),
        )
        for name, own in zip(names, options, strict=True)
    ]


def build_members(options: NodeOptions, each: object, count: int) -> list[NodeOptions]:
    """The options of each of so many nodes.

    :param each: ``ex_each``: for each node a mapping with some of ``MEMBER_OPTIONS``; None leaves all to ``options``.
    :raises InvalidRequestError: it is not one mapping for each, or an option cannot be of one node.
    """
    if each is None:
        return [options] * count
    if not isinstance(each, Sequence) or len(each) != count or not all(isinstance(own, Mapping) for own in each):
        # Not shown: secrets may be in it.
        raise InvalidRequestError(f"ex_each must be a list of {count} mappings, one for each node")
    unknown = {str(name) for own in each for name in own} - set(MEMBER_OPTIONS)
    if unknown:
        raise InvalidRequestError(
            f"ex_each: {', '.join(sorted(unknown))} cannot be of one node; {', '.join(MEMBER_OPTIONS)} can be"
        )
    return [_build_member(options, own) for own in each]


def refuse_unknown(options: Mapping[str, object]) -> None:
    """Refuse options that a verb does not have.

    :raises InvalidRequestError: there are some.
    """
    if options:
        raise InvalidRequestError(f"unknown options {', '.join(sorted(options))}; check the spelling")


def image_id_of(image: NodeImage | None) -> str:
    """The image's id.

    :raises InvalidRequestError: there is no image.
    """
    image_id = id_of(image, NodeImage)
    if image_id is None:
        raise InvalidRequestError(f"a node needs an image; take one of {expression('list_images()')}")
    return image_id


def id_of(thing: Thing | None, kind: type[Thing]) -> str | None:
    """The id of a Libcloud object; None stays None.

    :raises InvalidRequestError: it is something else, such as the name of one.
    """
    if thing is None:
        return None
    if not isinstance(thing, kind):
        what = kind.__name__.removeprefix("Node").lower()
        raise InvalidRequestError(f"{what} must be one of {expression(f'list_{what}s()')}, got {thing!r}")
    return str(thing.id)


def location_ids_of(location: NodeLocation | Sequence[NodeLocation] | None) -> list[str]:
    """The ids of one location, of several, or of none.

    :raises InvalidRequestError: something else is among them.
    """
    locations: Sequence[Any] = location if isinstance(location, list | tuple) else [location]
    return [place for one in locations if (place := id_of(one, NodeLocation)) is not None]


def moid_of(thing: Node | NodeImage) -> str | None:
    """Where the thing was last seen; callers pass half-filled objects."""
    return (thing.extra or {}).get("moid")


def _build_member(options: NodeOptions, own: Mapping[str, Any]) -> NodeOptions:
    return replace(
        options,
        hostname=own.get("ex_hostname", options.hostname),
        networks=own.get("ex_networks", options.networks),
        userdata=own.get("ex_userdata", options.userdata),
        metadata=own.get("ex_metadata", options.metadata),
    )


def _build_hardware(sizes: Iterable[Size], size: NodeSize | None, options: NodeOptions) -> tuple[str, Hardware]:
    """The size's id, and what the size and single wishes make; the wishes win. A size is known by its id."""
    size_id = id_of(size, NodeSize)
    if size_id is None:
        return "", Hardware(options.cpus, options.memory_mib, options.disk_gib)
    known = find_size(sizes, size_id)
    return size_id, Hardware(
        known.cpus if options.cpus is None else options.cpus,
        known.memory_mib if options.memory_mib is None else options.memory_mib,
        (known.disk_gib or None) if options.disk_gib is None else options.disk_gib,
    )
