"""What a ``deploy`` is to make, and the driver's words for it: names that were typed in, Libcloud's objects out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from ..errors import AmbiguousNameError, NotFoundError
from ..model.options import NodeOptions
from ..model.sizes import build_sizes, find_size
from ..option_names import PREFIX
from .login import GuestLogin
from .nodes import is_id

if TYPE_CHECKING:
    from libcloud.compute.base import NodeImage, NodeLocation, NodeSize

    from ..driver.compute import VsphereCloneNodeDriver


@dataclass(frozen=True)
class Order:
    """What a node is made of, be it one or each of many.

    :param locations: one at most for one node; many nodes fill them in this order.
    :param options: the group is among them.
    :param script: None only makes the node.
    :param wait: whether to wait for its address, without a script.
    :param boot_timeout_s: seconds to get an address, and again to let us log in.
    :param destroy_on_failure: also when the script's exit status is not 0.
    """

    image: str
    options: NodeOptions
    size: str | None = None
    locations: Sequence[str] = ()
    script: str | None = field(default=None, repr=False)
    login: GuestLogin = field(default_factory=GuestLogin)
    wait: bool = True
    boot_timeout_s: float = 300
    destroy_on_failure: bool = False
    destroy_after: bool = False
    transport: str | None = None
    wait_for: str | None = None

    @property
    def group(self) -> str:
        """The group that nodes are made in."""
        return self.options.group

    @property
    def waits_for_addresses(self) -> bool:
        """Whether nodes without a script are waited for."""
        return self.wait and self.options.power_on

    @property
    def deploy_words(self) -> dict[str, Any]:
        """The driver's words for logging in and running the script."""
        return {
            **self.login.deploy_words(),
            "timeout": self.boot_timeout_s,
            "ex_transport": self.transport,
            "ex_wait_for": self.wait_for,
            "max_tries": 1,  # what a script has done once it may not do twice
            "ex_destroy_on_failure": self.destroy_on_failure or self.destroy_after,
        }


def find_words(driver: VsphereCloneNodeDriver, order: Order) -> dict[str, Any]:
    """The driver's words for what a node is made of; ``location`` is a list.

    :raises VsphereError: there is no such thing, or several have the name.
    """
    return {
        "size": _find_size(driver, order.size),
        "image": find_image(driver, order.image),
        "location": _find_locations(driver, order.locations),
        **_to_keywords(order.options),
    }


def _to_keywords(options: NodeOptions) -> dict[str, Any]:
    """The driver's keyword arguments for these options, but the group's; what is as by default is left out."""
    given = {field.name: getattr(options, field.name) for field in fields(NodeOptions) if field.name != "group"}
    return {f"{PREFIX}{name}": value for name, value in given.items() if value != getattr(NodeOptions, name)}


def find_image(driver: VsphereCloneNodeDriver, wanted: str) -> NodeImage:
    """The one image of this name, path or id."""
    return driver.get_image(wanted.lower()) if is_id(wanted) else driver.ex_get_image_by_name(wanted)


def _find_size(driver: VsphereCloneNodeDriver, wanted: str | None) -> NodeSize | None:
    if wanted is None:
        return None
    known = find_size(build_sizes(None), wanted)
    return next(size for size in driver.list_sizes() if size.id == known.id)


def _find_locations(driver: VsphereCloneNodeDriver, wanted: Sequence[str]) -> list[NodeLocation]:
    known = driver.list_locations() if wanted else []
    return [_find_location(known, name) for name in wanted]


def _find_location(known: Sequence[NodeLocation], wanted: str) -> NodeLocation:
    """The one location of this name, path or id."""
    match [place for place in known if wanted in (place.id, place.name, place.extra["path"])]:
        case [place]:
            return place
        case []:
            raise NotFoundError("location", wanted, f"there are: {', '.join(place.name for place in known)}")
        case several:
            raise AmbiguousNameError("location", wanted, [place.extra["path"] for place in several], "give its path")
