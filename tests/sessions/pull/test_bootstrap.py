"""The script's text, and what it does on this machine; what it does in a guest is in test_pull.py."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.sessions.pull.bootstrap import build_bootstrap
from libcloud_vsphere_clone.sessions.pull.callback import CallbackReceiver
from libcloud_vsphere_clone.sessions.pull.report import Report
from libcloud_vsphere_clone.sessions.steps import Delete, Put, Run, Step
from tests.sessions.conftest import password_user

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="makes a user of this machine: needs root")

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


@AS_ROOT
@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("change", [str, lambda text: text.replace("setpriv", "no-setpriv")], ids=["setpriv", "su"])
def test_steps_as_another_user(tmp_path: Path, shell: str, change: Callable[[str], str]) -> None:
    folder = f"/var/tmp/{uuid.uuid4().hex}"  # noqa: S108
    unique = 10**6 + uuid.uuid4().int % 10**6
    steps: list[Step] = [
        Put(f"{folder}/a b/it's", b"text\n", 0o600),
        Run("kill -INT $$; echo ignored"),
        Run(f"id -un; pwd; cat {folder}/*/*; stat -c '%U %a' {folder} {folder}/*/*; echo err >&2; exit 7"),
        Delete(f"{folder}/a b/it's"),
        Run(f"rm -r {folder}; sleep {unique} & sleep {unique}", 0.3),
        Run("never"),
    ]
    script = tmp_path / "script"
    with CallbackReceiver("127.0.0.1") as receiver, password_user("x") as name:
        url = receiver.expect("t")
        script.write_text(change(build_bootstrap(steps, username=name, token="t", report_url=url)))
        subprocess.run([shell, script], check=True, timeout=120)
        report = receiver.take("t", timeout_s=0)
    assert report == Report("t", "/", report.results if report else ())
    put, interrupted, run, delete, slow = report.results
    assert (interrupted.stdout, interrupted.exit_status) == ("", 130)
    assert (put.exit_status, delete.exit_status, slow.timed_out) == (0, 0, True)
    assert (run.stdout, run.stderr) == (f"{name}\n/\ntext\n{name} 755\n{name} 600\n", "err\n")
    assert run.exit_status == 7
    assert not script.exists()
    assert subprocess.run(["pgrep", "-f", f"sleep {unique}"], check=False).returncode == 1
