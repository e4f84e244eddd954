"""``NodeRequest``: one new node, with all that is known of it before vCenter is asked. (pure)"""

from __future__ import annotations

from dataclasses import dataclass, field

from .hardware import Hardware
from .host_keys import HostKeys
from .login import Login
from .names import check_name
from .options import NodeOptions


@dataclass(frozen=True)
class NodeRequest:
    """One new node: the caller's options, and what is this node's own.

    :param id: the instanceUuid the node shall have.
    :param size_id: the size's id, to be remembered in a mark.
    :param hardware: the size's, with the options that win over it.
    :param location: a cluster or stand-alone host; None: the image's own.
    :param login: what ``auth`` and the option ``username`` mean.
    :param generated_password: the login's password was made up, so the image cannot know it already.
    :param first_boot_script: the text, made for this node.
    :param host_keys: made for this node alone.
    """

    id: str
    name: str
    options: NodeOptions = field(default_factory=NodeOptions)
    size_id: str = ""
    hardware: Hardware = field(default_factory=Hardware)
    location: str | None = None
    login: Login | None = None
    generated_password: bool = False
    first_boot_script: str | None = field(default=None, repr=False)
    host_keys: HostKeys | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "node")
