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

    from libcloud_vsphere_clone.sessions.ssh.keys import load_private_key, public_half

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
        (["run", "web-1", "--transport", "telnet", "--", "true"], "'telnet' is not one of 'ssh', 'tools'"),
        (["deploy", "web-1", "--image", "debian-12", "--transport", "telnet"], "'telnet' is not one of"),
        (["copy", __file__, "/etc/motd"], "NODE:PATH"),
        (["copy", "web-1:/a", "web-2:/b"], "NODE:PATH"),
        (["copy", "/etc", "web-1:/b", "--ssh-key", __file__], "'/etc' is a folder, and copy takes one file; pack it"),
        (["copy", "-", "web-1:/b/", "--ssh-key", __file__], "needs a file name"),
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
    into = on_guests("copy", str(tmp_path / "in"), "web-1:-x/", *web)
    assert into.stdout == "/root/-x/in\n", into.stderr
    for wrong in (["web-1:/root/new folder", "-"], [str(tmp_path / "in"), "web-1:new folder"]):
        refused = on_guests("copy", *wrong, *web)
        assert refused.exit_code == 1
        assert refused.stderr.endswith("error: /root/new folder: Is a directory\n")
    missing = on_guests("copy", "web-1:/nowhere", str(tmp_path / "none"), *web)
    assert (missing.exit_code, (tmp_path / "none").exists()) == (1, False)
    assert missing.stderr.endswith("error: there is no file '/nowhere' in the node\n")


def test_the_systems_ssh_is_told_the_host_key(start: Start, lab: Lab, web: list[str]) -> None:
    process = start("ssh", "web-1", *web, f"--lab={lab.name}", "--", "echo $((6 * 7)); exit 5")
    printed, errors = process.communicate(timeout=120)
    assert (process.returncode, printed) == (5, "42\n"), errors
    assert "authenticity" not in errors


# Over guest operations


@pytest.fixture(scope="module")
def db(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The options that log in to the running node ``db-1`` by guest operations."""
    from libcloud.compute.base import NodeAuthPassword

    password = tmp_path_factory.mktemp("password") / "file"
    password.write_text("Given-1-password\n")
    with lab.driver() as driver:
        image = driver.ex_get_image_by_name("debian-12")
        auth = NodeAuthPassword(password.read_text().strip())
        node = driver.create_node("db-1", None, image, auth=auth, ex_group="sessions")
        yield ["--ssh-password-file", str(password), "--transport", "tools"]
        driver.destroy_node(node)


def test_a_command_over_guest_operations(on_guests: Run, db: list[str]) -> None:
    ended = on_guests("run", "db-1", *db, "--command", "printf 'a b'; hostname; echo oops >&2; exit 7")
    assert (ended.exit_code, ended.stdout) == (7, "a bdb-1\n")
    assert ended.stderr.endswith("oops\n")


def test_an_interrupted_command_over_guest_operations_is_ended(start: Start, lab: Lab, db: list[str]) -> None:
    process = start("run", "db-1", *db, f"--lab={lab.name}", "--command", "echo begun; sleep 4717")
    assert process.stdout and process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; what runs in the node is ended"
    look = start("run", "db-1", *db, f"--lab={lab.name}", "--command", "ps axo args; ls -d /tmp/libcloud-*")
    seen, _ = look.communicate(timeout=120)
    assert "sleep 4717" not in seen
    assert seen.count("\n/tmp/libcloud-") == 1  # that of the look


@pytest.mark.parametrize("way", ["db", "web"])
def test_output_that_nobody_reads_any_more(start: Start, lab: Lab, way: str, request: pytest.FixtureRequest) -> None:
    options = request.getfixturevalue(way)
    process = start("run", f"{way}-1", *options, f"--lab={lab.name}", "--command", "while echo y; do sleep 0.1; done")
    assert process.stdout and process.stdout.readline() == "y\n"
    process.stdout.close()
    assert process.stderr
    errors = process.stderr.read()
    assert process.wait(120) == 1
    assert "Traceback" not in errors
    assert "error" not in errors


def test_files_over_guest_operations(on_guests: Run, db: list[str], tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(bytes(range(256)))
    put = on_guests("copy", str(tmp_path / "in"), "db-1:new folder/file", *db)
    assert put.stdout == "/root/new folder/file\n", put.stderr
    got = on_guests("copy", "db-1:new folder/file", str(tmp_path / "out"), *db)
    assert (got.exit_code, (tmp_path / "out").read_bytes()) == (0, bytes(range(256))), got.stderr
    for wrong, said in (("/nowhere", "no file '/nowhere' in the node"), ("/etc", "/etc")):
        refused = on_guests("copy", f"db-1:{wrong}", str(tmp_path / "none"), *db)
        assert (refused.exit_code, (tmp_path / "none").exists()) == (1, False)
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_key_does_not_do_for_guest_operations(on_guests: Run, db: list[str], ssh_key: str) -> None:
    refused = on_guests("run", "db-1", "--transport", "tools", "--ssh-key", ssh_key, "--command", "true")
    assert refused.exit_code == 1
    assert "'tools' logs in with a password" in refused.stderr


@pytest.mark.parametrize(("transport", "said"), [("pull", "first boot"), ("telnet", "is not one of 'ssh', 'tools'")])
def test_what_is_no_way_into_a_node_that_is_there(on_guests: Run, db: list[str], transport: str, said: str) -> None:
    refused = on_guests("run", "db-1", *db[:2], "--transport", transport, "--command", "true")
    assert refused.exit_code in (1, 2)
    assert said in refused.stderr


def test_a_copy_that_the_keyboard_cannot_make(on_guests: Run, db: list[str], tmp_path: Path) -> None:
    refused = on_guests("copy", "db-1:/etc/motd", str(tmp_path / "none"), *db[:2], "--transport", "keyboard")
    assert (refused.exit_code, (tmp_path / "none").exists()) == (1, False)
    assert "only carries files into the node" in refused.stderr


# Host keys


def test_another_host_key_is_refused(on_guests: Run, lab: Lab, web: list[str]) -> None:
    """The last test of its node, whose mark now has another key."""
    from libcloud_vsphere_clone.model.marks import HOST_KEY
    from libcloud_vsphere_clone.operations.extra_config import write_marks
    from libcloud_vsphere_clone.vcenter.rows import Ref

    with lab.driver() as driver:
        vm = Ref("VirtualMachine", driver.ex_get_node(name="web-1").extra["moid"])
        marks = {HOST_KEY: f"ssh-ed25519=SHA256:{'A' * 43}"}
        write_marks(driver._session, vm, marks, "change the mark", timeout_s=30)
    for words in (["ssh", "web-1"], ["run", "web-1", "--command", "true"]):
        refused = on_guests(*words, *web)
        assert refused.exit_code == 1
        assert "another machine answers at this address" in refused.stderr
        assert "Traceback" not in refused.stderr
