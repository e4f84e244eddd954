"""Host keys on a real sshd, and in real guests."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import ConnectionFailedError, InvalidRequestError
from libcloud_vsphere_clone.guest.host_keys import (
    HostKeyCheck,
    HostKeyError,
    fingerprint_of,
    new_host_keys,
    publish_config,
    read_host_keys,
    to_mark,
)
from libcloud_vsphere_clone.guest.keys import load_private_key
from libcloud_vsphere_clone.guest.ready import connect_when_ready
from libcloud_vsphere_clone.guest.ssh import GuestSSHClient
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.rows import Ref, Row
from libcloud_vsphere_clone.vcenter.updates import watch_rows
from tests.guest.conftest import Sshd, SshdFactory

PASSWORD = "Known-by-its-key-1"
OTHER = f"ssh-ed25519 SHA256:{'A' * 43}"

Connect = Callable[..., GuestSSHClient]


def by_ssh_keygen(public_key: Path) -> str:
    done = subprocess.run(["ssh-keygen", "-l", "-f", public_key], check=True, capture_output=True, text=True)
    return f"{public_key.read_text().split()[0]} {done.stdout.split()[1]}"


@pytest.fixture
def session(client_key: Path, username: str) -> Iterator[Connect]:
    """Makes sessions into a loopback server, not yet connected."""
    made: list[GuestSSHClient] = []

    def session(sshd: Sshd, *known: str) -> GuestSSHClient:
        check = HostKeyCheck(frozenset(known)) if known else None
        keys = [load_private_key(client_key)]
        made.append(GuestSSHClient("127.0.0.1", sshd.port, username, timeout=10, pkeys=keys, host_key=check))
        return made[-1]

    yield session
    for each in made:
        each.close()


@pytest.mark.parametrize("kind", [("-t", "ed25519"), ("-t", "ecdsa"), ("-t", "rsa", "-b", "2048")])
def test_fingerprints_are_those_of_ssh_keygen(make_key: Callable[..., Path], kind: tuple[str, ...]) -> None:
    path = make_key(*kind)
    assert fingerprint_of(load_private_key(path)) == by_ssh_keygen(path.with_name(f"{path.name}.pub"))


def test_new_key_is_one_for_openssh(tmp_path: Path) -> None:
    key = new_host_key()
    pair = key.cloud_config["ssh_keys"]
    (tmp_path / "key").write_text(pair["ed25519_private"])
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "key.pub").write_text(pair["ed25519_public"])
    assert by_ssh_keygen(tmp_path / "key.pub") == key.fingerprint
    derived = subprocess.run(["ssh-keygen", "-y", "-f", tmp_path / "key"], check=True, capture_output=True, text=True)
    assert derived.stdout.split()[:2] == pair["ed25519_public"].split()
    assert "PRIVATE" not in repr(key)
    assert new_host_key().fingerprint != key.fingerprint


def test_first_key_is_accepted_and_said(sshd: Sshd, session: Connect) -> None:
    client = session(sshd)
    assert client.host_key_fingerprint is None
    client.connect()
    assert client.host_key_fingerprint == fingerprint_of(load_private_key(sshd.folder / "host_key"))
    again = session(sshd, client.host_key_fingerprint, OTHER)
    assert again.connect()
    assert again.run("echo in")[0] == "in\n"


def test_other_key_is_refused_before_any_credential(new_sshd: SshdFactory, session: Connect) -> None:
    sshd = new_sshd(LogLevel="DEBUG1")
    sshd.start()
    sshd.wait()
    client = session(sshd, OTHER)
    with pytest.raises(ConnectionFailedError, match=f"ecdsa-sha2-nistp256 SHA256:.*should be {OTHER}") as caught:
        client.connect()
    assert isinstance(caught.value.fault, HostKeyError)
    sshd.stop()
    assert "userauth-request" not in sshd.log


def test_other_key_is_not_tried_again(sshd: Sshd, session: Connect) -> None:
    def no_sleep(_: float) -> None:
        raise AssertionError("it waits to try again")

    with pytest.raises(ConnectionFailedError, match="host key"):
        connect_when_ready(lambda _: session(sshd, OTHER), ["alice"], deadline_s=10, sleep=no_sleep)


@pytest.mark.parametrize("kind", [("-t", "ed25519"), ("-t", "ecdsa"), ("-t", "rsa", "-b", "2048")])
def test_server_with_several_keys_shows_the_known_one(
    new_sshd: SshdFactory, make_key: Callable[..., Path], session: Connect, kind: tuple[str, ...]
) -> None:
    sshd = new_sshd()
    paths = [make_key("-t", "ed25519"), make_key("-t", "ecdsa"), make_key("-t", "rsa", "-b", "2048")]
    sshd.options["HostKey"] = "\nHostKey ".join(map(str, paths))
    sshd.start()
    sshd.wait()
    known = fingerprint_of(load_private_key(make_key(*kind)))
    client = session(sshd, known)
    client.connect()
    assert client.host_key_fingerprint == known


@pytest.mark.parametrize("known", [(), ("",), ("SHA256:" + "A" * 43,), (OTHER, "ssh-ed25519 MD5:00")])
def test_what_is_no_fingerprint(known: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequestError, match="no fingerprint of a host key"):
        HostKeyCheck(frozenset(known))


def test_published_fingerprints() -> None:
    ref = Ref("VirtualMachine", "vm-1")
    text = f"{OTHER.replace(' ', '=')},x=SHA256:short,,junk"
    assert read_host_keys(Row(ref, {HOST_KEYS_PATH: text})) == {OTHER}
    assert read_host_keys(Row(ref)) == frozenset()


# In guests


@pytest.fixture
def guests(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    with lab.driver() as driver:
        yield driver
        for node in driver.list_nodes(ex_group="host-keys"):
            driver.destroy_node(node)


def _boot(driver: VsphereCloneNodeDriver, config: dict[str, Any]) -> Node:
    return driver.create_node(
        f"keys-{uuid.uuid4().hex[:6]}",
        None,
        driver.ex_get_image_by_name("debian-12"),
        auth=NodeAuthPassword(PASSWORD),
        ex_userdata="#cloud-config\n" + json.dumps(config),
        ex_group="host-keys",
    )


def _log_in(driver: VsphereCloneNodeDriver, node: Node, check: HostKeyCheck | None) -> GuestSSHClient:
    [(_, addresses)] = driver.wait_until_running([node], ssh_interface="private_ips")
    return connect_when_ready(
        lambda username: GuestSSHClient(addresses[0], 22, username, PASSWORD, host_key=check), ["root"], deadline_s=30
    )


@pytest.mark.guests
def test_guest_has_the_key_that_it_was_given(guests: VsphereCloneNodeDriver) -> None:
    key = new_host_key()
    node = _boot(guests, key.cloud_config)
    client = _log_in(guests, node, HostKeyCheck(frozenset({key.fingerprint})))
    assert client.run("stat -c %a /etc/ssh/ssh_host_ed25519_key")[0] == "600\n"
    client.run("cloud-init status --wait; ssh-keygen -q -t ed25519 -N '' -f /root/new; cp /root/new* /root/x")
    replace = "cat /root/new > /etc/ssh/ssh_host_ed25519_key; cat /root/new.pub > /etc/ssh/ssh_host_ed25519_key.pub"
    assert client.run(f"{replace}; /etc/init.d/ssh restart")[2] == 0
    client.close()
    with pytest.raises(ConnectionFailedError, match="another machine answers at this address, or the guest was given"):
        _log_in(guests, node, HostKeyCheck(frozenset({key.fingerprint})))


@pytest.mark.guests
def test_guest_publishes_its_keys(guests: VsphereCloneNodeDriver) -> None:
    node = _boot(guests, publish_config())
    vm = Ref("VirtualMachine", node.extra["moid"])
    published: frozenset[str] = frozenset()
    for rows in watch_rows(guests._session, {vm: [HOST_KEYS_PATH]}, timeout_s=30):
        row = rows[vm]
        if row and (published := read_host_keys(row)):
            break
    assert {text.split()[0] for text in published} == {"ssh-ed25519", "ecdsa-sha2-nistp256"}
    client = _log_in(guests, node, HostKeyCheck(published))
    assert client.host_key_fingerprint in published
    client.close()
