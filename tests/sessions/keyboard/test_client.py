"""Sessions that type, on the lab's console."""

from __future__ import annotations

import logging
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from libcloud.compute.base import Node
from libcloud.compute.deployment import FileDeployment, MultiStepDeployment, ScriptDeployment, SSHKeyDeployment
from libcloud.compute.ssh import BaseSSHClient, SSHCommandTimeoutError

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import InvalidRequestError, NotFoundError, NotPermittedError, TaskError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.keyboard.client import KeyboardClient, TypingSpeed
from libcloud_vsphere_clone.vcenter.rows import Ref
from libcloud_vsphere_clone.vcenter.session import Endpoint, Session
from libcloud_vsphere_clone.vcenter.tls import Trust
from tests.direct import Create

Keyboard = Callable[..., KeyboardClient]

PASSWORD = 'hunter2-"|~<enter>'


def test_text_and_keys_are_typed(keyboard: Keyboard, bare_lab: Lab, console_node: Node) -> None:
    client = keyboard()
    client.type("say <enter>\n")
    client.type_keys("root<enter><leftShiftOn>a<leftShiftOff><wait1ms>b")
    said = "say <enter><enter>root<enter><leftShiftOn>A<leftShiftOff>b"
    assert bare_lab.typed(console_node) == said
    assert repr(client) == "KeyboardClient(web-1)"


def test_nothing_is_typed_that_could_not_be_typed_whole(keyboard: Keyboard, bare_lab: Lab, console_node: Node) -> None:
    client = keyboard()
    for attempt in (
        lambda: client.type("caf\u00e9 na\u00efve"),
        lambda: client.type_keys("abc<entr>"),
        lambda: client.run("echo \u00fc"),
        lambda: client.put("\u00fc", "x"),
        lambda: client.log_in("root", "\u00fc"),
    ):
        with pytest.raises(InvalidRequestError):
            attempt()
    assert bare_lab.typed(console_node) == ""


def test_connecting_needs_a_node_that_is_on(
    driver: VsphereCloneNodeDriver, keyboard: Keyboard, create: Create, console_node: Node
) -> None:
    client = keyboard()
    assert client.connect()
    assert client.close()
    assert isinstance(client, BaseSSHClient)
    driver.stop_node(console_node, ex_hard=True)
    for attempt in (client.connect, lambda: client.type("x")):
        with pytest.raises(TaskError, match="console of 'web-1': it is poweredOff; start it first"):
            attempt()
    driver.destroy_node(console_node)
    with pytest.raises(NotFoundError, match="no node 'web-1'"):
        client.connect()
    with pytest.raises(NotFoundError):
        KeyboardClient(driver._session, Ref("VirtualMachine", "vm-nowhere")).type("x")


def test_an_old_vcenter_cannot_type(bare_lab: Lab, console_node: Node) -> None:
    trust = Trust(bare_lab.ca_cert)
    endpoint = Endpoint(bare_lab.host, bare_lab.port, bare_lab.username, bare_lab.password, trust, api_version="6.0")
    with Session(endpoint) as session:
        client = KeyboardClient(session, Ref("VirtualMachine", console_node.extra["moid"]))
        with pytest.raises(InvalidRequestError, match=r"vCenter can since vSphere 6.5, and this one speaks API 6.0"):
            client.type("x")


def test_run_types_a_line_and_knows_no_status(keyboard: Keyboard, bare_lab: Lab, console_node: Node) -> None:
    assert keyboard().run("ip link set eth0 up") == ("", "", -1)
    assert bare_lab.typed(console_node) == "ip link set eth0 up<enter>"
    with pytest.raises(SSHCommandTimeoutError) as caught:
        keyboard(pace=TypingSpeed(keys_per_call=1, pause_s=0.05)).run("sleep 600", timeout=0.1)
    assert caught.value.timeout == 0.1


def test_libclouds_deployments_are_typed(keyboard: Keyboard, bare_lab: Lab, console_node: Node, tmp_path: Path) -> None:
    """Libcloud's own steps; what they typed is given to a real shell."""
    home, source = tmp_path / "home", tmp_path / "source"
    home.mkdir()
    source.write_bytes(bytes(range(256)))
    source.chmod(0o600)
    script = ScriptDeployment('#!/bin/sh\nprintf "%s|" "$@" > done\n', args=["a", "b"], delete=True)
    steps = MultiStepDeployment([FileDeployment(str(source), "etc/copy"), SSHKeyDeployment("ssh-x AAAA"), script])
    steps.run(console_node, keyboard())
    assert (script.stdout, script.stderr, script.exit_status) == ("", "", -1)
    lines = bare_lab.typed(console_node).replace("<enter>", "\n")
    subprocess.run(
        ["sh"], input=lines, text=True, check=True, cwd=home, env={"HOME": str(home), "PATH": "/usr/bin:/bin"}
    )
    assert (home / "etc/copy").read_bytes() == source.read_bytes()
    assert (home / "etc/copy").stat().st_mode & 0o777 == 0o600
    assert (home / ".ssh/authorized_keys").read_text() == "ssh-x AAAA"
    assert (home / "done").read_text() == "a|b|"
    assert sorted(file.name for file in home.iterdir()) == [".ssh", "done", "etc"]


def test_put_gives_the_path_in_the_guest(keyboard: Keyboard, bare_lab: Lab, console_node: Node) -> None:
    client = keyboard(layout="de")
    assert client.put("x", "y", 0o700) == "~/x"
    assert client.putfo("/x") == "/x"
    with pytest.raises(ValueError, match="mode 'r' is not known"):
        client.put("x", mode="r")


def test_a_password_is_typed_and_shown_nowhere(
    keyboard: Keyboard, bare_lab: Lab, console_node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = keyboard()
    client.log_in("root", PASSWORD, wait_s=0)
    assert bare_lab.typed(console_node) == f"root<enter>{PASSWORD}<enter>"
    # The user name needs one call; the next one has the password.
    bare_lab.faults.add("PutUsbScanCodes", fault="NoPermission", every=2)
    with pytest.raises(NotPermittedError) as caught:
        client.log_in("root", PASSWORD, wait_s=0)
    with pytest.raises(InvalidRequestError) as refused:
        client.log_in("root", PASSWORD + "\u00fc")
    told = [caplog.text, bare_lab.log_text(), *map(repr, (client, vars(client), vars(client._console)))]
    for error in (caught.value, refused.value):
        told += traceback.format_exception(error)
    assert not [text for text in told if PASSWORD in text or "hunter2" in text or "\u00fc" in text]
