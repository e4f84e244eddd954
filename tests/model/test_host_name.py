from __future__ import annotations

import re
import string
import unicodedata

import pytest

from libcloud_vsphere_clone.model.host_name import build_host_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web-1", "web-1"),
        ("Web Server 01", "web-server-01"),
        ("a__b..c", "a-b-c"),
        ("web01.example.com", "web01-example-com"),
        ("--x--", "x"),
        ("Müller & Söhne", "muller-sohne"),
        ("ﬁle", "file"),
        ("a/b%2fc", "a-b-2fc"),
        ("2024", "2024"),
        ("ß1", "1"),
        ("x" * 80, "x" * 63),
        ("x" * 62 + "-y", "x" * 62),
        ("", "fallback"),
        ("---", "fallback"),
        ("日本", "fallback"),
    ],
)
def test_rule(name: str, expected: str) -> None:
    assert build_host_name(name, "fallback") == expected


def test_any_name_gives_a_label() -> None:
    """Every printable character, and the first 10,000 of Unicode, in runs of 40."""
    characters = string.printable + "".join(map(chr, range(10_000)))
    for start in range(0, len(characters), 40):
        label = build_host_name(characters[start : start + 40], "none")
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label)
        assert "--" not in label
        assert build_host_name(label, "") == label == unicodedata.normalize("NFC", label)
