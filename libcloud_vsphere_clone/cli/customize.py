"""What a node's guest shall be: options in, ``create_node``'s words for it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any

import click

from .login import text_file

NETWORK_WORDS = ("address", "gateway", "mac")

CUSTOMIZE_OPTIONS = (
    click.option("--network", "ex_networks", multiple=True, metavar="NAME[,address=...]",
                 help="For the next adapter; repeat it. Static: NAME,address=10.0.0.5/24,gateway=10.0.0.1 (and mac=...)"
                      ".  [default: kept]"),
    click.option("--hostname", "ex_hostname", help="Of the guest.  [default: made of the node's name]"),
    click.option("--domain", "ex_domain", help="That the host name is in."),
    click.option("--dns", "ex_dns", multiple=True, metavar="ADDRESS", help="A DNS server; repeat it."),
    click.option("--dns-search", "ex_dns_search", multiple=True, metavar="DOMAIN", help="To look names up in."),
    click.option("--timezone", "ex_timezone", metavar="ZONE", help="Such as Europe/Berlin."),
    click.option("--userdata", "ex_userdata", type=text_file, help="Cloud-config, script or Ignition for the guest."),
    click.option("--first-boot-script", "ex_first_boot_script", type=click.File("r"), help="Run once, as root."),
    click.option("--customize", "ex_customize", metavar="MECHANISM", help="See configure-image."),
    click.option("--customization-spec", "ex_customization_spec", help="The name of one in vCenter."),
)  # fmt: skip


def build_customization(words: Mapping[str, Any]) -> dict[str, Any]:
    """``create_node``'s words for these options; words that are none of them stay as they are.

    :raises click.UsageError: ``--network`` has a word that it does not know.
    """
    userdata: IO[bytes] | None = words["ex_userdata"]
    script: IO[str] | None = words["ex_first_boot_script"]
    return {
        **words,
        "ex_networks": [_parse_network(text) for text in words["ex_networks"]] or None,
        "ex_userdata": userdata.read() if userdata else None,
        "ex_first_boot_script": script.read() if script else None,
    }


def _parse_network(text: str) -> Any:
    """A network's name, or the adapter that the text describes."""
    name, *settings = text.split(",")
    if not settings:
        return name
    from ..plan.nics import Nic

    return Nic(name or None, **_parse_settings(settings))


def _parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for setting in settings:
        word, separator, value = setting.partition("=")
        if not separator or word not in NETWORK_WORDS:
            raise click.UsageError(f"--network NAME takes {', '.join(NETWORK_WORDS)} with =, got {setting!r}")
        found.setdefault(word, []).append(value)
    return {word: values if word != "mac" else values[-1] for word, values in found.items()}
