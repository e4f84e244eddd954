"""``cli/board.py``: many nodes' steps told."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from libcloud_vsphere_clone.cli.board import ROWS, Board, boarded


@pytest.fixture
def live() -> Progress:
    return Progress(console=Console(file=io.StringIO(), force_terminal=True))


def lines(live: Progress) -> list[tuple[str, str]]:
    """The lines that are shown below the total."""
    return [(task.description.strip(), task.fields["note"]) for task in live.tasks[1:] if task.visible]


def test_without_a_terminal_each_step_is_a_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    with boarded(2) as board:
        for _ in range(2):
            board.tell("cloning [red]a[/red]")
            board.node("web-1", "waiting")
        board.percent_of("web-1", 40)
        board.end("web-1", "done")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["cloning [red]a[/red]", "web-1: waiting", "web-1: done"]


def test_on_a_terminal_nodes_in_flight_have_lines_and_all_a_total(live: Progress) -> None:
    board = Board(live, 4)
    board.tell("looking")
    total = live.tasks[0]
    assert (total.description, total.total, total.fields["note"]) == ("looking", None, "")
    board.tell("cloning")
    board.percent_of("web-1", 40)
    board.node("web-2", "waiting")
    assert lines(live) == [("web-1", "40 %"), ("web-2  waiting", "")]
    total = live.tasks[0]
    assert (total.description, total.total, total.completed) == ("cloning", 4, 0.4)
    board.end("web-1", "done")
    assert lines(live) == [("web-2  waiting", "")]
    assert total.fields["note"] == "1 of 4"
    board.tell("destroying")
    assert lines(live) == []


def test_no_more_lines_than_fit(live: Progress) -> None:
    board = Board(live, 100)
    board.tell("running")
    for number in range(ROWS + 2):
        board.node(f"web-{number}", "waiting")
    assert len(lines(live)) == ROWS
    assert live.tasks[0].fields["note"] == "0 of 100, 2 more in flight"
    board.end("web-0", "done")
    assert [name.split()[0] for name, _ in lines(live)] == [f"web-{number}" for number in range(1, ROWS + 1)]


def test_a_board_of_unknown_length(live: Progress) -> None:
    board = Board(live)
    board.tell("running")
    board.node("web-1", "waiting")
    assert (live.tasks[0].total, live.tasks[0].fields["note"]) == (None, "")
