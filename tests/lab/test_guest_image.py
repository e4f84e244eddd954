"""Guests boot as real machines do, and a lab's end is theirs."""

from __future__ import annotations

import base64
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import paramiko
import pytest

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.lab.engine import Engine
from libcloud_vsphere_clone.lab.guest_image import ensure_guest_images
from libcloud_vsphere_clone.lab.process import clear_dead_labs
from libcloud_vsphere_clone.lab.record import load_record
from libcloud_vsphere_clone.lab.remains import LABEL

pytestmark = pytest.mark.guests

Connect = Callable[[Lab], Any]

USER_DATA = """\
#cloud-config
hostname: named-by-user-data
disable_root: false
ssh_pwauth: true
users:
  - name: root
    ssh_authorized_keys: ["{key}"]
  - name: alice
    lock_passwd: false
    plain_text_passwd: sesame
    sudo: "ALL=(ALL) NOPASSWD:ALL"
bootcmd: ["touch /run/bootcmd-ran"]
write_files: [{{path: /etc/written, content: text}}]
runcmd: ["until test -e /run/go-on; do sleep 0.1; done; touch /var/runcmd-ran"]
"""


class Guest:
    """A running clone, and ways into it."""

    def __init__(self, client: Any, vm: Any, key: paramiko.PKey) -> None:
        self.client, self.vm, self.key = client, vm, key

    @property
    def address(self) -> str:
        return str(self.client.read(self.vm, "guest.ipAddress"))

    def run(self, command: str, user: str = "root", password: str | None = None) -> str:
        """The command's output, as soon as the guest lets us in."""
        deadline = time.monotonic() + 120
        while True:
            with closing(paramiko.SSHClient()) as ssh:
                ssh.set_missing_host_key_policy(paramiko.MissingHostKeyPolicy())
                key = None if password else self.key
                try:
                    ssh.connect(
                        self.address, 22, user, password, key, timeout=20, allow_agent=False, look_for_keys=False
                    )
                except (OSError, EOFError, paramiko.SSHException):
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
                    continue
                _, stdout, _ = ssh.exec_command(command, timeout=120)
                return str(stdout.read().decode().strip())

    def finish(self) -> str:
        """Lets cloud-init end; how it went."""
        return self.run("touch /run/go-on; cloud-init status --wait").strip(".\n")

    def wait_until(self, power_state: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while self.client.read(self.vm, "runtime.powerState") != power_state:
            assert time.monotonic() < deadline, f"not {power_state} in {timeout_s} s"
            time.sleep(0.05)


def host_keys(address: str) -> bytes:
    with closing(paramiko.Transport((address, 22))) as transport:
        transport.start_client(timeout=60)
        return transport.get_remote_server_key().asbytes()


@pytest.fixture(scope="module")
def key() -> paramiko.PKey:
    return paramiko.ECDSAKey.generate()


@pytest.fixture
def guest(lab: Lab, connect: Connect, key: paramiko.PKey, request: pytest.FixtureRequest) -> Iterator[Guest]:
    client = connect(lab)
    text = USER_DATA.format(key=f"{key.get_name()} {key.get_base64()}")
    extra = {
        "guestinfo.userdata": base64.b64encode(text.encode()).decode(),
        "guestinfo.userdata.encoding": "base64",
        "guestinfo.metadata": base64.b64encode(b"instance-id: i-1\nlocal-hostname: web-1\n").decode(),
        "guestinfo.metadata.encoding": "base64",
    }
    vm = client.clone("debian-12", request.node.name[:60], extra)
    yield Guest(client, vm, key)
    client.destroy(vm)


def test_cloud_init_does_its_work_while_people_may_log_in(guest: Guest) -> None:
    assert guest.run("ls /var/runcmd-ran || ls /run/bootcmd-ran") == "/run/bootcmd-ran"
    assert guest.finish() == "status: done"
    assert guest.run("ls /var/runcmd-ran; cat /etc/written") == "/var/runcmd-ran\ntext"
    assert guest.run("hostname; cat /etc/hostname") == "named-by-user-data\nnamed-by-user-data"
    assert guest.run("sudo -n id -un", "alice", "sesame") == "root"


def test_a_login_is_possible_soon_after_the_start(guest: Guest) -> None:
    began = time.monotonic()
    guest.run("true")
    assert time.monotonic() - began < 20  # about one second on an idle machine; a name server that is silent costs more


def test_scripts_do_not_get_the_capability_that_names_the_host(guest: Guest) -> None:
    assert guest.run("hostname other 2>&1") == "hostname: you must be root to change the host name"


def test_a_guest_switches_itself_off_and_boots_again_the_same(guest: Guest) -> None:
    guest.finish()
    before = host_keys(guest.address)
    guest.run("poweroff")
    guest.wait_until("poweredOff", 120)
    guest.client.wait(guest.vm.PowerOn())
    assert guest.run("hostname") == "named-by-user-data"
    assert host_keys(guest.address) == before


def test_a_guest_reboots_in_place(guest: Guest) -> None:
    guest.finish()
    guest.run("touch /run/before; sleep 1000 & reboot")
    deadline = time.monotonic() + 120
    while guest.run("pgrep -c sleep") != "0":  # until it has gone down
        assert time.monotonic() < deadline
    assert guest.run("hostname") == "named-by-user-data"


def test_a_shutdown_is_prompt(guest: Guest) -> None:
    guest.run("true")
    guest.vm.ShutdownGuest()
    guest.wait_until("poweredOff", 9)  # one that does not listen is killed after ten seconds


def test_the_static_image_has_a_password_and_no_cloud_init(lab: Lab, connect: Connect, key: paramiko.PKey) -> None:
    client = connect(lab)
    one, two = (Guest(client, client.clone("debian-12-static", f"static-{i}", {}), key) for i in range(2))
    assert one.run("id -un; command -v cloud-init", "root", "vsphere-lab") == "root"
    two.run("true", "root", "vsphere-lab")
    assert host_keys(one.address) != host_keys(two.address)
    for each in (one, two):
        client.destroy(each.vm)


def labelled(lab_id: str, engine: Engine) -> list[str]:
    return engine.check("list containers", "ps", "-aq", "--filter", f"label={LABEL}={lab_id}").split()


def test_a_lab_takes_its_guests_with_it(connect: Connect, lab: Lab) -> None:
    with Lab() as other:
        connect(other).clone("debian-12", "left-behind", {})
        record = load_record(other.name)
        assert record
        assert record.engine
        assert len(labelled(record.lab_id, record.engine)) == 1
    assert labelled(record.lab_id, record.engine) == []


def test_a_killed_labs_guests_are_removed_with_what_it_left(private_state: object, connect: Connect, lab: Lab) -> None:
    killed = Lab().start()
    connect(killed).clone("debian-12-static", "left-behind", {})
    record = load_record(killed.name)
    assert record
    assert record.engine
    os.kill(killed.pid, signal.SIGKILL)
    while record.is_running():
        pass
    assert len(labelled(record.lab_id, record.engine)) == 1
    assert clear_dead_labs() == [killed.name]
    assert labelled(record.lab_id, record.engine) == []


def test_images_that_are_there_are_not_built_again(lab: Lab) -> None:
    record = load_record(lab.name)
    assert record
    assert record.engine
    images = ensure_guest_images(record.engine, pytest.fail)
    assert images.cloud_init.startswith("localhost/vsphere-lab/debian-12:")
