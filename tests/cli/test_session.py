"""``cli/session.py`` and its commands ``run NODE``, ``copy`` and ``ssh``, on real guests."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from libcloud_vsphere_clone.lab import Lab

pytestmark = pytest.mark.guests

Run = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def web(lab: Lab, ssh_key: str) -> Iterator[list[str]]:
    """The options that log in to the running node ``web-1``."""
    from libcloud.compute.base import NodeAuthSSHKey

    from libcloud_vsphere_clone.guest.keys import load_private_key, public_half

    with lab.driver() as driver:
        image = driver.ex_get_image_by_name("debian-12")
        auth = NodeAuthSSHKey(public_half(load_private_key(ssh_key)))
        node = driver.create_node("web-1", None, image, auth=auth, ex_group="sessions")
        yield ["--ssh-key", ssh_key]
        driver.destroy_node(node)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "web-1", "--ssh-key", __file__], "a command after --"),
        (["run", "web-1", "--command", "true", "--", "true"], "a command after --"),
        (["run", "web-1", "--", "true"], "give --ssh-key or --ssh-password-file"),
        (["copy", __file__, "/etc/motd"], "NODE:PATH"),
        (["copy", "web-1:/a", "web-2:/b"], "NODE:PATH"),
        (["copy", "nowhere.txt", "web-1:/b", "--ssh-key", __file__], "no file 'nowhere.txt' here"),
    ],
)
def test_wrong_usage_connects_to_nothing(run: Run, words: list[str], said: str) -> None:
    refused = run(*words)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_a_command_in_one_node_has_its_own_output_and_status(on_guests: Run, web: list[str]) -> None:
    ended = on_guests("run", "web-1", *web, "--command", "printf 'a b'; echo oops >&2; exit 7")
    assert (ended.exit_code, ended.stdout) == (7, "a b")
    assert ended.stderr.endswith("oops\n")


def test_words_after_dashes_are_the_commands_own(run: Run, lab: Lab, web: list[str]) -> None:
    ended = run("run", "web-1", *web, f"--lab={lab.name}", "--", "printf", "%s|", "a b", "$HOME")
    assert (ended.exit_code, ended.stdout) == (0, "a b|$HOME|")


def test_a_script_runs_by_its_own_interpreter_and_is_gone(on_guests: Run, web: list[str], tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/usr/bin/perl\nprint 6 * 7\n")
    ended = on_guests("run", "web-1", *web, "--script", str(tmp_path / "script"), "--json")
    assert json.loads(ended.stdout)["script"] == {"exit_status": 0, "stdout": "42", "stderr": ""}
    assert on_guests("run", "web-1", *web, "--command", "ls").stdout == ""


def test_output_comes_while_the_command_runs(start: Start, lab: Lab, web: list[str]) -> None:
    process = start("run", "web-1", *web, f"--lab={lab.name}", "--command", "echo begun; sleep 60")
    assert process.stdout and process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; what runs in the node may go on"


def test_files_are_copied_in_and_out(on_guests: Run, web: list[str], tmp_path: Path) -> None:
    (tmp_path / "in").write_text("höhe\n")
    (tmp_path / "in").chmod(0o750)
    put = on_guests("copy", str(tmp_path / "in"), "web-1:new folder/file", *web)
    assert put.stdout == "/root/new folder/file\n", put.stderr
    there = on_guests("run", "web-1", *web, "--command", "stat -c %a 'new folder/file'")
    assert there.stdout == "750\n"
    got = on_guests("copy", "web-1:new folder/file", str(tmp_path / "out"), *web)
    assert got.exit_code == 0, got.stderr
    assert (tmp_path / "out").read_text() == "höhe\n"
    assert on_guests("copy", "web-1:/new folder", "-", *web).exit_code == 1
    missing = on_guests("copy", "web-1:/nowhere", str(tmp_path / "none"), *web)
    assert (missing.exit_code, (tmp_path / "none").exists()) == (1, False)
    assert missing.stderr.endswith("error: there is no file '/nowhere' in the node\n")


def test_the_systems_ssh_is_told_the_host_key(start: Start, lab: Lab, web: list[str]) -> None:
    process = start("ssh", "web-1", *web, f"--lab={lab.name}", "--", "echo $((6 * 7)); exit 5")
    printed, errors = process.communicate(timeout=120)
    assert (process.returncode, printed) == (5, "42\n"), errors
    assert "authenticity" not in errors
