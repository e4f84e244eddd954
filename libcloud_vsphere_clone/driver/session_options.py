"""``deploy_node``'s keywords for guest sessions → the options that the rooms below take. (pure)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from libcloud.compute.base import NodeImage

from ..deploy.one_node import Deployer, DeployOptions
from ..errors import InvalidRequestError
from ..model.checks import check_keywords
from ..model.defaults import MAX_TRIES, REACH_TIMEOUT_S
from ..model.login import DEFAULT_USER
from ..sessions.base import Transport
from ..sessions.opener import ImageFacts
from ..sessions.options import LoginOptions, ReachOptions, Stage

__all__ = [
    "ReachKeywords",
    "build_reach_options",
    "create_keywords",
    "image_facts",
    "split_deploy_keywords",
]


class ReachKeywords(TypedDict, total=False):
    """How a guest is reached and logged in to; ``deploy_node`` says what each means."""

    ssh_username: str | None
    ssh_alternate_usernames: Sequence[str] | None
    ssh_port: int
    ssh_timeout: float
    ssh_key: Any
    ssh_key_password: str | None
    auth: Any
    timeout: float
    ssh_interface: str
    ex_transport: str | Transport | None
    ex_wait_for: str | None
    ex_address_filter: str | Sequence[str] | None
    ex_on_stage: Stage | None


def build_reach_options(
    verb: str,
    *,
    ssh_username: str | None = DEFAULT_USER,
    ssh_alternate_usernames: Sequence[str] | None = None,
    ssh_port: int = 22,
    ssh_timeout: float = 10,
    ssh_key: Any = None,
    ssh_key_password: str | None = None,
    auth: Any = None,
    timeout: float = REACH_TIMEOUT_S,
    ssh_interface: str = "public_ips",
    ex_transport: str | Transport | None = None,
    ex_wait_for: str | None = None,
    ex_address_filter: str | Sequence[str] | None = None,
    ex_on_stage: Stage | None = None,
    **unknown: Any,
) -> ReachOptions:
    """The options that the keywords of a verb mean.

    :raises InvalidRequestError: the verb takes no such keyword.
    """
    check_keywords(unknown, verb)
    login = LoginOptions(
        username=ssh_username,
        alternate_usernames=ssh_alternate_usernames,
        port=ssh_port,
        timeout_s=ssh_timeout,
        key=ssh_key,
        key_password=ssh_key_password,
        auth=auth,
    )
    return ReachOptions(
        login=login,
        transport=ex_transport,
        wait_for=ex_wait_for,
        ssh_interface=ssh_interface,
        address_filter=ex_address_filter,
        timeout_s=timeout,
        on_stage=ex_on_stage,
    )


def split_deploy_keywords(
    *,
    ssh_username: str | None = DEFAULT_USER,
    ssh_alternate_usernames: Sequence[str] | None = None,
    ssh_port: int = 22,
    ssh_timeout: float = 10,
    ssh_key: Any = None,
    ssh_key_password: str | None = None,
    auth: Any = None,
    timeout: float = REACH_TIMEOUT_S,
    ssh_interface: str = "public_ips",
    max_tries: int = MAX_TRIES,
    ex_transport: str | Transport | None = None,
    ex_wait_for: str | None = None,
    ex_address_filter: str | Sequence[str] | None = None,
    ex_on_stage: Stage | None = None,
    ex_destroy_on_failure: bool = False,
    **others: Any,
) -> tuple[DeployOptions, dict[str, Any]]:
    """``deploy_node``'s options among a verb's keywords, and the other keywords."""
    login = LoginOptions(ssh_username, ssh_alternate_usernames, ssh_port, ssh_timeout, ssh_key, ssh_key_password, auth)
    reach = ReachOptions(login, ex_transport, ex_wait_for, ssh_interface, ex_address_filter, timeout, ex_on_stage)
    return DeployOptions(reach, max_tries, ex_destroy_on_failure), others


def image_facts(image: NodeImage | None) -> ImageFacts | None:
    """What an image says of the guests of nodes that are still to be made of it."""
    if image is None:
        return None
    marked = image.extra or {}  # callers pass half-filled objects
    return ImageFacts(marked.get("login"), marked.get("transport"))


def create_keywords(deployer: Deployer, given: Mapping[str, Any]) -> dict[str, Any]:
    """``create_node``'s keywords: the caller's, how to log in, and what the transport needs.

    :raises InvalidRequestError: the caller and the transport both want the first boot's script, or the node would be
        off.
    """
    if not given.get("ex_power_on", True):
        raise InvalidRequestError("a deployment needs a node that runs; leave ex_power_on=False to create_node")
    access, transport = deployer.access, deployer.opener.transport
    login = {"auth": access.auth, "ex_username": access.username if access.auth and access.is_named else None}
    script = transport.first_boot_script() if transport is not None else None
    if transport is None or script is None:
        return {**login, **given}
    if given.get("ex_first_boot_script") is not None:
        raise InvalidRequestError(
            f"the transport {transport.name!r} needs ex_first_boot_script itself; make it a step of the deployment"
        )
    return {**login, **given, "ex_first_boot_script": script}
