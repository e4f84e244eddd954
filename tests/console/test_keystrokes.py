"""``guest/keystrokes.py``: text and Packer's notation."""

from __future__ import annotations

import pytest

from libcloud_vsphere_clone.console.keystrokes import KeyStroke, Pause, parse_keys, parse_text, released_by
from libcloud_vsphere_clone.console.layouts import LAYOUTS, PLAIN, Modifier
from libcloud_vsphere_clone.errors import InvalidRequestError

US = LAYOUTS["us"]
CONTROL, SHIFT, ALT = Modifier.LEFT_CONTROL, Modifier.LEFT_SHIFT, Modifier.LEFT_ALT


def key(usage_id: int, modifiers: Modifier = PLAIN) -> KeyStroke:
    return KeyStroke(usage_id << 16 | 7, modifiers)


def test_codes_are_as_the_api_wants_them() -> None:
    assert parse_text("aB", US) == (KeyStroke(0x40007), KeyStroke(0x50007, SHIFT))


@pytest.mark.parametrize(
    ("notation", "events"),
    [
        ("", ()),
        ("b<enter>", (key(5), key(0x28))),
        ("<ESC><Return>\n", (key(0x29), key(0x28), key(0x28))),
        ("<bs><tab><spacebar><insert><home><pageUp>", tuple(map(key, (0x2A, 0x2B, 0x2C, 0x49, 0x4A, 0x4B)))),
        ("<del><end><pagedown><right><left>", tuple(map(key, range(0x4C, 0x51)))),
        ("<down><up><menu><f1><f9><F12>", tuple(map(key, (0x51, 0x52, 0x65, 0x3A, 0x42, 0x45)))),
        ("<wait><wait5><wait10s>", (Pause(1), Pause(5), Pause(10))),
        ("<wait1m30s><wait250ms><wait0.5s><WAIT1h>", (Pause(90), Pause(0.25), Pause(0.5), Pause(3600))),
        ("<leftCtrl>", (key(0xE0),)),
        ("<leftCtrlOn>c<leftCtrlOff>c", (key(0xE0, CONTROL), key(6, CONTROL), key(0xE0), key(6))),
        (
            "<leftAltOn><leftctrlon><del><leftAltOff>A",
            (
                key(0xE2, ALT),
                key(0xE0, ALT | CONTROL),
                key(0x4C, ALT | CONTROL),
                key(0xE2, CONTROL),
                key(4, SHIFT | CONTROL),
            ),
        ),
        ("<rightSuper><leftMeta>", (key(0xE7), key(0xE3))),
    ],
)
def test_a_notation_is_parsed_into_keystrokes(notation: str, events: tuple[KeyStroke | Pause, ...]) -> None:
    assert parse_keys(notation, US) == events


@pytest.mark.parametrize("text", ["a < b", "cat <file", "x <<EOF", "< >", "<>", "<a b>", "a<b", "<<", "<a-b>"])
def test_other_brackets_are_text(text: str) -> None:
    assert parse_keys(text, US) == parse_text(text, US)


def test_a_word_in_brackets_can_be_typed() -> None:
    assert [event for event in parse_keys("<<wait0s>html>", US) if isinstance(event, KeyStroke)] == [
        *parse_text("<html>", US)
    ]


@pytest.mark.parametrize(
    ("notation", "said"),
    [
        ("root<entr>", "<entr> at position 4 is no key"),
        ("<wait5x>", "<wait5x> at position 0 is no key"),
        ("ab<enterOn>", "<enterOn> at position 2: only ctrl, shift, alt and super can be held down"),
        ("<f13>", "<f13> at position 0 is no key"),
        ("<aOn>", "<aOn> at position 0: only ctrl"),
        ("<wait900h>", "<wait900h> at position 0: nothing waits longer than a day"),
    ],
)
def test_a_wrong_notation_says_where_it_is_wrong(notation: str, said: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_keys(notation, US)
    assert said in str(caught.value)


def test_all_that_cannot_be_typed_is_named_at_once() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_keys("naïve café<enter>\x07 é", US)
    assert "no key for 'ï' (U+00EF), 'é' (U+00E9) (2 times), U+0007" in str(caught.value)


@pytest.mark.parametrize("text", ["pä55wörd", "<pass>ö"])
def test_no_character_of_a_secret_is_named(text: str) -> None:
    for parse in (parse_text, parse_keys):
        with pytest.raises(InvalidRequestError) as caught:
            parse(text, US, secret=True)
        assert not set(str(caught.value)) & set("äö")
        assert "U+" not in str(caught.value)
        assert "pass" not in str(caught.value)


def test_modifiers_are_let_go_of_one_after_the_other() -> None:
    assert list(released_by(CONTROL | ALT)) == [key(0xE0, ALT), key(0xE2)]
