"""The user of a login, and its keys and password, from ``deploy_node``'s options. (pure)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paramiko
import pytest
from libcloud.compute.base import NodeAuthPassword, NodeAuthSSHKey

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.sessions.access import build_access


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("access") / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(path), password="passphrase-9")
    return str(path)


def test_a_password_is_made_up_where_nothing_is_given() -> None:
    first, second = build_access({}), build_access({})
    assert first.generated_password and len(first.generated_password) == 24
    assert first.generated_password == first.password == first.auth.password
    assert first.password != second.password
    assert (first.usernames, first.username, first.port, first.timeout_s) == (["root"], "root", 22, 10)


def test_nothing_is_made_up_for_a_node_that_is_there() -> None:
    access = build_access({}, generate=False)
    assert (access.auth, access.password, access.generated_password, list(access.private_keys)) == (
        None,
        None,
        None,
        [],
    )


def test_a_given_password_is_the_callers_own() -> None:
    access = build_access({"auth": NodeAuthPassword("Given-1"), "ssh_username": None}, "admin")
    assert (access.password, access.generated_password, access.username) == ("Given-1", None, "admin")


def test_a_key_alone_is_put_into_the_guest(key_file: str) -> None:
    access = build_access({"ssh_key": key_file, "ssh_key_password": "passphrase-9"})
    [key] = access.private_keys
    assert isinstance(access.auth, NodeAuthSSHKey)
    assert access.auth.pubkey.split()[1] == key.get_base64()
    assert access.password is None


def test_users_are_tried_in_order() -> None:
    words: Any = {"ssh_username": "admin", "ssh_alternate_usernames": ["debian", "root"], "ssh_port": 2222}
    access = build_access(words, "nobody")
    assert (access.usernames, access.username, access.port) == (["admin", "debian", "root"], "admin", 2222)


def test_what_cannot_be_used_is_refused(key_file: str, tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError):
        build_access({"auth": "a password"})
    with pytest.raises(InvalidRequestError):
        build_access({"ssh_key": str(tmp_path / "nowhere")})
    with pytest.raises(InvalidRequestError) as caught:
        build_access({"ssh_key": key_file, "ssh_key_password": "wrong-passphrase"})
    assert "wrong-passphrase" not in f"{caught.value} {caught.value!r}"


def test_no_secret_is_in_what_it_looks_like(key_file: str) -> None:
    words: Any = {"auth": NodeAuthPassword("Given-1"), "ssh_key": key_file, "ssh_key_password": "passphrase-9"}
    shown = repr(build_access(words))
    assert "Given-1" not in shown
    assert "passphrase" not in shown
    generated = build_access({})
    assert str(generated.password) not in repr(generated)


def test_root_is_libclouds_default_and_names_no_user() -> None:
    words: Any = {"ssh_username": "root", "ssh_alternate_usernames": ["debian"]}
    assert build_access(words).usernames == ["root", "debian"]
    assert build_access(words, "admin").usernames == ["admin", "debian"]
    assert build_access(words).as_user("Administrator").usernames == ["Administrator", "debian"]
    assert build_access(words, "admin").as_user("Administrator").username == "admin"
    assert build_access({"ssh_username": "debian"}).as_user("Administrator").username == "debian"
