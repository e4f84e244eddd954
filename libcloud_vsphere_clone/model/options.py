"""``NodeOptions``: what a caller says of a new node; each field is the ``ex_`` option of the same name. (pure)"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import InvalidRequestError
from ..option_names import option
from .checks import to_seconds
from .names import check_name, check_text
from .nics import Nic
from .option_checks import (
    check_mechanism,
    check_metadata,
    check_names,
    check_network,
    check_nics,
    check_script,
    check_userdata,
    repeated,
    to_nics,
)
from .windows import Windows

__all__ = ["CLONE_TIMEOUT_S", "NodeOptions", "check_nothing_shared"]

CLONE_TIMEOUT_S = 3600.0
"""Seconds for a full clone of a large disk over a slow datastore."""


@dataclass(frozen=True)
class NodeOptions:
    """A new node, but for its name, size, image and location; ``create_node`` says what each option means.

    All of it is checked here, before anything is sent; what only some guests understand is checked where their
    mechanism is built.

    :param first_boot_script: its text, or a function that makes it from the node's name.
    :raises InvalidRequestError: an option cannot be right.
    """

    group: str = "libcloud"
    datastore: str | None = None
    resource_pool: str | None = None
    networks: Sequence[str | Nic] | None = None
    cpus: int | None = None
    memory_mib: int | None = None
    disk_gib: int | None = None
    metadata: Mapping[str, Any] | None = None
    username: str | None = None
    hostname: str | None = None
    domain: str | None = None
    dns: Sequence[str] = ()
    dns_search: Sequence[str] = ()
    timezone: str | None = None
    userdata: str | bytes | None = field(default=None, repr=False)
    first_boot_script: str | Callable[[str], str] | None = field(default=None, repr=False)
    windows: Windows | None = None
    customize: str | None = None
    customization_spec: str | None = None
    annotation: str | None = None
    power_on: bool = True
    timeout_s: float = CLONE_TIMEOUT_S

    def __post_init__(self) -> None:
        check_name(self.group, "group")
        check_metadata(self.metadata)
        check_text(self.annotation or "", option("annotation"))
        check_mechanism(self.customize, option("customize"))
        check_names(self.hostname, self.domain, self.timezone, self.customization_spec)
        check_network(self.dns, self.dns_search)
        check_nics(self.nics)
        check_userdata(self.userdata)
        if not callable(self.first_boot_script):
            check_script(self.first_boot_script)
        if self.windows is not None and not isinstance(self.windows, Windows):
            raise InvalidRequestError(f"{option('windows')} takes Windows(...), got a {type(self.windows).__name__}")
        to_seconds(option("timeout_s"), self.timeout_s)

    @cached_property
    def nics(self) -> Sequence[Nic]:
        """An adapter for each of ``networks``; a network's name alone is an adapter on it, with DHCP."""
        return to_nics(self.networks)

    def script_for(self, name: str) -> str | None:
        """The first-boot script of the node of this name.

        :raises InvalidRequestError: what the caller's function made is no script.
        """
        if not callable(self.first_boot_script):
            return self.first_boot_script
        script = self.first_boot_script(name)
        check_script(script)
        return script


def check_nothing_shared(nodes: Sequence[NodeOptions]) -> None:
    """Refuse options of several nodes that only one node can have.

    :raises InvalidRequestError: several nodes would share what only one can have.
    """
    names = [node.hostname.lower() for node in nodes if node.hostname]
    for what, count in repeated([nic for node in nodes for nic in node.nics], names):
        raise InvalidRequestError(
            f"{count} nodes cannot share {what}; leave it out, or give each node its own with {option('each=')}"
        )
