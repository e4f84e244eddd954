"""``cli/error_messages.py``: errors in words of the command's options."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import click
import pytest

import libcloud_vsphere_clone
from libcloud_vsphere_clone.cli import main
from libcloud_vsphere_clone.cli.error_messages import describe_error
from libcloud_vsphere_clone.cli.spelling import MISSING, spell_option
from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import (
    AmbiguousNameError,
    GroupError,
    InvalidRequestError,
    NotFoundError,
    VsphereError,
    error_of,
)
from libcloud_vsphere_clone.guest.wait import build_wait
from libcloud_vsphere_clone.option_names import expression, option
from libcloud_vsphere_clone.sessions.keyboard.transport import Keyboard
from libcloud_vsphere_clone.sessions.opener import check_wait

PACKAGE = Path(libcloud_vsphere_clone.__file__).parent
CLOUD_INIT = "customize='cloud-init'"


@pytest.mark.parametrize(
    ("failure", "shown"),
    [
        (
            NotFoundError("node", "web", f"{expression('list_nodes()')} shows what there is"),
            "vsphere-clone nodes shows",
        ),
        (AmbiguousNameError("node", "web", ["a"], f"give {option('group=')}, or its id"), "give --group, or its id"),
        (VsphereError(f"a longer {expression('timeout=')}"), "a longer --timeout"),
        (VsphereError(f"name one with {option('images_folder=')}"), "with --images-folder"),
        (VsphereError(f"one you may use with {option('resource_pool=')}"), "with --pool"),
        (VsphereError(f"{option('dns_search')}: not {option('dns')}"), "--dns-search: not --dns"),
        (VsphereError(f"use {option(CLOUD_INIT)}"), "use --customize='cloud-init'"),
        (VsphereError(f"with {option('networks=[Nic(address=...)]')}"), "with --network"),
        (VsphereError(f"as {expression('auth=NodeAuthPassword(...)')}, or"), "as --ssh-password-file, or"),
        (VsphereError(f"give {option('allow_unmanaged=True')} to allow it"), "give --allow-unmanaged to allow it"),
        (VsphereError(f"allow more with {option('timeout_s=')}"), "allow more with ex_timeout_s="),
        (GroupError("some failed", [], {"a": VsphereError(option("cpus"))}), "some failed (a: --cpus)"),
        (error_of("do it", VsphereError(option("cpus"))), "could not do it: --cpus"),
        (VsphereError("a node called ex_dns"), "a node called ex_dns"),
    ],
)
def test_messages_name_options(failure: VsphereError, shown: str) -> None:
    assert shown in describe_error(failure)


def test_a_message_of_the_driver_speaks_python() -> None:
    failure = NotFoundError("pool", "x", f"choose one with {option('resource_pool=')}")
    assert str(failure) == failure.args[0] == failure.value == "no pool 'x' (choose one with ex_resource_pool=)"
    again = pickle.loads(pickle.dumps(failure))  # noqa: S301 - our own
    assert (str(again), describe_error(again)) == (str(failure), "no pool 'x' (choose one with --pool)")


OPTION = re.compile(r"""\boption\("([a-z_]+)|\boption\('([a-z_]+)""")


def test_each_option_in_a_message_is_one_of_the_command_or_said_to_be_missing() -> None:
    texts = [path.read_text() for path in PACKAGE.rglob("*.py") if "cli" not in path.parts]
    named = {first or second for text in texts for first, second in OPTION.findall(text)}
    methods = {name for name in named if hasattr(VsphereCloneNodeDriver, f"ex_{name}")}
    commands = [main.get_command(click.Context(main), name) for name in main.list_commands(click.Context(main))]
    flags = {flag for command in commands if command for param in command.params for flag in param.opts}
    assert {spell_option(f"ex_{name}=") for name in named - methods - MISSING} <= flags
    assert not {f"--{name.replace('_', '-')}" for name in MISSING} & flags


def test_a_wait_that_a_transport_cannot_do() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_wait(Keyboard(), build_wait("customized"))
    shown = describe_error(caught.value)
    assert "so --wait-for='customized' does not go with it: use 'ssh' or 'tools'" in shown
    assert "wait first, with vsphere-clone deploy --wait-for customized" in shown
