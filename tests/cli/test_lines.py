"""``cli/lines.py``: lines of many nodes."""

from __future__ import annotations

import pytest

from libcloud_vsphere_clone.cli.lines import LONGEST_BYTES, NodeLines


def test_lines_are_printed_when_they_are_finished(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    begun: list[bool] = []
    lines = NodeLines(before=lambda: begun.append(True))
    lines.add("a", b"one\xc3", False)
    assert (begun, capfdbinary.readouterr()) == ([], (b"", b""))
    lines.add("b", b"x\r\n\ny", False)
    lines.add("a", b"\xa4\n", False)
    lines.add("a", b"oops\n", True)
    assert capfdbinary.readouterr() == (b"b: x\nb: \na: one\xc3\xa4\n", b"a: oops\n")
    lines.end()
    lines.end()
    assert (begun, capfdbinary.readouterr().out) == ([True], b"b: y\n")


def test_a_line_without_end(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    lines = NodeLines(before=lambda: None)
    for _ in range(40):
        lines.add("a", b"x" * (LONGEST_BYTES // 16), False)
    printed = capfdbinary.readouterr().out
    assert len(printed) > 2 * LONGEST_BYTES
    assert all(line.startswith(b"a: x") for line in printed.splitlines())
