"""Logins by VMware Tools into a real guest: users, late users, wrong passwords."""

from __future__ import annotations

import io
import logging

import pytest
from libcloud.compute.base import NodeAuthPassword
from libcloud.compute.ssh import SSHCommandTimeoutError

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import AuthenticationError, ConnectionFailedError, InvalidRequestError, TaskError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.tools.client import GuestToolsClient
from libcloud_vsphere_clone.vcenter.rows import Ref
from tests.sessions.tools.conftest import PASSWORD, connect_tools_when_ready

pytestmark = pytest.mark.guests


def test_an_ordinary_user_has_the_rights_of_a_login(
    guest_driver: VsphereCloneNodeDriver, client: GuestToolsClient, vm: Ref
) -> None:
    client.run("useradd -m -s /bin/sh -G games ann && echo 'ann:ann secret' | chpasswd", timeout=120)
    ann = connect_tools_when_ready(guest_driver._session, vm, ["nobody-yet", "ann"], "ann secret", deadline_s=120)
    assert ann.username == "ann"
    assert ann.run("whoami; pwd; id -Gn; echo $SHELL")[0] == "ann\n/home/ann\nann games\n/bin/sh\n"
    ann.put("mine", "x", chmod=0o600)
    assert client.run("stat -c '%U %a' /home/ann/mine")[0] == "ann 600\n"
    with pytest.raises(PermissionError):
        ann.put("/root/hers", "x")
    with pytest.raises(PermissionError):
        ann.get("/etc/shadow", io.BytesIO())
    with pytest.raises(SSHCommandTimeoutError):
        ann.run("sleep 4713", timeout=0.5)
    assert "sleep 4713" not in client.run("ps axo args")[0]


def test_a_user_that_appears_late_is_waited_for(
    guest_driver: VsphereCloneNodeDriver, client: GuestToolsClient, vm: Ref
) -> None:
    client.run("nohup sh -c 'sleep 3; useradd -m late && echo late:later | chpasswd' >/dev/null 2>&1 &")
    session = connect_tools_when_ready(guest_driver._session, vm, ["late"], "later", deadline_s=120)
    assert session.run("whoami")[0] == "late\n"


def test_a_wrong_password_is_an_authentication_error(guest_driver: VsphereCloneNodeDriver, vm: Ref) -> None:
    with pytest.raises(AuthenticationError, match=r"'tools' as 'root'.*InvalidGuestLogin.*never a key"):
        GuestToolsClient(guest_driver._session, vm, "root", "wrong").connect()
    with pytest.raises(AuthenticationError, match="cloud-init"):
        connect_tools_when_ready(guest_driver._session, vm, ["root"], "wrong", deadline_s=2)
    with pytest.raises(InvalidRequestError, match="keys are not known"):
        GuestToolsClient(guest_driver._session, vm, "root", "")


def test_the_password_is_nowhere(client: GuestToolsClient, lab: Lab, vm: Ref, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen = client.run("ps axeo args; env; cat /tmp/libcloud-*/run/* 2>/dev/null")[0] + repr(client)
    lab.faults.add("ValidateCredentialsInGuest", fault="InvalidGuestLogin")
    with pytest.raises(AuthenticationError) as caught:
        client.connect()
    client.connect()
    seen += repr(caught.value) + repr(vars(caught.value)) + caplog.text + lab.log_text() + repr(client._calls)
    assert "secret" not in seen


def test_a_vm_without_tools_takes_no_login(guest_driver: VsphereCloneNodeDriver) -> None:
    image = guest_driver.ex_get_image_by_name("debian-12")
    off = guest_driver.create_node("off", None, image, auth=NodeAuthPassword(PASSWORD), ex_power_on=False)
    ref = Ref("VirtualMachine", off.extra["moid"])
    try:
        with pytest.raises(ConnectionFailedError, match=r"InvalidPowerState.*check that the VM is on"):
            GuestToolsClient(guest_driver._session, ref, "root", PASSWORD).connect()
        with pytest.raises(TaskError, match=r"no guest can answer: 'off' is poweredOff; start it with start_node"):
            connect_tools_when_ready(guest_driver._session, ref, ["root"], PASSWORD, deadline_s=60)
    finally:
        guest_driver.destroy_node(off)
