"""``cli/output.py``: tables, JSON."""

from __future__ import annotations

import pytest

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
