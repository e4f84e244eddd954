"""How callers want a guest to be reached and logged in to, each as one frozen object. (pure)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..model.defaults import REACH_TIMEOUT_S

if TYPE_CHECKING:
    from libcloud.compute.base import Node, NodeAuthPassword, NodeAuthSSHKey

    from .base import Transport
    from .ssh.keys import KeySource

__all__ = ["LoginOptions", "ReachOptions", "Stage"]

Stage = Callable[["Node", str], None]
"""Called with a node and what is being done with it now, in words."""


@dataclass(frozen=True)
class LoginOptions:
    """How to log in to a guest.

    :param username: None, and Libcloud's default ``root``, leave it to the image and the transport.
    :param alternate_usernames: users to try after that one.
    :param port: the guest's; 22 leaves it to the transport.
    :param timeout_s: seconds for one attempt at a connection.
    :param key: private keys: a path, a key's text, or several of them.
    :param key_password: the passphrase of the keys.
    :param auth: a password, or public keys whose private halves the user has.
    """

    username: str | None = None
    alternate_usernames: Sequence[str] | None = None
    port: int = 22
    timeout_s: float = 10
    key: KeySource | Sequence[KeySource] | None = field(default=None, repr=False)
    key_password: str | None = field(default=None, repr=False)
    auth: NodeAuthPassword | NodeAuthSSHKey | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ReachOptions:
    """How a guest is reached and logged in to.

    :param transport: a transport's name, or a transport with settings; None lets each node's own facts choose.
    :param wait_for: what is awaited of a node; one of ``guest.wait.WAIT_FOR``, None for an address.
    :param ssh_interface: ``public_ips`` takes private addresses where there is no public one; ``private_ips`` only
        these.
    :param address_filter: one network such as ``10.0.0.0/8``, or several: only addresses in them count.
    :param timeout_s: seconds for a node to run, and again for its guest to accept a login.
    """

    login: LoginOptions = LoginOptions()
    transport: str | Transport | None = None
    wait_for: str | None = None
    ssh_interface: str = "public_ips"
    address_filter: str | Sequence[str] | None = None
    timeout_s: float = REACH_TIMEOUT_S
    on_stage: Stage | None = None
