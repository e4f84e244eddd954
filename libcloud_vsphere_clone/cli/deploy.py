"""``vsphere-clone deploy``: options → an order; its outcome → output and exit status."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Any

import click

from .connection import SECRET_FILE, Connection, connected, connection_options, read_secret
from .nodes import node_facts, print_nodes
from .output import json_option, print_json
from .progress import narrated

if TYPE_CHECKING:
    from .order import Order, Outcome

KEY_PASSWORD = "VSPHERE_CLONE_SSH_KEY_PASSWORD"  # noqa: S105 - the variable's name
SSH_PASSWORD = "VSPHERE_CLONE_SSH_PASSWORD"  # noqa: S105 - the variable's name

count = click.IntRange(min=1)
key_file = click.Path(exists=True, dir_okay=False)
text_file = click.File("rb")

OPTIONS = (
    click.option("--image", required=True, help="The image's name, path in the images folder, or id."),
    click.option("--size", help="As vsphere-clone sizes lists them.  [default: the image's hardware]"),
    click.option("--location", help="A cluster or stand-alone host.  [default: the image's]"),
    click.option("--group", "ex_group", default="libcloud", show_default=True, help="Made if needed."),
    click.option("--script", type=text_file, help="Run this file's script in the node; - is stdin."),
    click.option("--command", help="Run this shell command in the node."),
    click.option("--ssh-key", type=key_file, help="Private key to log in with; its public half is put into the node."),
    click.option("--ssh-key-password-file", type=SECRET_FILE, help=f"Holds its passphrase. Default: {KEY_PASSWORD}."),
    click.option("--ssh-password-file", type=SECRET_FILE, help=f"Holds the user's password. Default: {SSH_PASSWORD}."),
    click.option("--ssh-username", default="root", show_default=True, help="Whom to log in as."),
    click.option("--userdata", "ex_userdata", type=text_file, help="Cloud-config or script for cloud-init."),
    click.option("--network", "ex_networks", multiple=True, help="For the next adapter; repeat it.  [default: kept]"),
    click.option("--metadata", "ex_metadata", multiple=True, metavar="KEY=VALUE", help="Kept with it; repeat it."),
    click.option("--datastore", "ex_datastore", help="Where its disks are.  [default: the image's]"),
    click.option("--pool", "ex_resource_pool", help="A resource pool of the location."),
    click.option("--cpus", "ex_cpus", type=count, metavar="NUMBER", help="Instead of the size's."),
    click.option("--memory-mib", "ex_memory_mib", type=count, metavar="NUMBER", help="Instead of the size's."),
    click.option("--disk-gib", "ex_disk_gib", type=count, metavar="NUMBER", help="Of the root disk; it can only grow."),
    click.option("--annotation", "ex_annotation", help="The node's notes in vCenter."),
    click.option("--boot-timeout", type=click.FloatRange(1), default=300.0, show_default=True, metavar="SECONDS",
                 help="Seconds to get an address, and again to log in."),
    click.option("--no-wait", is_flag=True, help="Do not wait for the address."),
    click.option("--destroy-on-failure", is_flag=True, help="Destroy the node if it or its script fails."),
    click.option("--destroy-after", is_flag=True, help="Destroy the node in any case, when all is done."),
)  # fmt: skip


def deploy_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@deploy_options
@connection_options
@json_option
def deploy(connection: Connection, name: str, as_json: bool, **words: Any) -> None:
    """Make the node NAME by cloning an image, and run a script in it.

    With a script its output is printed as it is, and its exit status is this command's. Without one the node is made
    and its address waited for. With neither a key nor a password a password is made up for the script's log-in, and
    not shown.
    """
    order = _build_order(name, **words)
    from .order import Deploy

    with connected(connection) as driver, narrated() as narrator:
        outcome = Deploy(driver, order, narrator).run()
    _show(outcome, as_json)
    raise click.exceptions.Exit(outcome.exit_status)


def _build_order(
    name: str,
    *,
    image: str,
    size: str | None,
    location: str | None,
    script: IO[bytes] | None,
    command: str | None,
    ssh_key: str | None,
    ssh_key_password_file: str | None,
    ssh_password_file: str | None,
    ssh_username: str,
    boot_timeout: float,
    no_wait: bool,
    destroy_on_failure: bool,
    destroy_after: bool,
    **create_words: Any,
) -> Order:
    from .order import Order

    if script and command is not None:
        raise click.UsageError("--script and --command exclude each other")
    if no_wait and (script or command is not None):
        raise click.UsageError("--no-wait is for nodes without a script: one that runs a script is waited for")
    if ssh_key and ssh_password_file:
        raise click.UsageError("--ssh-key and --ssh-password-file exclude each other")
    return Order(
        name=name,
        image=image,
        size=size,
        location=location,
        create_words=_build_create_words(**create_words),
        script=_read_script(script) if script else command,
        ssh_username=ssh_username,
        ssh_key=ssh_key,
        ssh_key_password=read_secret(ssh_key_password_file, KEY_PASSWORD) if ssh_key else None,
        ssh_password=None if ssh_key else read_secret(ssh_password_file, SSH_PASSWORD),
        wait=not no_wait,
        boot_timeout_s=boot_timeout,
        destroy_on_failure=destroy_on_failure,
        destroy_after=destroy_after,
    )


def _build_create_words(
    *, ex_userdata: IO[bytes] | None, ex_networks: Sequence[str], ex_metadata: Sequence[str], **same: Any
) -> dict[str, Any]:
    """``create_node``'s words for the options of the same meaning."""
    return {
        **same,
        "ex_userdata": ex_userdata.read() if ex_userdata else None,
        "ex_networks": list(ex_networks) or None,
        "ex_metadata": dict(_parse_pair(pair) for pair in ex_metadata),
    }


def _parse_pair(pair: str) -> tuple[str, str]:
    key, separator, value = pair.partition("=")
    if not (key and separator):
        raise click.UsageError(f"--metadata takes KEY=VALUE, got {pair!r}")
    return key, value


def _read_script(file: IO[bytes]) -> str:
    try:
        return file.read().decode()
    except UnicodeDecodeError as cause:
        raise click.UsageError(f"--script: {file.name} is no text in UTF-8") from cause


def _show(outcome: Outcome, as_json: bool) -> None:
    script, facts = outcome.script, node_facts(outcome.node)
    if as_json:
        said = {key: getattr(script, key) for key in ("exit_status", "stdout", "stderr")} if script else None
        print_json({"node": facts, "script": said, "destroyed": outcome.destroyed})
    elif script:
        click.echo(script.stdout, nl=False)
        click.echo(script.stderr, nl=False, err=True)
        addresses = ", ".join([*facts["public_ips"], *facts["private_ips"]])
        fate = "destroyed" if outcome.destroyed else "stays"
        click.echo(f"node {facts['name']} ({facts['id']}) at {addresses} {fate}", err=True)
    else:
        print_nodes([facts])
        if outcome.destroyed:
            click.echo(f"node {facts['name']} ({facts['id']}) destroyed", err=True)
    if script and (script.exit_status is None or script.exit_status < 0):
        click.echo("error: the script ended without an exit status: it was killed, or the connection broke", err=True)
    if outcome.error:
        click.echo(f"error: {outcome.error}", err=True)
