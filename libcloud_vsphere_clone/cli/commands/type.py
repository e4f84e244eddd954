"""``vsphere-clone type``: keys on a node's console, for a guest that nothing else reaches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import click

from ..connection import DriverConnection, connected, connection_options
from ..nodes import find_node
from ..progress import Narrator, interruptible, narrated

if TYPE_CHECKING:
    from libcloud.compute.base import Node

    from ...sessions.keyboard.client import KeyboardClient

MAX_CHARACTERS = 1_000_000


@click.command(name="type")
@click.argument("node")
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@click.option("--group", help="The group that the name is of.")
@click.option("--layout", default="us", show_default=True, help="The guest's keyboard: us, de or fr.")
@click.option("--plain", is_flag=True, help="Type the text as it is: <enter> is seven characters.")
@connection_options
def type(
    connection: DriverConnection, node: str, texts: Sequence[str], group: str | None, layout: str, plain: bool
) -> None:
    """Type on a node's console, such as 'root<enter>'.

    Keys are named as in Packer's boot_command: '<leftCtrlOn>c<leftCtrlOff>', '<wait5s>'. Several texts are typed one
    after the other. The text - is standard input, for what must not stand in the list of processes. Nothing comes back
    from the guest.
    """
    from ... import Keyboard

    text = read_texts(texts)
    with connected(connection) as driver, narrated() as narrator:
        found = find_node(driver, node, group)
        client = cast("KeyboardClient", driver.ex_open_session(found, Keyboard(layout=layout)))
        # Of what came from standard input no character is to be seen again.
        _type(client.type if plain else client.type_keys, text, narrator, found, secret="-" in texts)


def read_texts(texts: Sequence[str]) -> str:
    """What is to be typed.

    :raises click.UsageError: there is nothing, or standard input is no text.
    """
    if texts.count("-") > 1:
        raise click.UsageError("- is standard input, which can be read only once")
    try:
        text = "".join(sys.stdin.read(MAX_CHARACTERS) if text == "-" else text for text in texts)
    except UnicodeDecodeError as cause:
        raise click.UsageError("standard input is no text in UTF-8") from cause
    if not text:
        raise click.UsageError("give what to type, or - and write it to standard input")
    return text


def _type(typing: Callable[..., None], text: str, narrator: Narrator, node: Node, *, secret: bool) -> None:
    with interruptible(narrator, first="") as interrupts:
        try:
            narrator.tell(f"typing on the console of {node.name}")
            typing(text, secret=secret)
        except KeyboardInterrupt as interrupt:
            narrator.say(f"interrupted; a part of it is typed on the console of {node.name}")
            raise click.exceptions.Exit(interrupts.exit_status) from interrupt
