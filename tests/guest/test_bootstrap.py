"""The script's text; what it does in a guest is in test_pull.py."""

from __future__ import annotations

import subprocess

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.guest.bootstrap import build_bootstrap
from libcloud_vsphere_clone.guest.steps import Delete, Put, Run, Step

NASTY = 'it\'s "$HOME" `id` \\ \n LIBCLOUD\nLIBCLOUD\n'
STEPS: list[Step] = [
    Put(f"-rf/{NASTY}", NASTY.encode(), 0o600),
    Run(NASTY, 0.5),
    Delete(NASTY),
]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_script_is_one_that_shells_can_read(shell: str) -> None:
    script = build_bootstrap(STEPS, token="t", report_url="https://host:8/a?b=c&d")
    assert script.startswith("#!/bin/sh\n")
    subprocess.run([shell, "-n"], input=script.encode(), check=True)


def test_empty_deployment_still_reports() -> None:
    subprocess.run(["sh", "-n"], input=build_bootstrap([], token="t").encode(), check=True)


@pytest.mark.parametrize("username", ["", "a b", "x;id", "-u", "$(id)"])
def test_user_names_that_are_none(username: str) -> None:
    with pytest.raises(InvalidRequestError, match="can't be a user name"):
        build_bootstrap([], username=username, token="t")


@pytest.mark.parametrize("url", ["ftp://x/", "http://x y", "x", "file:///etc/passwd"])
def test_addresses_that_take_no_report(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="can't be where a guest reports"):
        build_bootstrap([], token="t", report_url=url)
