"""SSH as a way into real guests: whose host key is checked from when on."""

from __future__ import annotations

import time
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword
from libcloud.compute.deployment import ScriptDeployment
from libcloud.compute.types import DeploymentError

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import ConnectionFailedError, InvalidRequestError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model.vm import SESSION_PATHS
from libcloud_vsphere_clone.sessions.ssh.host_keys import read_host_keys
from libcloud_vsphere_clone.sessions.ssh.transport import SSH
from libcloud_vsphere_clone.vcenter.properties import fetch_row
from libcloud_vsphere_clone.vcenter.rows import Ref

pytestmark = pytest.mark.guests

STATIC = NodeAuthPassword("vsphere-lab")
GIVEN = NodeAuthPassword("Given-1-password")
WRONG = f"ssh-ed25519 SHA256:{'A' * 43}"
NEW_KEYS = """
for kind in ed25519 ecdsa rsa; do
    rm -f /etc/ssh/ssh_host_${kind}_key*
    ssh-keygen -q -t $kind -N '' -f /etc/ssh/ssh_host_${kind}_key
done
/etc/init.d/ssh restart
"""


def deploy(driver: VsphereCloneNodeDriver, name: str, image: str, **words: Any) -> Node:
    named = {"name": name, "size": None, "image": driver.ex_get_image_by_name(image)}
    return driver.deploy_node(
        **{"deploy": ScriptDeployment("true"), "timeout": 240, "ex_group": "doors", **named, **words}
    )


def marked_keys(driver: VsphereCloneNodeDriver, node: Node) -> frozenset[str]:
    """The fingerprints that the node's mark has."""
    row = fetch_row(driver._session, Ref("VirtualMachine", node.extra["moid"]), SESSION_PATHS)
    assert row is not None
    known, is_marked = read_host_keys(row)
    return known if is_marked else frozenset()


def test_the_first_key_of_an_image_without_cloud_init_is_remembered(guests: VsphereCloneNodeDriver, lab: Lab) -> None:
    node = deploy(guests, "static", "debian-12-static", auth=STATIC)
    [remembered] = marked_keys(guests, node)
    lab.reset_calls()
    session = guests.ex_open_session(node, auth=STATIC)
    assert "ReconfigVM_Task" not in lab.calls().by_method
    assert session.host_key_fingerprint == remembered  # type: ignore[attr-defined]
    assert session.run(NEW_KEYS)[2] == 0
    session.close()
    begun = time.monotonic()
    with pytest.raises(ConnectionFailedError, match="another machine answers at this address") as caught:
        guests.ex_open_session(node, auth=STATIC, timeout=240)
    assert time.monotonic() - begun < 120  # no login is tried further
    assert remembered in str(caught.value)
    assert marked_keys(guests, node) == {remembered}


def test_keys_are_given_to_a_guest_and_checked_from_the_first_session_on(guests: VsphereCloneNodeDriver) -> None:
    node = deploy(guests, "seeded", "debian-12", auth=GIVEN)
    given = marked_keys(guests, node)
    assert {key.split()[0] for key in given} == {"ssh-ed25519", "ecdsa-sha2-nistp256"}
    session = guests.ex_open_session(node, auth=GIVEN)
    shown = session.host_key_fingerprint  # type: ignore[attr-defined]
    session.close()
    assert shown in given

    with pytest.raises(ConnectionFailedError, match=f"should be {WRONG}"):
        guests.ex_open_session(node, SSH([WRONG]), auth=GIVEN)
    assert marked_keys(guests, node) == given  # what did not let us in is not remembered
    guests.ex_open_session(node, SSH([shown]), auth=GIVEN).close()
    assert marked_keys(guests, node) == given


def test_a_key_that_the_caller_knows_is_checked_before_anything_is_sent(guests: VsphereCloneNodeDriver) -> None:
    script = ScriptDeployment("touch /tmp/ran")
    with pytest.raises(DeploymentError, match="its host key is") as caught:
        deploy(guests, "known", "debian-12-static", deploy=script, auth=STATIC, ex_transport=SSH([WRONG]))
    assert isinstance(caught.value.original_error, ConnectionFailedError)
    assert script.exit_status is None
    assert marked_keys(guests, caught.value.node) == frozenset()


def test_what_is_no_fingerprint_is_refused_before_a_vm_exists(guests: VsphereCloneNodeDriver, lab: Lab) -> None:
    lab.reset_calls()
    with pytest.raises(InvalidRequestError, match="'MD5:00' is no fingerprint"):
        deploy(guests, "refused", "debian-12", auth=GIVEN, ex_transport=SSH(["MD5:00"]))
    assert "CloneVM_Task" not in lab.calls().by_method


def test_the_callers_user_data_has_the_guest_publish_its_own_keys(guests: VsphereCloneNodeDriver) -> None:
    words = {"ex_userdata": "#cloud-config\n{}\n", "ex_wait_for": "customized"}
    node = deploy(guests, "published", "debian-12", auth=GIVEN, **words)
    first = marked_keys(guests, node)  # accepted before, or published already: cloud-init says them in the end
    session = guests.ex_open_session(node, auth=GIVEN)
    assert session.host_key_fingerprint in first  # type: ignore[attr-defined]
    said = session.run("vmware-rpctool 'info-get guestinfo.libcloud.hostkeys'")[0]
    session.close()
    assert all(key.replace(" ", "=", 1) in said for key in first)
