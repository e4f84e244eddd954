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
