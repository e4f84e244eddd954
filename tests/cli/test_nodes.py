"""``cli/nodes.py``: nodes and destroy."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from libcloud_vsphere_clone.lab import Lab

Run = Callable[..., Result]
Make = Callable[..., str]


@pytest.fixture
def make(bare_cleared: Lab) -> Make:
    """Makes a node; its id."""

    def make_node(name: str, group: str = "libcloud") -> str:
        with bare_cleared.driver() as driver:
            image = driver.ex_get_image_by_name("debian-12")
            return str(driver.create_node(name, None, image, ex_group=group, ex_power_on=False).id)

    return make_node


@pytest.fixture
def names(on_bare: Run) -> Callable[[], set[str]]:
    """The names of the nodes there are."""
    return lambda: {node["name"] for node in json.loads(on_bare("nodes", "--json").stdout)}


def test_nodes(on_bare: Run, make: Make) -> None:
    node_id = make("web-1", "shop")
    shown = on_bare("nodes")
    assert (shown.exit_code, shown.stderr) == (0, "")
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert rows[0] == ["node", "group", "state", "addresses", "hardware", "managed", "id"]
    assert ["web-1", "shop", "stopped", "2", "CPU,", "2", "GiB", "yes", node_id] in rows


def test_nodes_of_a_group(on_bare: Run, make: Make) -> None:
    make("web-1", "shop")
    make("web-2", "other")
    listed = json.loads(on_bare("nodes", "--group", "shop", "--json").stdout)
    assert [node["name"] for node in listed] == ["web-1"]
    assert on_bare("nodes", "--group", "nowhere").stdout == "no node\n"


def test_nodes_as_json(on_bare: Run, make: Make) -> None:
    make("web-1", "shop")
    [node] = json.loads(on_bare("nodes", "--group", "shop", "--json").stdout)
    stable = {"id", "name", "state", "public_ips", "private_ips", "created_at", "group", "image", "size", "managed"}
    assert stable <= node.keys()
    assert (node["state"], node["managed"]) == ("stopped", True)


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
    on_bare: Run, make: Make, monkeypatch: pytest.MonkeyPatch, answer: str, status: int, said: str
) -> None:
    make("web-1")
    monkeypatch.setattr("libcloud_vsphere_clone.cli.nodes._is_terminal", lambda: True)
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
