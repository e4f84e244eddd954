"""``cli/results.py``: exit statuses and lines of many nodes."""

from __future__ import annotations

import json

import pytest

from libcloud_vsphere_clone.cli.results import NO_STATUS, NodeResult, exit_status_of, show_results

FACTS = {"id": "an-id", "name": "web-1", "public_ips": [], "private_ips": ["10.0.0.1"]}


def ran(exit_status: int | None, stdout: str = "", stderr: str = "") -> NodeResult:
    return NodeResult("web-1", dict(FACTS), {"exit_status": exit_status, "stdout": stdout, "stderr": stderr})


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([], 0),
        ([NodeResult("a")], 0),
        ([ran(0), ran(3), ran(2)], 3),
        ([ran(0), NodeResult("a", error="failed")], 1),
        ([ran(7), NodeResult("a", error="failed")], 7),
        ([ran(0), ran(None)], 1),
        ([ran(-1)], 1),
    ],
)
def test_the_exit_status_is_the_highest(results: list[NodeResult], status: int) -> None:
    assert exit_status_of(results) == status


def test_each_line_begins_with_its_nodes_name(capsys: pytest.CaptureFixture[str]) -> None:
    failed = NodeResult("web-2", error="could not clone")
    show_results("web", [ran(0, "one\ntwo\n", "oh"), failed], as_json=False, of_script=True)
    captured = capsys.readouterr()
    assert captured.out.splitlines() == ["web-1: one", "web-1: two"]
    assert captured.err.splitlines() == [
        "web-1: oh",
        "node web-1 (an-id) at 10.0.0.1: exit status 0, stays",
        "error: web-2: could not clone",
    ]


def test_a_script_without_an_exit_status_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    show_results("web", [ran(-1)], as_json=True, of_script=True)
    captured = capsys.readouterr()
    assert json.loads(captured.out)["nodes"][0]["script"]["exit_status"] == -1
    assert captured.err == f"error: web-1: {NO_STATUS}\n"
