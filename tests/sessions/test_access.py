"""The user and the secret of a login, from a caller's options. (pure)"""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest
from libcloud.compute.base import NodeAuthPassword, NodeAuthSSHKey

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.sessions.access import build_access
from libcloud_vsphere_clone.sessions.options import LoginOptions


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("access") / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(path), password="passphrase-9")
    return str(path)


def test_a_password_is_made_up_where_nothing_is_given() -> None:
    first, second = build_access(LoginOptions()), build_access(LoginOptions())
    assert first.generated_password and len(first.generated_password) == 24
    assert isinstance(first.auth, NodeAuthPassword)
    assert first.generated_password == first.password == first.auth.password
    assert first.password != second.password
    assert (first.usernames, first.username, first.port, first.timeout_s) == (["root"], "root", 22, 10)


def test_nothing_is_made_up_for_a_node_that_is_there() -> None:
    access = build_access(LoginOptions(), generate=False)
    assert (access.auth, access.password, access.generated_password, list(access.private_keys)) == (
        None,
        None,
        None,
        [],
    )


def test_a_given_password_is_the_callers_own() -> None:
    access = build_access(LoginOptions(auth=NodeAuthPassword("Given-1"), username=None), "admin")
    assert (access.password, access.generated_password, access.username) == ("Given-1", None, "admin")


def test_a_key_alone_is_put_into_the_guest(key_file: str) -> None:
    access = build_access(LoginOptions(key=key_file, key_password="passphrase-9"))
    [key] = access.private_keys
    assert isinstance(access.auth, NodeAuthSSHKey)
    assert access.auth.pubkey.split()[1] == key.get_base64()
    assert access.password is None


def test_users_are_tried_in_order() -> None:
    options = LoginOptions("admin", ["debian", "root"], port=2222)
    access = build_access(options, "another")
    assert (access.usernames, access.username, access.port) == (["admin", "debian", "root"], "admin", 2222)


def test_what_cannot_be_used_is_refused(key_file: str, tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError):
        build_access(LoginOptions(auth="a password"))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError):
        build_access(LoginOptions(key=str(tmp_path / "nowhere")))
    with pytest.raises(InvalidRequestError) as caught:
        build_access(LoginOptions(key=key_file, key_password="wrong-passphrase"))
    assert "wrong-passphrase" not in f"{caught.value} {caught.value!r}"


def test_no_secret_is_in_what_it_looks_like(key_file: str) -> None:
    options = LoginOptions(auth=NodeAuthPassword("Given-1"), key=key_file, key_password="passphrase-9")
    for shown in (repr(build_access(options)), repr(options)):
        assert "Given-1" not in shown
        assert "passphrase" not in shown
    generated = build_access(LoginOptions())
    assert str(generated.password) not in repr(generated)


def test_root_is_libclouds_default_and_names_no_user() -> None:
    options = LoginOptions("root", ["debian"])
    assert build_access(options).usernames == ["root", "debian"]
    assert build_access(options, "admin").usernames == ["admin", "debian"]
    assert build_access(options).as_user("Administrator").usernames == ["Administrator", "debian"]
    assert build_access(options, "admin").as_user("Administrator").username == "admin"
    assert build_access(LoginOptions("debian")).as_user("Administrator").username == "debian"
