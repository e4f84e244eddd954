"""Host keys that a guest is told, or tells."""

from __future__ import annotations

import base64
import gzip
from email import message_from_string
from typing import Any

import pytest

from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.model.host_keys import HostKeys
from libcloud_vsphere_clone.model.login import Login
from tests.plan.test_clone import STATIC, extra_config, plan

KEYS = HostKeys("ssh-ed25519=SHA256:x", {"ssh_keys": {"ed25519_private": "PRIVATE"}}, {"runcmd": [["publish"]]})
LOGIN = Login("root", public_keys=("ssh-ed25519 AAAA",))


def userdata_of(options: dict[str, str]) -> str:
    return gzip.decompress(base64.b64decode(options["guestinfo.userdata"])).decode()


def test_a_guest_that_clears_its_user_data_is_given_its_keys() -> None:
    options = extra_config(plan(login=LOGIN, host_keys=KEYS))
    assert "PRIVATE" in userdata_of(options)
    assert "publish" not in userdata_of(options)
    assert options[marks.HOST_KEY] == KEYS.mark


def test_a_guest_that_keeps_its_user_data_tells_its_own() -> None:
    options = extra_config(plan(login=LOGIN, host_keys=KEYS, userdata="#cloud-config\n{}"))
    told = {part.get_payload(decode=True) for part in message_from_string(userdata_of(options)).walk()}
    assert any(b"publish" in part for part in told if part)
    assert not any(b"PRIVATE" in part for part in told if part)
    assert marks.HOST_KEY not in options


@pytest.mark.parametrize("words", [{}, {"login": Login("root", password="of-the-image"), "customize": "linux-prep"}])
def test_others_are_told_nothing(words: dict[str, Any]) -> None:
    options = extra_config(plan(host_keys=KEYS, **words))
    assert "guestinfo.userdata" not in options or not {"PRIVATE", "publish"} & set(userdata_of(options).split('"'))
    assert marks.HOST_KEY not in options


def test_an_image_without_cloud_init_is_told_nothing() -> None:
    options = extra_config(plan(STATIC, login=Login("root", password="of-the-image"), host_keys=KEYS))
    assert marks.HOST_KEY not in options
