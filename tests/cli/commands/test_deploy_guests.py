"""``cli/commands/deploy.py`` with guests: scripts over SSH, their output and exit status."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.login_retry import connect_when_ready
from libcloud_vsphere_clone.sessions.ssh.client import GuestSSHClient

Run = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[str]"]

pytestmark = pytest.mark.guests

STEPS = [
    "looking for what the node is made of",
    "cloning debian-12 to web-1",
    "waiting for its address",
    "logging in to ",
    "running the script",
]


def node_names(lab: Lab) -> set[str]:
    with lab.driver() as driver:
        return {node.name for node in driver.list_nodes()}


def test_a_command(on_guests: Run, guests_cleared: Lab, ssh_key: str) -> None:
    """What the script wrote and its exit status; the node stays."""
    command = "id -un; hostname; echo trouble >&2; exit 7"
    ended = on_guests("deploy", "web-1", "--image", "debian-12", "--ssh-key", ssh_key, "--command", command)
    assert ended.exit_code == 7, ended.stderr
    assert ended.stdout == "root\nweb-1\n"
    told = ended.stderr.splitlines()
    assert all(line.startswith(step) for line, step in zip(told, STEPS, strict=False))
    assert told[len(STEPS)] == "trouble"
    assert told[-1].endswith(" stays")
    assert "web-1" in node_names(guests_cleared)


def test_a_script_as_another_user_as_json(on_guests: Run, guests_cleared: Lab, tmp_path: Path) -> None:
    """A password is made up, and never printed; the node is gone afterwards."""
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/env python3\nimport getpass\nprint(getpass.getuser(), end='')\n")
    words = ["--ssh-username", "deployer", "--script", str(script), "--destroy-after", "--json"]
    ended = on_guests("deploy", "web-1", "--image", "debian-12", *words)
    assert ended.exit_code == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert answer["script"] == {"exit_status": 0, "stdout": "deployer", "stderr": ""}
    assert answer["destroyed"] is True
    assert answer["node"]["password"] == "***"
    assert answer["node"]["private_ips"]
    assert "web-1" not in node_names(guests_cleared)


def test_an_image_with_a_password_of_its_own(on_guests: Run, guests_cleared: Lab) -> None:
    """A script that fails destroys the node if wanted; one that is killed has no exit status."""
    words = ["--command", "id -un; kill -9 $$", "--destroy-on-failure"]
    secret = {"VSPHERE_CLONE_SSH_PASSWORD": "vsphere-lab"}
    ended = on_guests("deploy", "web-1", "--image", "debian-12-static", *words, env=secret)
    assert (ended.exit_code, ended.stdout) == (1, "root\n")
    assert ended.stderr.splitlines()[-1].startswith("error: the script ended without an exit status")
    assert "web-1" not in node_names(guests_cleared)


def test_a_refused_password_is_not_shown(on_guests: Run, guests_cleared: Lab, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("not-the-password-0815")
    words = ["--command", "true", "--ssh-password-file", str(secret), "--boot-timeout", "3", "--debug"]
    failed = on_guests("deploy", "web-1", "--image", "debian-12-static", *words)
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "error: node 'web-1' was made, but: could not log in to " in failed.stderr
    assert "it stays; destroy it with: vsphere-clone destroy " in failed.stderr
    assert "not-the-password-0815" not in failed.output


def test_without_a_script_the_key_is_in_the_node(on_guests: Run, guests_cleared: Lab, ssh_key: str) -> None:
    words = ["--ssh-key", ssh_key, "--ssh-username", "deployer", "--json"]
    made = on_guests("deploy", "web-1", "--image", "debian-12", *words)
    assert made.exit_code == 0, made.stderr
    [address] = json.loads(made.stdout)["node"]["private_ips"]
    client = connect_when_ready(
        lambda user: GuestSSHClient(address, username=user, key_files=[ssh_key]), ["deployer"], deadline_s=240
    )
    try:
        assert client.run("id -un") == ("deployer\n", "", 0)
    finally:
        client.close()


def test_an_interrupted_script_destroys_the_node(start: Start, guests_cleared: Lab, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("vsphere-lab")
    words = ["--ssh-password-file", str(tmp_path / "password"), "--command", "sleep 60", f"--lab={guests_cleared.name}"]
    process = start("deploy", "web-1", "--image", "debian-12-static", *words)
    assert process.stderr
    for line in process.stderr:
        if line.startswith("running the script"):
            process.send_signal(signal.SIGINT)
            break
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; node 'web-1' was destroyed"
    assert "web-1" not in node_names(guests_cleared)
