"""``cli/commands/deploy.py`` without guests: options → an order; nodes made, waited for in vain, interrupted."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from libcloud_vsphere_clone.lab import Lab
from tests.cli.signals import interrupt_at
from tests.direct import Direct

Run = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def names(bare_cleared: Lab) -> Callable[[], set[str]]:
    """The names of the nodes there are."""

    def node_names() -> set[str]:
        with bare_cleared.driver() as driver:
            return {node.name for node in driver.list_nodes()}

    return node_names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--command", "true", "--script", "-"], "--script and --command exclude each other"),
        (["--command", "true", "--no-wait"], "--no-wait is for nodes without a script"),
        (["--metadata", "novalue"], "--metadata takes KEY=VALUE, got 'novalue'"),
        (["--cpus", "0"], "--cpus"),
        (["--ssh-key", "/nowhere/key"], "/nowhere/key"),
        (["--ssh-key", __file__, "--ssh-password-file", __file__], "exclude each other"),
        (["--ssh-password-file", "/nowhere/password"], "/nowhere/password"),
    ],
)
def test_wrong_usage_connects_to_nothing(run: Run, words: list[str], said: str) -> None:
    refused = run("deploy", "web-1", "--image", "debian-12", *words)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_a_script_that_is_no_text(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_bytes(b"\xff")
    refused = run("deploy", "web-1", "--image", "debian-12", "--script", str(script))
    assert refused.exit_code == 2
    assert "is no text in UTF-8" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--image", "nothing"], "no image 'nothing' (there are: "),
        (["--image", "00000000-0000-4000-8000-000000000000"], "no image '00000000"),
        (["--image", "debian-12", "--size", "huge"], "no size 'huge' (there are: 1cpu-1gib"),
        (["--image", "debian-12", "--location", "moon"], "no location 'moon' (there are: cluster-drs, "),
        (["--image", "debian-12", "--network", "moon"], "no network 'moon'"),
        (["--image", "debian-12", "--pool", "moon"], "no resource pool 'moon'"),
        (["--image", "debian-12", "--disk-gib", "1"], "disk"),
        (["--image", "debian-12-static", "--command", "true"], "--ssh-password-file"),
        (["--image", "debian-12", "--ssh-key", __file__], "is not a private SSH key"),
    ],
)
def test_what_cannot_be_made_is_one_line(
    on_bare: Run, names: Callable[[], set[str]], words: list[str], said: str
) -> None:
    failed = on_bare("deploy", "web-1", *words)
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert said in failed.stderr.splitlines()[-1]
    assert "web-1" not in names()


def test_every_option_reaches_the_node(on_bare: Run, bare_cleared: Lab) -> None:
    hardware = ["--size", "2cpu-4gib", "--cpus", "3", "--disk-gib", "9"]
    place = ["--location", "cluster-nodrs", "--group", "shop", "--datastore", "shared-2", "--network", "dvpg-web"]
    rest = ["--metadata", "role=web", "--metadata", "note=a=b", "--pool", "tenants", "--annotation", "made by a test"]
    made = on_bare("deploy", "web-1", "--image", "debian-12", *hardware, *place, *rest, "--no-wait", "--json")
    assert made.exit_code == 0, made.stderr
    answer = json.loads(made.stdout)
    assert (answer["script"], answer["destroyed"]) == (None, False)
    node = answer["node"]
    assert (node["name"], node["group"], node["state"]) == ("web-1", "shop", "running")
    assert (node["size"], node["cpus"], node["memory_mib"]) == ("2cpu-4gib", 3, 4096)
    assert (node["cluster"], node["datastores"]) == ("cluster-nodrs", ["shared-2"])
    assert node["metadata"] == {"role": "web", "note": "a=b"}
    assert "cloning debian-12 to web-1" in made.stderr


def test_an_image_by_id_and_by_path(on_bare: Run, bare_cleared: Lab) -> None:
    with bare_cleared.driver() as driver:
        image_id = driver.ex_get_image_by_name("debian-12").id
    for number, image in enumerate((image_id, "archive/debian-11")):
        made = on_bare("deploy", f"web-{number}", "--image", image, "--no-wait")
        assert made.exit_code == 0, made.stderr


def test_for_people_the_node_is_a_table(on_bare: Run, bare_cleared: Lab) -> None:
    made = on_bare("deploy", "web-1", "--image", "debian-12", "--no-wait", "--destroy-after")
    headline, row = made.stdout.splitlines()
    assert headline.split()[0] == "node"
    assert row.split()[0] == "web-1"
    assert made.stderr.splitlines()[-1].endswith("destroyed")


def test_a_node_without_an_address_stays_and_its_id_is_said(on_bare: Run, bare_cleared: Lab) -> None:
    failed = on_bare("deploy", "web-1", "--image", "debian-12", "--boot-timeout", "1")
    assert (failed.exit_code, failed.stdout) == (1, "")
    with bare_cleared.driver() as driver:
        node = driver.ex_get_node(name="web-1")
    error = failed.stderr.splitlines()[-1]
    assert error.startswith("error: node 'web-1' was made, but: no address within 1 s")
    assert error.endswith(f"it stays; destroy it with: vsphere-clone destroy {node.id}")


def test_the_end_of_the_customization_is_waited_for_without_a_script(on_bare: Run, bare_cleared: Lab) -> None:
    waiting = ["--wait-for", "customized", "--boot-timeout", "1"]
    failed = on_bare("deploy", "web-1", "--image", "debian-12", *waiting)
    assert failed.exit_code == 1
    assert "was made, but: no end of the customization within 1 s" in failed.stderr
    refused = on_bare("deploy", "--count", "2", "--image", "debian-12", *waiting)
    assert refused.exit_code == 2
    assert "with --count it is for nodes that run a script" in refused.stderr.replace("\n", " ")


@pytest.mark.parametrize("words", [[], ["--command", "true"]])
def test_a_failed_node_is_destroyed_if_wanted(on_bare: Run, names: Callable[[], set[str]], words: list[str]) -> None:
    timing = ["--boot-timeout", "1", "--destroy-on-failure"]
    failed = on_bare("deploy", "web-1", "--image", "debian-12", *timing, *words)
    assert failed.exit_code == 1
    assert failed.stderr.splitlines()[-1].endswith("; it was destroyed")
    assert "web-1" not in names()


def test_a_node_that_cannot_be_destroyed_is_named(on_bare: Run, bare_cleared: Lab) -> None:
    bare_cleared.faults.add("Destroy_Task", fault="NoPermission", times=0)
    failed = on_bare("deploy", "web-1", "--image", "debian-12", "--no-wait", "--destroy-after")
    assert failed.exit_code == 1
    assert failed.stderr.splitlines()[-1].startswith("error: node 'web-1' (")
    assert ") remains: could not destroy " in failed.stderr


def test_a_failed_clone_is_one_line(on_bare: Run, bare_cleared: Lab, names: Callable[[], set[str]]) -> None:
    bare_cleared.faults.add("CloneVM_Task", fault="NoDiskSpace", when="task")
    failed = on_bare("deploy", "web-1", "--image", "debian-12", "--json")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert "NoDiskSpace" in failed.stderr
    assert "web-1" not in names()


@pytest.mark.parametrize(("sign", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_clone_leaves_nothing(
    start: Start,
    bare_cleared: Lab,
    direct: Direct,
    names: Callable[[], set[str]],
    sign: signal.Signals,
    status: int,
) -> None:
    bare_cleared.delay_tasks({"CloneVM": 4000})
    process = start("deploy", "web-1", "--image", "debian-12", f"--lab={bare_cleared.name}")
    interrupt_at(process, "cloning", sign)
    printed, errors = process.communicate(timeout=120)
    assert (process.returncode, printed) == (status, "")
    assert errors.splitlines() == [
        "interrupted; cleaning up (interrupt again to leave what was made)",
        "interrupted; nothing is left of node 'web-1'",
    ]
    direct.await_clones()  # what was not cancelled is done then
    assert "web-1" not in names()


@pytest.mark.parametrize("words", [[], ["--command", "true"]])
def test_an_interrupted_wait_destroys_the_node(
    start: Start, bare_cleared: Lab, names: Callable[[], set[str]], words: list[str]
) -> None:
    process = start("deploy", "web-1", "--image", "debian-12", f"--lab={bare_cleared.name}", *words)
    interrupt_at(process, "waiting for its address")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; node 'web-1' was destroyed"
    assert "web-1" not in names()


def test_an_interrupted_clean_up_says_what_may_remain(start: Start, bare_cleared: Lab) -> None:
    process = start("deploy", "web-1", "--image", "debian-12", f"--lab={bare_cleared.name}")
    bare_cleared.delay_tasks({"Destroy": 20_000})
    interrupt_at(process, "waiting for its address")
    interrupt_at(process, "destroying")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    last = errors.splitlines()[-1]
    assert last.startswith("interrupted; node 'web-1' (")
    assert last.endswith(") may remain: see vsphere-clone nodes")
