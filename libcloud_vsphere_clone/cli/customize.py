"""What a node shall be: the command's options in, ``NodeOptions`` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from .login import text_file

if TYPE_CHECKING:
    from ..model.options import NodeOptions

NETWORK_WORDS = ("address", "gateway", "mac")

CUSTOMIZE_OPTIONS = (
    click.option("--network", "networks", multiple=True, metavar="NAME[,address=...]",
                 help="For the next adapter; repeat it. Static: NAME,address=10.0.0.5/24,gateway=10.0.0.1 (and mac=...)"
                      ".  [default: kept]"),
    click.option("--hostname", help="Of the guest.  [default: made of the node's name]"),
    click.option("--domain", help="That the host name is in."),
    click.option("--dns", multiple=True, metavar="ADDRESS", help="A DNS server; repeat it."),
    click.option("--dns-search", multiple=True, metavar="DOMAIN", help="To look names up in."),
    click.option("--timezone", metavar="ZONE", help="Such as Europe/Berlin."),
    click.option("--userdata", type=text_file, help="Cloud-config, script or Ignition for the guest."),
    click.option("--first-boot-script", type=click.File("r"), help="Run once, as root."),
    click.option("--customize", metavar="MECHANISM", help="See configure-image."),
    click.option("--customization-spec", help="The name of one in vCenter."),
)  # fmt: skip

positive = click.IntRange(min=1)

PLACE_OPTIONS = (
    click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="Kept with it; repeat it."),
    click.option("--datastore", help="Where its disks are.  [default: the image's]"),
    click.option("--pool", "resource_pool", help="A resource pool of the location."),
    click.option("--cpus", type=positive, metavar="NUMBER", help="Instead of the size's."),
    click.option("--memory-mib", type=positive, metavar="NUMBER", help="Instead of the size's."),
    click.option("--disk-gib", type=positive, metavar="NUMBER", help="Of the root disk; it only grows."),
    click.option("--annotation", help="The node's notes in vCenter."),
)


def build_options(given: Mapping[str, Any]) -> NodeOptions:
    """The options of a new node that the command line means.

    :param given: ``{parameter: value}`` of CUSTOMIZE_OPTIONS, PLACE_OPTIONS and the group, as click read them.
    :raises click.UsageError: ``--network`` or ``--metadata`` is not written as it must be.
    :raises InvalidRequestError: an option cannot be right.
    """
    from ..model.options import NodeOptions

    userdata: IO[bytes] | None = given["userdata"]
    script: IO[str] | None = given["first_boot_script"]
    return NodeOptions(
        group=given["group"],
        datastore=given["datastore"],
        resource_pool=given["resource_pool"],
        networks=[_parse_network(text) for text in given["networks"]] or None,
        cpus=given["cpus"],
        memory_mib=given["memory_mib"],
        disk_gib=given["disk_gib"],
        metadata=dict(_parse_pair(pair) for pair in given["metadata"]),
        hostname=given["hostname"],
        domain=given["domain"],
        dns=given["dns"],
        dns_search=given["dns_search"],
        timezone=given["timezone"],
        userdata=userdata.read() if userdata else None,
        first_boot_script=script.read() if script else None,
        customize=given["customize"],
        customization_spec=given["customization_spec"],
        annotation=given["annotation"],
    )


def _parse_pair(pair: str) -> tuple[str, str]:
    key, separator, value = pair.partition("=")
    if not (key and separator):
        raise click.UsageError(f"--metadata takes KEY=VALUE, got {pair!r}")
    return key, value


def _parse_network(text: str) -> Any:
    """A network's name, or the adapter that the text describes."""
    name, *settings = text.split(",")
    if not settings:
        return name
    from ..model.nics import Nic

    return Nic(name or None, **_parse_settings(settings))


def _parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for setting in settings:
        word, separator, value = setting.partition("=")
        if not separator or word not in NETWORK_WORDS:
            raise click.UsageError(f"--network NAME takes {', '.join(NETWORK_WORDS)} with =, got {setting!r}")
        found.setdefault(word, []).append(value)
    return {word: values if word != "mac" else values[-1] for word, values in found.items()}
