"""``cli/commands/destroy.py``: nodes by name and id, and whole groups."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module

import pytest
from click.testing import Result

from libcloud_vsphere_clone.lab import Lab

Run = Callable[..., Result]
Make = Callable[..., str]


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is somebody to ask."""
    monkeypatch.setattr(import_module("libcloud_vsphere_clone.cli.commands.destroy"), "_is_terminal", lambda: True)


@pytest.fixture
def group_names(on_bare: Run) -> Callable[[], set[str]]:
    """The names of the groups there are."""
    return lambda: {group["name"] for group in json.loads(on_bare("groups", "--json").stdout)}


def test_destroy_several_by_name_and_id(on_bare: Run, make: Make, names: Callable[[], set[str]]) -> None:
    make("web-1")
    second = make("web-2")
    gone = on_bare("destroy", "web-1", second.upper(), second, "--yes")
    assert gone.exit_code == 0, gone.stderr
    assert [line.split()[:2] for line in gone.stdout.splitlines()] == [["destroyed", "web-1"], ["destroyed", "web-2"]]
    assert not names() & {"web-1", "web-2"}


def test_destroy_as_json(on_bare: Run, make: Make) -> None:
    node_id = make("web-1", "shop")
    gone = on_bare("destroy", "web-1", "--yes", "--json")
    assert json.loads(gone.stdout) == [{"id": node_id, "name": "web-1", "group": "shop", "error": None}]


def test_equal_names_need_the_group(on_bare: Run, make: Make) -> None:
    make("web", "shop")
    make("web", "other")
    failed = on_bare("destroy", "web", "--yes")
    assert failed.exit_code == 1
    assert "2 nodes are named 'web': " in failed.stderr
    assert "--group" in failed.stderr
    assert on_bare("destroy", "web", "--group", "shop", "--yes").exit_code == 0
    assert [node["group"] for node in json.loads(on_bare("nodes", "--json").stdout) if node["name"] == "web"] == [
        "other"
    ]


def test_one_wrong_name_destroys_nothing(on_bare: Run, make: Make, names: Callable[[], set[str]]) -> None:
    make("web-1")
    failed = on_bare("destroy", "web-1", "nowhere", "--yes")
    assert failed.exit_code == 1
    assert "no node 'nowhere'" in failed.stderr
    assert "web-1" in names()


def test_without_a_terminal_yes_is_needed(on_bare: Run, make: Make, names: Callable[[], set[str]]) -> None:
    make("web-1")
    refused = on_bare("destroy", "web-1", input="y\n")
    assert refused.exit_code == 2
    assert "add --yes" in refused.stderr
    assert "web-1" in names()


@pytest.mark.parametrize(
    ("answer", "status", "said"), [("y\n", 0, "destroyed web-1"), ("n\n", 1, "nothing was destroyed")]
)
def test_on_a_terminal_it_asks(
    on_bare: Run, make: Make, on_terminal: None, answer: str, status: int, said: str
) -> None:
    make("web-1")
    ended = on_bare("destroy", "web-1", input=answer)
    assert ended.exit_code == status
    assert "Destroy web-1 (group libcloud, stopped)? [y/N]" in ended.stderr
    assert said in ended.output


def test_what_others_made_stays(on_bare: Run, make: Make, names: Callable[[], set[str]]) -> None:
    make("web-1")
    failed = on_bare("destroy", "legacy-web", "web-1", "--yes", "--json")
    assert failed.exit_code == 1
    outcomes = {outcome["name"]: outcome["error"] for outcome in json.loads(failed.stdout)}
    assert "give --allow-unmanaged" in outcomes["legacy-web"]
    assert outcomes["web-1"] is None
    assert "legacy-web" in names()


def test_an_image_is_no_node(on_bare: Run, bare_lab: Lab) -> None:
    with bare_lab.driver() as driver:
        image_id = driver.ex_get_image_by_name("debian-12").id
    failed = on_bare("destroy", image_id, "--yes")
    assert failed.exit_code == 1
    assert "it is in the images folder" in failed.stderr


# Whole groups


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give the nodes, or --group and --all"),
        (["--all"], "--all is for the nodes of a --group"),
        (["web-1", "--group", "shop", "--all"], "give the nodes, or --group and --all"),
        (["web-1", "--group", "shop", "--remove-folder"], "--remove-folder is for --all"),
        (["--group", "shop", "--all"], "add --yes"),
    ],
)
def test_wrong_usage_connects_to_nothing(run: Run, words: list[str], said: str) -> None:
    refused = run("destroy", *words)
    assert refused.exit_code == 2
    assert said in refused.stderr


def test_destroy_a_group(on_bare: Run, make: Make, group_names: Callable[[], set[str]]) -> None:
    """Its folder goes if wanted; other groups stay."""
    make("web-1", "shop")
    make("web-2", "shop")
    make("web-1", "other")
    gone = on_bare("destroy", "--group", "shop", "--all", "--yes")
    assert gone.exit_code == 0, gone.stderr
    assert sorted(line.split()[:2][1] for line in gone.stdout.splitlines()) == ["web-1", "web-2"]
    assert gone.stderr == "destroying 2 nodes of group shop\n"
    assert group_names() >= {"shop", "other"}
    assert on_bare("destroy", "--group", "shop", "--all", "--remove-folder", "--yes").exit_code == 0
    assert "shop" not in group_names()
    assert on_bare("destroy", "web-1", "--group", "other", "--yes").exit_code == 0


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1)])
def test_it_asks_with_the_number(on_bare: Run, make: Make, on_terminal: None, answer: str, status: int) -> None:
    make("web-1", "shop")
    make("web-2", "shop")
    ended = on_bare("destroy", "--group", "shop", "--all", "--remove-folder", input=answer)
    assert ended.exit_code == status
    assert "Destroy 2 nodes of group shop (web-1, web-2) and its folder? [y/N]" in ended.stderr
    assert ("nothing was destroyed" in ended.stderr) is bool(status)


def test_what_others_made_stays_with_the_folder(
    on_bare: Run, on_terminal: None, names: Callable[[], set[str]], group_names: Callable[[], set[str]]
) -> None:
    ended = on_bare("destroy", "--group", "legacy", "--all", "--remove-folder", input="y\n")
    assert ended.exit_code == 1
    assert "Destroy 0 nodes of group legacy and its folder; 2 that others made stay? [y/N]" in ended.stderr
    assert ended.stderr.splitlines()[-1] == "error: the folder of group 'legacy' is kept: it is not empty"
    assert {"legacy-web", "legacy-db"} <= names()
    assert "legacy" in group_names()


def test_no_such_group(on_bare: Run) -> None:
    failed = on_bare("destroy", "--group", "nowhere", "--all", "--yes")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr.splitlines()[-1].startswith("error: no group 'nowhere' (vsphere-clone groups shows")


def test_nodes_of_a_group_that_remain_are_named(on_bare: Run, make: Make, bare_cleared: Lab) -> None:
    make("web-1", "shop")
    make("web-2", "shop")
    bare_cleared.faults.add("Destroy_Task", target="name:web-1", fault="NoPermission", times=0)
    failed = on_bare("destroy", "--group", "shop", "--all", "--remove-folder", "--yes", "--json")
    assert failed.exit_code == 1
    outcomes = json.loads(failed.stdout)
    assert {outcome["name"]: bool(outcome["error"]) for outcome in outcomes} == {"web-1": True, "web-2": False}
    assert failed.stderr.count("error: ") == 1
