"""WinRM as a way into a node: a real node's row, and the lab's server in the place of its guest's.

There is no Windows in the lab. Behind the server, which speaks the real protocol, is a stand-in for one.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.base import NodeAuthPassword
from libcloud.compute.deployment import ScriptDeployment

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError, InvalidRequestError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.lab.winrm import LabWinRM
from libcloud_vsphere_clone.model.vm import NODE_PATHS, SESSION_PATHS
from libcloud_vsphere_clone.sessions.access import build_access
from libcloud_vsphere_clone.sessions.base import Target
from libcloud_vsphere_clone.sessions.options import LoginOptions
from libcloud_vsphere_clone.sessions.winrm.transport import WinRM
from libcloud_vsphere_clone.vcenter.properties import fetch_row
from libcloud_vsphere_clone.vcenter.rows import Ref
from tests.direct import Create
from tests.sessions.winrm.winrm_servers import windows

PASSWORD = "Right-0ne!"
Open = Callable[..., Any]


@pytest.fixture
def server(bare_lab: Lab, tmp_path: Path) -> Iterator[LabWinRM]:
    with bare_lab.start_winrm(windows(tmp_path), password=PASSWORD) as running:
        yield running


@pytest.fixture
def target(driver: VsphereCloneNodeDriver, create: Create, server: LabWinRM) -> Target:
    """A node that is to be reached at the server's address."""
    node = create("windows-1")
    row = fetch_row(driver._session, Ref("VirtualMachine", node.extra["moid"]), (*NODE_PATHS, *SESSION_PATHS))
    assert row is not None
    return Target(driver._session, WinRM(), row, node.name, [server.host])


def open_session(transport: WinRM, target: Target, password: str = PASSWORD, *, timeout_s: float = 120) -> Any:
    access = build_access(LoginOptions(auth=NodeAuthPassword(password)), transport.username)
    said: list[str] = []
    client = transport.prepared(None, access, new=False).open(target, access, timeout_s=timeout_s, tell=said.append)
    assert said == [f"logging in to {target.addresses[0]} by WinRM as Administrator"]
    return client


def test_a_session_by_password_and_a_verified_certificate(
    bare_lab: Lab, server: LabWinRM, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    transport = WinRM(port=server.port, ca_cert=bare_lab.ca_cert, auth="basic")
    client = open_session(transport, target)
    try:
        assert client.run("echo out; echo err >&2; exit 7") == ("out\n", "err\n", 7)
        step = ScriptDeployment("echo from a script; exit 3", name="step.ps1")
        step.run(None, client)  # type: ignore[arg-type]  # it does not look at the node
        assert (step.exit_status, step.stdout, step.stderr) == (3, "from a script\n", "")
    finally:
        client.close()
    assert server.counts().shells == 0
    for secret in (PASSWORD, base64.b64encode(f"Administrator:{PASSWORD}".encode()).decode()):
        assert secret not in caplog.text


def test_a_certificate_of_an_unknown_ca_is_refused(server: LabWinRM, target: Target) -> None:
    with pytest.raises(ConnectionFailedError, match="certificate"):
        open_session(WinRM(port=server.port, auth="basic"), target, timeout_s=2)
    assert server.counts().actions == {}
    assert server.counts().refused == 0


def test_a_wrong_password_is_said(bare_lab: Lab, server: LabWinRM, target: Target) -> None:
    transport = WinRM(port=server.port, ca_cert=bare_lab.ca_cert, auth="basic")
    with pytest.raises(AuthenticationError) as caught:
        open_session(transport, target, "Wrong-0ne!", timeout_s=1)
    assert "Wrong-0ne" not in str(caught.value)


def test_without_a_password_nothing_is_made(driver: VsphereCloneNodeDriver, bare_lab: Lab, key_file: str) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="'winrm' logs in with a password: pass auth=NodeAuthPassword"):
        driver.deploy_node(
            ScriptDeployment("exit 0"), name="w", size=None, image=image, ssh_key=key_file, ex_transport="winrm"
        )
    assert bare_lab.calls().total == 0


@pytest.mark.parametrize("wrong", [{"auth": "kerberoast"}, {"ssl": False, "auth": "basic"}])
def test_settings_that_cannot_be_are_refused_before_anything_is_sent(wrong: dict[str, Any]) -> None:
    access = build_access(LoginOptions(auth=NodeAuthPassword(PASSWORD)))
    with pytest.raises(InvalidRequestError):
        WinRM(**wrong).prepared(None, access, new=True)


def test_a_client_certificate_needs_no_password(key_file: str) -> None:
    access = build_access(LoginOptions(key=key_file))
    transport = WinRM(certificate=(key_file, key_file), auth="certificate")
    assert transport.prepared(None, access, new=True) is transport
