"""Names as people write them and as vCenter stores them."""

from __future__ import annotations

import re

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model import names as model_names
from libcloud_vsphere_clone.model.names import LONGEST_NAME, check_name, draw_names, escape_name, unescape_name

PAIRS = [
    ("web-1", "web-1"),
    ("a/b", "a%2fb"),
    ("a\\b", "a%5cb"),
    ("50%", "50%25"),
    ("%2f", "%252f"),
    ("%252f", "%25252f"),
    ("Bücher für 東京", "Bücher für 東京"),
    (" two  spaces ", " two  spaces "),
]


@pytest.mark.parametrize(("written", "stored"), PAIRS)
def test_a_name_survives_the_way_to_vcenter_and_back(written: str, stored: str) -> None:
    assert escape_name(written) == stored
    assert unescape_name(stored) == written


@pytest.mark.parametrize(("stored", "written"), [("a%2Fb", "a/b"), ("100%", "100%"), ("%zz", "%zz"), ("%41", "%41")])
def test_only_vcenters_own_escapes_are_undone(stored: str, written: str) -> None:
    assert unescape_name(stored) == written


@pytest.mark.parametrize("name", ["x", "é" * LONGEST_NAME, "a/b", " x "])
def test_names_that_vcenter_takes(name: str) -> None:
    assert check_name(name, "node") == name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "needs a name"),
        ("  ", "needs a name"),
        ("x" * 81, "81 characters"),
        ("a\nb", "control characters"),
        ("\ud800", "control"),
        ("\uffff", "control"),
    ],
)
def test_names_that_it_does_not(name: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        check_name(name, "node")


# Drawn


def test_names_are_unique_and_short() -> None:
    names = draw_names("web", 40)
    assert len(set(names)) == 40
    assert all(re.fullmatch("web-[0-9a-f]{5}", name) for name in names)


def test_no_name_is_drawn_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    endings = iter(["abc11", "abc11", "def33"])
    monkeypatch.setattr(model_names, "draw_hex", lambda _: next(endings))
    assert draw_names("web", 2) == ["web-abc11", "web-def33"]


@pytest.mark.parametrize(("count", "digits"), [(1, 5), (255, 5), (256, 6), (1000, 6)])
def test_names_grow_before_they_run_out(count: int, digits: int) -> None:
    assert {len(name) for name in draw_names("g", count)} == {len("g-") + digits}
