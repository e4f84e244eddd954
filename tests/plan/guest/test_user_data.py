"""Several pieces of user data in one; what the real cloud-init thinks of ours. More is in test_cloud_init."""

from __future__ import annotations

import json
from collections.abc import Callable
from email import message_from_bytes
from typing import Any

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model.login import Login
from libcloud_vsphere_clone.plan.guest.cloud_init import build_raw_data
from libcloud_vsphere_clone.plan.guest.user_data import SCRIPT_NAME, build_user_data, check_user_data, to_script
from tests.plan.guest.setups import build_setup

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpXvCAve2tffyFrYe3WRwUPE7tKHOAJMQL21HbhwfFM me"
CONFIG = {"timezone": "UTC"}


def parts(data: bytes | None) -> list[Any]:
    assert data is not None
    return [part for part in message_from_bytes(data).walk() if not part.is_multipart()]


def test_nothing_is_nothing() -> None:
    assert build_user_data(None) is None
    assert build_user_data(None, {}, None) is None


def test_a_piece_that_is_alone_stays_as_it_is() -> None:
    assert build_user_data(b"#cloud-config\n{}\n") == b"#cloud-config\n{}\n"
    assert build_user_data(None, CONFIG) == b'#cloud-config\n{\n "timezone": "UTC"\n}\n'
    assert build_user_data(None, None, "date") == b"#!/bin/sh\ndate"


@pytest.mark.parametrize("theirs", [None, b"#cloud-config\n{}\n", b"#!/bin/sh\ndate\n"])
def test_the_first_boot_script_runs_last(theirs: bytes | None) -> None:
    found = parts(build_user_data(theirs, CONFIG, "#!/bin/bash\necho \xfc"))
    assert [part.get_content_type() for part in found][-2:] == ["text/cloud-config", "text/x-shellscript"]
    assert len(found) == 2 + (theirs is not None)
    script = found[-1]
    assert script.get_payload(decode=True).decode() == "#!/bin/bash\necho \xfc"
    names = ["part-001", "part-002", "setup.sh", SCRIPT_NAME]
    assert sorted(names)[-1] == script.get_filename() == SCRIPT_NAME


def test_a_script_without_a_word_is_the_shells() -> None:
    assert (to_script("date"), to_script("#!/usr/bin/perl\n")) == ("#!/bin/sh\ndate", "#!/usr/bin/perl\n")


@pytest.mark.parametrize("text", ["\ufeff#!/bin/sh\r\ndate\r\n", "\ufeffdate\r\n", "date\r\n"])
def test_a_script_from_windows_is_one_that_a_guest_can_run(text: str) -> None:
    assert to_script(text) == "#!/bin/sh\ndate\n"


def test_the_callers_data_is_checked_without_being_changed() -> None:
    assert check_user_data("#!/bin/sh\r\n") == b"#!/bin/sh\r\n"


@pytest.mark.parametrize(
    ("text", "is_known"),
    [
        ("MIME-Version: 1.0\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n", True),
        ("Content-Type: text/x-shellscript\nMIME-Version: 1.0\n\n#!/bin/sh\n", True),
        ("#!/bin/sh\nsendmail <<END\nMIME-Version: 1.0\nEND\n", True),
        ("\nMIME-Version: 1.0\nContent-Type: text/x-shellscript\n\n#!/bin/sh\n", False),
        ("echo MIME-Version: 1.0\n", False),
    ],
)
def test_a_mime_archive_begins_with_its_headers(text: str, is_known: bool) -> None:
    """cloud-init takes what is behind a blank line for the content, and does not know it."""
    if is_known:
        assert check_user_data(text) == text.encode()
    else:
        with pytest.raises(InvalidRequestError, match="would ignore this user data"):
            check_user_data(text)


def test_a_script_that_only_speaks_of_mime_is_a_script() -> None:
    """As a message of its own it would lose its umlauts in cloud-init."""
    script = "#!/bin/sh\nsendmail <<END\nMIME-Version: 1.0\n\nGr\u00fc\u00dfe\nEND\n"
    theirs, _ = parts(build_user_data(script.encode(), CONFIG))
    assert theirs.get_content_type() == "text/x-shellscript"
    assert theirs["Content-Transfer-Encoding"] == "base64"
    assert theirs.get_payload(decode=True).decode() == script


# The real cloud-init's judgement

SCHEMA = """
cat >/user-data
cloud-init schema --config-file /user-data
"""

LOGINS = {
    "key for root": Login("root", (KEY,)),
    "password for root": Login("root", password="x"),
    "another user with both": Login("joe", (KEY,), "x"),
}


@pytest.mark.guests
@pytest.mark.parametrize("login", LOGINS)
def test_our_cloud_config_keeps_the_schema(shell: Callable[[str, str], str], login: str) -> None:
    host_key = {"ssh_keys": {"ed25519_private": "-----BEGIN", "ed25519_public": KEY}}
    setup = build_setup("cloudinit-prep", login=LOGINS[login], timezone="Europe/Berlin", host_key_config=host_key)
    _, userdata = build_raw_data(setup)
    assert userdata is not None
    assert "Valid cloud-config" in shell(SCHEMA, userdata)


@pytest.mark.guests
def test_all_kinds_of_user_data_are_taken_apart_as_they_were_put_together(shell: Callable[[str, str], str]) -> None:
    split = """
import json, sys
from cloudinit.helpers import Paths
from cloudinit.user_data import UserDataProcessor
message = UserDataProcessor(Paths({"cloud_dir": "/c", "run_dir": "/r"})).process(sys.stdin.read())
print(json.dumps([p.get_content_type() for p in message.walk() if not p.is_multipart()]))
"""
    expected = {
        "#cloud-config\nruncmd: [date]\n": "text/cloud-config",
        "#!/bin/sh\ndate\n": "text/x-shellscript",
        "MIME-Version: 1.0\nContent-Type: text/x-shellscript\n\n#!/bin/sh\ndate\n": "text/x-shellscript",
    }
    for theirs, kind in expected.items():
        login = Login("root", (KEY,))
        setup = build_setup("cloudinit-prep", login=login, userdata=theirs, first_boot_script="date")
        _, userdata = build_raw_data(setup)
        found = json.loads(shell(f"python3 -c '{split}'", str(userdata)))
        assert found == [kind, "text/cloud-config", "text/x-shellscript"]
