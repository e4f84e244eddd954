"""A real guest that a module's tests share, and sessions into it by VMware Tools and by SSH."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from libcloud.compute.base import Node, NodeAuthPassword

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.guest.readiness import wait_running
from libcloud_vsphere_clone.guest.wait import Wait
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.login_retry import connect_when_ready
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient
from libcloud_vsphere_clone.sessions.tools.client import GuestToolsClient
from libcloud_vsphere_clone.sessions.tools.transport import TOOLS_PACE
from libcloud_vsphere_clone.vcenter.rows import Ref
from libcloud_vsphere_clone.vcenter.session import Session

pytestmark = pytest.mark.guests

PASSWORD = "pl€nty of 'secret' $HOME"


def connect_tools_when_ready(
    session: Session, vm: Ref, usernames: list[str], password: str, *, deadline_s: float
) -> GuestToolsClient:
    """As the driver does it: vCenter says when the tools run, and the guest when it knows the user."""
    wait_running(session, {vm: Wait("tools")}, timeout_s=deadline_s)
    return connect_when_ready(
        lambda username: GuestToolsClient(session, vm, username, password),
        usernames,
        deadline_s=deadline_s,
        pace=TOOLS_PACE,
    )


@pytest.fixture(scope="module")
def guest_driver(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    with lab.driver() as driver:
        yield driver


@pytest.fixture(scope="module")
def node(guest_driver: VsphereCloneNodeDriver) -> Iterator[Node]:
    image = guest_driver.ex_get_image_by_name("debian-12")
    made = guest_driver.create_node("tools", None, image, auth=NodeAuthPassword(PASSWORD))
    yield made
    guest_driver.destroy_node(made)


@pytest.fixture(scope="module")
def vm(node: Node) -> Ref:
    return Ref("VirtualMachine", node.extra["moid"])


@pytest.fixture(scope="module")
def client(guest_driver: VsphereCloneNodeDriver, vm: Ref) -> GuestToolsClient:
    """Logged in as soon as cloud-init has set root's password."""
    return connect_tools_when_ready(guest_driver._session, vm, ["root"], PASSWORD, deadline_s=240)


@pytest.fixture(scope="module")
def ssh(guest_driver: VsphereCloneNodeDriver, node: Node, client: GuestToolsClient) -> Iterator[GuestSSHClient]:
    [(_, [address])] = guest_driver.wait_until_running([node], timeout=240, ssh_interface="private_ips")
    session = connect_when_ready(
        lambda username: GuestSSHClient(address, 22, username, password=PASSWORD), ["root"], deadline_s=240
    )
    yield session
    session.close()


@pytest.fixture
def tidy(client: GuestToolsClient) -> Iterator[None]:
    """After the test nothing of ours is in the guest's temporary folder but the folder of the look itself."""
    yield
    assert client.run("ls -d /tmp/libcloud-* | wc -l")[0].strip() == "1"


class Heard:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.pieces: list[tuple[bytes, bool]] = []

    def __call__(self, piece: bytes, is_error: bool) -> None:
        self.pieces.append((piece, is_error))

    def whole(self, *, is_error: bool = False) -> bytes:
        return b"".join(piece for piece, error in self.pieces if error is is_error)
