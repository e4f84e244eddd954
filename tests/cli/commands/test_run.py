"""``cli/commands/run.py``: scripts in the nodes of a group; and deploys of many, with guests."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from libcloud_vsphere_clone.lab import Lab

Run = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--command", "true", "--ssh-key", __file__], "--group"),
        (["--group", "web", "--ssh-key", __file__], "give --script or --command"),
        (["--group", "web", "--command", "true"], "give --ssh-key or --ssh-password-file"),
        (["--group", "web", "--command", "true", "--script", __file__], "exclude each other"),
    ],
)
def test_wrong_usage_connects_to_nothing(run: Run, words: list[str], said: str) -> None:
    refused = run("run", *words)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_no_such_group(on_bare: Run, ssh_key: str) -> None:
    failed = on_bare("run", "--group", "nowhere", "--command", "true", "--ssh-key", ssh_key)
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr.splitlines()[-1].startswith("error: no group 'nowhere' (vsphere-clone groups shows")


def test_a_node_that_cannot_be_logged_in_to(on_bare: Run, make: Callable[..., str], ssh_key: str) -> None:
    make("web-1", "shop")
    words = ["--command", "true", "--ssh-key", ssh_key, "--boot-timeout", "1", "--json"]
    failed = on_bare("run", "--group", "shop", *words)
    assert failed.exit_code == 1
    [result] = json.loads(failed.stdout)["nodes"]
    assert (result["name"], result["script"]) == ("web-1", None)
    assert "'web-1' is poweredOff" in result["error"]


@pytest.mark.guests
def test_scripts_on_many(on_guests: Run, guests_cleared: Lab, ssh_key: str, start: Start) -> None:
    """Deployed with a script, then one run in all, then one interrupted; the slow part is done once."""
    login = ["--group", "web", "--ssh-key", ssh_key]
    ended = on_guests("deploy", *login, "--image", "debian-12", "--count", "2", "--command", "hostname; exit 3")
    assert ended.exit_code == 3, ended.stderr
    names = [line.split(": ")[0] for line in ended.stdout.splitlines()]
    assert ended.stdout == "".join(f"{name}: {name}\n" for name in sorted(names))
    assert all(f"{name}: exit status 3\n" in ended.stderr for name in names)

    ran = on_guests("run", *login, "--command", f"test $(hostname) != {names[1]}; id -un >&2", "--json")
    assert ran.exit_code == 0, ran.stderr
    assert [(one["name"], one["script"]) for one in json.loads(ran.stdout)["nodes"]] == [
        (name, {"exit_status": 0, "stdout": "", "stderr": "root\n"}) for name in sorted(names)
    ]

    lines = on_guests("run", *login, "--command", "printf 'one\\ntwo'; echo oops >&2")
    assert sorted(lines.stdout.splitlines()) == sorted(f"{name}: {word}" for name in names for word in ("one", "two"))
    assert all(f"{name}: oops\n" in lines.stderr for name in names)

    process = start("run", *login, "--command", "echo begun; sleep 60", f"--lab={guests_cleared.name}")
    assert process.stdout
    assert {process.stdout.readline() for _ in names} == {f"{name}: begun\n" for name in names}
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    last = errors.splitlines()[-1]
    assert last == "interrupted; where the script has begun in a node of group web, it may go on"


@pytest.mark.guests
def test_an_interrupted_deploy_of_many_destroys_the_nodes(start: Start, guests_cleared: Lab, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("vsphere-lab")
    login = ["--ssh-password-file", str(tmp_path / "password")]
    words = ["--group", "web", "--count", "2", *login, "--command", "sleep 60"]
    process = start("deploy", "--image", "debian-12-static", *words, f"--lab={guests_cleared.name}")
    assert process.stderr
    for line in process.stderr:
        if line.endswith(": running the script\n"):
            process.send_signal(signal.SIGINT)
            break
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; the 2 nodes that were made are destroyed"
    with guests_cleared.driver() as driver:
        assert not driver.list_nodes(ex_group="web")
