"""Host keys on a real sshd, and in real guests."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import ConnectionFailedError, InvalidRequestError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model.marks import HOST_KEY, PUBLISHED_HOST_KEYS, mark_path
from libcloud_vsphere_clone.model.vm import SESSION_PATHS
from libcloud_vsphere_clone.sessions.login_retry import connect_when_ready
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient
from libcloud_vsphere_clone.sessions.ssh.host_keys import (
    HostKeyCheck,
    HostKeyError,
    fingerprint_of,
    new_host_keys,
    read_host_keys,
    to_mark,
)
from libcloud_vsphere_clone.sessions.ssh.keys import load_private_key
from libcloud_vsphere_clone.sessions.ssh.transport import SSH
from libcloud_vsphere_clone.vcenter.properties import fetch_row
from libcloud_vsphere_clone.vcenter.rows import Ref, Row
from libcloud_vsphere_clone.vcenter.updates import watch_rows
from tests.sessions.conftest import Sshd, SshdFactory

PASSWORD = "Known-by-its-key-1"
OTHER = f"ssh-ed25519 SHA256:{'A' * 43}"

Connect = Callable[..., GuestSSHClient]


def by_ssh_keygen(public_key: Path) -> str:
    done = subprocess.run(["ssh-keygen", "-l", "-f", public_key], check=True, capture_output=True, text=True)
    return f"{public_key.read_text().split()[0]} {done.stdout.split()[1]}"


@pytest.fixture
def session(client_key: Path, username: str) -> Iterator[Connect]:
    """Make sessions into a loopback server, not yet connected."""
    made: list[GuestSSHClient] = []

    def session(sshd: Sshd, *known: str) -> GuestSSHClient:
        check = HostKeyCheck(frozenset(known)) if known else None
        keys = [load_private_key(client_key)]
        made.append(GuestSSHClient("127.0.0.1", sshd.port, username, timeout=60, pkeys=keys, host_key=check))
        return made[-1]

    yield session
    for each in made:
        each.close()


@pytest.mark.parametrize("kind", [("-t", "ed25519"), ("-t", "ecdsa"), ("-t", "rsa", "-b", "2048")])
def test_fingerprints_are_those_of_ssh_keygen(make_key: Callable[..., Path], kind: tuple[str, ...]) -> None:
    path = make_key(*kind)
    assert fingerprint_of(load_private_key(path)) == by_ssh_keygen(path.with_name(f"{path.name}.pub"))


def test_new_keys_are_ones_for_openssh(tmp_path: Path) -> None:
    keys = new_host_keys()
    pairs = keys.install["ssh_keys"]
    found = set()
    for kind in ("ed25519", "ecdsa"):
        (tmp_path / kind).write_text(pairs[f"{kind}_private"])
        (tmp_path / kind).chmod(0o600)
        (tmp_path / f"{kind}.pub").write_text(pairs[f"{kind}_public"])
        found.add(by_ssh_keygen(tmp_path / f"{kind}.pub"))
        derived = subprocess.run(
            ["ssh-keygen", "-y", "-f", tmp_path / kind], check=True, capture_output=True, text=True
        )
        assert derived.stdout.split()[:2] == pairs[f"{kind}_public"].split()
    assert to_mark(found) == keys.mark
    assert "PRIVATE" not in repr(keys)
    assert new_host_keys().mark != keys.mark


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


def test_what_the_mark_says_wins_over_what_is_published() -> None:
    ref, mine = Ref("VirtualMachine", "vm-1"), f"ssh-rsa SHA256:{'B' * 43}"
    published = {mark_path(PUBLISHED_HOST_KEYS): f"{OTHER.replace(' ', '=')},x=SHA256:short,,junk"}
    assert read_host_keys(Row(ref, published)) == (frozenset({OTHER}), False)
    assert read_host_keys(Row(ref, {**published, mark_path(HOST_KEY): to_mark([mine])})) == (frozenset({mine}), True)
    assert read_host_keys(Row(ref)) == (frozenset(), False)


# In guests


@pytest.fixture
def guests(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    with lab.driver() as driver:
        yield driver
        for node in driver.list_nodes(ex_group="host-keys"):
            driver.destroy_node(node)


def _boot(driver: VsphereCloneNodeDriver, **words: Any) -> Node:
    return driver.create_node(
        f"keys-{uuid.uuid4().hex[:6]}",
        None,
        driver.ex_get_image_by_name("debian-12"),
        auth=NodeAuthPassword(PASSWORD),
        ex_group="host-keys",
        **words,
    )


def _row(driver: VsphereCloneNodeDriver, node: Node) -> Row:
    row = fetch_row(driver._session, Ref("VirtualMachine", node.extra["moid"]), SESSION_PATHS)
    assert row is not None
    return row


def _key_of(client: GuestSSHClient) -> str:
    """The key that the server shows now."""
    asking = GuestSSHClient(client.hostname, client.port, "root", PASSWORD)
    asking.connect()
    asking.close()
    return str(asking.host_key_fingerprint)


def _log_in(driver: VsphereCloneNodeDriver, node: Node, check: HostKeyCheck | None) -> GuestSSHClient:
    [(_, addresses)] = driver.wait_until_running([node], ssh_interface="private_ips")
    return connect_when_ready(
        lambda username: GuestSSHClient(addresses[0], 22, username, PASSWORD, host_key=check), ["root"], deadline_s=240
    )


@pytest.mark.guests
def test_guest_has_the_keys_that_it_was_given(guests: VsphereCloneNodeDriver) -> None:
    node = _boot(guests)
    known, is_marked = read_host_keys(_row(guests, node))
    assert (len(known), is_marked) == (2, True)
    client = _log_in(guests, node, HostKeyCheck(known))
    assert client.run("stat -c %a /etc/ssh/ssh_host_ed25519_key")[0] == "600\n"
    client.run("cloud-init status --wait; ssh-keygen -q -t ed25519 -N '' -f /root/new")
    for kind in ("ed25519", "ecdsa"):
        replace = "cat /root/new > /etc/ssh/ssh_host_{0}_key; cat /root/new.pub > /etc/ssh/ssh_host_{0}_key.pub"
        client.run(replace.format(kind))
    assert client.run("/etc/init.d/ssh restart")[2] == 0
    assert client.run("vmware-rpctool 'info-get guestinfo.userdata'")[0].strip() == "---"  # and the private halves gone
    client.close()
    with pytest.raises(ConnectionFailedError, match="another machine answers at this address, or the guest has other"):
        _log_in(guests, node, HostKeyCheck(known))
    with pytest.raises(ConnectionFailedError, match="its host key is"):
        guests.ex_open_session(node, auth=NodeAuthPassword(PASSWORD))
    session = guests.ex_open_session(node, SSH([_key_of(client)]), auth=NodeAuthPassword(PASSWORD))
    session.close()
    guests.ex_open_session(node, auth=NodeAuthPassword(PASSWORD)).close()  # the new key is remembered


@pytest.mark.guests
def test_guest_with_user_data_publishes_its_keys(guests: VsphereCloneNodeDriver) -> None:
    node = _boot(guests, ex_userdata="#cloud-config\n{}")
    vm = Ref("VirtualMachine", node.extra["moid"])
    published: frozenset[str] = frozenset()
    for rows in watch_rows(guests._session, {vm: SESSION_PATHS}, timeout_s=240):
        row = rows[vm]
        if row and (published := read_host_keys(row)[0]):
            break
    assert {text.split()[0] for text in published} == {"ssh-ed25519", "ecdsa-sha2-nistp256"}
    guests.ex_open_session(node, auth=NodeAuthPassword(PASSWORD)).close()
    assert read_host_keys(_row(guests, node)) == (published, True)
