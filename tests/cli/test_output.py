"""``cli/output.py``: tables, JSON."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.table import Table

from libcloud_vsphere_clone.cli.output import cell, print_table, redacted


def test_secrets_are_redacted_at_any_depth() -> None:
    value = {"a": [{"password": "x", "ssh_private_key": "y"}], "Token": 1, "id": "stays", "passphrase": None}
    assert redacted(value) == {
        "a": [{"password": "***", "ssh_private_key": "***"}],
        "Token": "***",
        "id": "stays",
        "passphrase": None,
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (True, "yes"), (False, "no"), (["a", "b"], "a, b"), (4, "4"), ("a\x1b[2Jb", "a\ufffd[2Jb")],
)
def test_cells(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_in_a_pipe_no_row_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "id"), [("x" * 300, "[red]:smile:"), ("ü", "2")], empty="nothing")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["name", "id"], ["x" * 300, "[red]:smile:"], ["ü", "2"]]
    assert all(line == line.rstrip() for line in lines)


def test_a_table_in_a_pipe_is_as_wide_as_rich_would_make_it(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("web-1", "10.0.0.1, 10.0.0.2", ""), ("\u6f22\u5b57", "a\u0301", "x"), ("", "ü" * 40, "\U0001f600")]
    print_table(("node", "addresses", "id"), rows, empty="no node")
    table = Table("node", "addresses", "id", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console = Console(markup=False, highlight=False, emoji=False, width=10_000)
    with console.capture() as captured:
        console.print(table)
    assert capsys.readouterr().out.splitlines() == [line.rstrip() for line in captured.get().splitlines()]


def test_a_table_on_a_terminal_is_folded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    print_table(("name", "id"), [("web-1", "0123456789" * 3)], empty="no node")
    lines = capsys.readouterr().out.splitlines()
    assert "".join(line.split()[-1] for line in lines[1:]) == "0123456789" * 3
    assert all(len(line) <= 20 for line in lines[1:])


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name",), [], empty="no node")
    assert capsys.readouterr().out == "no node\n"


def test_columns_are_under_each_other_whatever_their_characters(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "id"), [("日本", "1"), ("abcdef", "2")], empty="nothing")
    assert capsys.readouterr().out == "name    id\n日本    1\nabcdef  2\n"


def test_a_table_that_the_terminal_is_too_narrow_for_is_folded_not_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(("name", "id"), [("web", "x" * 50)], empty="nothing")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[1:])) <= 20  # the headline is bold
    assert sum(line.count("x") for line in lines) == 50
