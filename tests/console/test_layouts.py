"""``guest/layouts.py``: tables of keys."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import pytest

from libcloud_vsphere_clone.console.layouts import LAYOUTS, Modifier, find_layout
from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.keyboard.client import KeyboardClient

PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_has_all_of_ascii(name: str) -> None:
    assert not [character for character in PRINTABLE + "\n\t" if character not in LAYOUTS[name]]


@pytest.mark.parametrize("name", LAYOUTS)
def test_no_two_characters_take_the_same_presses(name: str) -> None:
    presses = [tuple(presses) for presses in LAYOUTS[name].values()]
    assert len(set(presses)) == len(presses)


def test_the_us_layout_is_what_a_us_guest_reads(
    keyboard: Callable[..., KeyboardClient], bare_lab: Lab, console_node: Any
) -> None:
    keyboard().type(PRINTABLE + "\n\t")
    assert bare_lab.typed(console_node) == PRINTABLE + "<enter><tab>"


def test_other_layouts_press_other_keys(
    keyboard: Callable[..., KeyboardClient], bare_lab: Lab, console_node: Any
) -> None:
    """The lab reads all as a US keyboard: so it shows which keys were pressed."""
    keyboard(layout="de").type("zy-Ö_@{^")
    assert bare_lab.typed(console_node) == "yz/:?<rightAltOn>q<rightAltOff><rightAltOn>7<rightAltOff>` "
    bare_lab.clear_typed(console_node)
    keyboard(layout="FR").type("Aq1!mM#")
    assert bare_lab.typed(console_node) == "Qa!/;:<rightAltOn>3<rightAltOff>"


@pytest.mark.parametrize(
    ("character", "usage_id", "modifiers"),
    [
        ("a", 0x04, 0),
        ("Z", 0x1D, Modifier.LEFT_SHIFT),
        ("0", 0x27, 0),
        ("|", 0x31, Modifier.LEFT_SHIFT),
        (" ", 0x2C, 0),
    ],
)
def test_a_character_has_the_usage_id_of_its_key(character: str, usage_id: int, modifiers: int) -> None:
    """Some of the table in HID Usage Tables, by hand."""
    assert LAYOUTS["us"][character] == ((usage_id, modifiers),)


def test_modifiers_have_keys() -> None:
    assert [modifier.usage_id for modifier in Modifier] == list(range(0xE0, 0xE8))


def test_a_layout_of_ones_own() -> None:
    own = find_layout({"å": (0x2F, 0), "~": [(0x30, Modifier.RIGHT_ALT), (0x2C, 0)]})
    assert own["å"] == ((0x2F, Modifier(0)),)
    assert own["~"] == ((0x30, Modifier.RIGHT_ALT), (0x2C, Modifier(0)))
    assert "\n" in own
    assert not set(string.ascii_letters) & set(own)


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ("dvorak", "no keyboard layout 'dvorak': there are us, de, fr"),
        ({"a": "b"}, "'a' must be (usage id, modifiers)"),
        ({"ab": (4, 0)}, "must be one character"),
        ({"a": (0x400, 0)}, "its usage ids 1 to 255"),
        ({"a": ()}, "'a' must be (usage id, modifiers)"),
    ],
)
def test_an_unknown_layout_is_refused(layout: Any, said: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        find_layout(layout)
    assert said in str(caught.value)
