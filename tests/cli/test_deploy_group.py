"""``cli/deploy_group.py`` without guests: many nodes made, some of them failed, interrupted."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable

import pytest
from click.testing import Result

from libcloud_vsphere_clone.lab import Lab
from tests.cli.signals import interrupt_at
from tests.direct import Direct

Run = Callable[..., Result]
Start = Callable[..., "subprocess.Popen[str]"]
MANY = ("deploy", "--group", "web", "--image", "debian-12", "--count")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["deploy", "--image", "debian-12"], "give the NAME of one node, or --count for many"),
        (["deploy", "web-1", "--image", "debian-12", "--count", "2"], "give the NAME of one node, or --count for many"),
        (["deploy", "web-1", "--image", "debian-12", "--max-in-flight", "2"], "--max-in-flight is for --count"),
        (["deploy", "a", "--image", "b", "--location", "c", "--location", "d"], "one node has one --location"),
        ([*MANY, "0"], "--count"),
        ([*MANY, "2", "--no-wait", "--command", "true"], "--no-wait is for nodes without a script"),
    ],
)
def test_wrong_usage_connects_to_nothing(run: Run, words: list[str], said: str) -> None:
    refused = run(*words)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_many_nodes(on_bare: Run, bare_cleared: Lab, names: Callable[[], set[str]]) -> None:
    made = on_bare(*MANY, "3", "--no-wait", "--metadata", "role=web", "--location", "cluster-nodrs", "--json")
    assert made.exit_code == 0, made.stderr
    answer = json.loads(made.stdout)
    assert answer["group"] == "web"
    assert [(one["script"], one["error"], one["destroyed"]) for one in answer["nodes"]] == [(None, None, False)] * 3
    nodes = [one["node"] for one in answer["nodes"]]
    assert {node["name"] for node in nodes} == {name for name in names() if name.startswith("web-")}
    assert all((node["cluster"], node["metadata"]) == ("cluster-nodrs", {"role": "web"}) for node in nodes)
    told = made.stderr.splitlines()
    assert told[:2] == ["looking for what the nodes are made of", "cloning debian-12 to 3 nodes of group web"]
    assert sorted(told[2:]) == sorted(f"{node['name']}: cloned" for node in nodes)


def test_for_people_the_nodes_are_a_table(on_bare: Run, bare_cleared: Lab, names: Callable[[], set[str]]) -> None:
    made = on_bare(*MANY, "2", "--no-wait", "--max-in-flight", "1", "--destroy-after")
    assert made.exit_code == 0
    assert [line.split()[1] for line in made.stdout.splitlines()] == ["group", "web", "web"]
    assert [line.split()[-1] for line in made.stderr.splitlines()[-2:]] == ["destroyed", "destroyed"]
    assert not any(name.startswith("web-") for name in names())


def test_those_that_fail_do_not_keep_the_others(on_bare: Run, bare_cleared: Lab) -> None:
    bare_cleared.faults.add("CloneVM_Task", fault="NoDiskSpace", when="task")
    failed = on_bare(*MANY, "3", "--no-wait", "--json")
    assert failed.exit_code == 1
    results = json.loads(failed.stdout)["nodes"]
    [lost] = [one for one in results if one["error"]]
    assert lost["node"] is None
    assert "NoDiskSpace" in lost["error"]
    assert len([one for one in results if one["node"]]) == 2
    assert failed.stderr.splitlines()[-1] == f"error: {lost['name']}: {lost['error']}"


def test_when_all_fail_it_says_so_of_each(on_bare: Run, bare_cleared: Lab) -> None:
    bare_cleared.faults.add("CloneVM_Task", fault="NoDiskSpace", when="task", times=0)
    failed = on_bare(*MANY, "2", "--command", "true")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr.count("error: web-") == 2


@pytest.mark.parametrize("words", [[], ["--command", "true"]])
def test_nodes_without_an_address_stay_or_go(
    on_bare: Run, bare_cleared: Lab, names: Callable[[], set[str]], words: list[str]
) -> None:
    kept = on_bare(*MANY, "2", "--boot-timeout", "1", "--json", *words)
    assert kept.exit_code == 1
    results = json.loads(kept.stdout)["nodes"]
    assert all(one["error"].startswith("no address within 1 s") for one in results)
    stays = {one["node"]["name"] for one in results}
    assert stays <= names()
    gone = on_bare(*MANY, "2", "--boot-timeout", "1", "--destroy-on-failure", "--json", *words)
    assert [one["destroyed"] for one in json.loads(gone.stdout)["nodes"]] == [True, True]
    assert {name for name in names() if name.startswith("web-")} == stays


def test_a_node_that_cannot_be_destroyed_is_named(on_bare: Run, bare_cleared: Lab) -> None:
    bare_cleared.faults.add("Destroy_Task", fault="NoPermission")
    failed = on_bare(*MANY, "2", "--no-wait", "--destroy-after", "--json")
    assert failed.exit_code == 1
    results = json.loads(failed.stdout)["nodes"]
    [stuck] = [one for one in results if not one["destroyed"]]
    assert stuck["error"].startswith("it remains: could not destroy ")


def test_interrupted_clones_leave_nothing(
    start: Start, bare_cleared: Lab, direct: Direct, names: Callable[[], set[str]]
) -> None:
    bare_cleared.delay_tasks({"CloneVM": 4000})
    process = start(*MANY, "3", f"--lab={bare_cleared.name}")
    interrupt_at(process, "cloning")
    printed, errors = process.communicate(timeout=120)
    assert (process.returncode, printed) == (130, "")
    assert errors.splitlines()[-2:] == [
        "interrupted; cleaning up (interrupt again to leave what was made)",
        "interrupted; nothing is left of the 3 nodes",
    ]
    direct.await_clones()  # what was not cancelled is done then
    assert not any(name.startswith("web-") for name in names())


@pytest.mark.parametrize(
    ("words", "step"), [([], "waiting for the addresses"), (["--command", "true"], "running the script on")]
)
def test_an_interrupted_wait_destroys_the_nodes(
    start: Start, bare_cleared: Lab, names: Callable[[], set[str]], words: list[str], step: str
) -> None:
    process = start(*MANY, "2", f"--lab={bare_cleared.name}", *words)
    interrupt_at(process, step, signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143
    assert errors.splitlines()[-1] == "interrupted; the 2 nodes that were made are destroyed"
    assert not any(name.startswith("web-") for name in names())


def test_an_interrupted_clean_up_says_what_may_remain(start: Start, bare_cleared: Lab) -> None:
    process = start(*MANY, "2", f"--lab={bare_cleared.name}")
    bare_cleared.delay_tasks({"Destroy": 20_000})
    interrupt_at(process, "waiting for the addresses")
    interrupt_at(process, "destroying")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted; nodes may remain: see vsphere-clone nodes --group web"
