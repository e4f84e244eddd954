"""Keyboard layouts: characters → keys and modifiers, by USB HID usage. (pure)

A layout is ``{character: presses}``; a press is ``(usage id, modifiers)``. A character may take several presses: where
an accent's key waits for a letter, a space after it gives the accent itself.

Source: HID Usage Tables 1.12 §10 (usage ids), HID 1.11 §8.3 (modifiers).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..errors import InvalidRequestError

__all__ = ["LAYOUTS", "Layout", "Modifier", "Press", "find_layout"]


class Modifier(enum.IntFlag):
    """Modifier keys, with the bits of the HID modifier byte."""

    LEFT_CONTROL = 0x01
    LEFT_SHIFT = 0x02
    LEFT_ALT = 0x04
    LEFT_GUI = 0x08
    RIGHT_CONTROL = 0x10
    RIGHT_SHIFT = 0x20
    RIGHT_ALT = 0x40
    RIGHT_GUI = 0x80

    @property
    def usage_id(self) -> int:
        """The usage id of the modifier's own key."""
        return 0xDF + self.value.bit_length()


Press = tuple[int, Modifier]
Layout = Mapping[str, Sequence[Press]]

PLAIN, SHIFT, ALT_GR = Modifier(0), Modifier.LEFT_SHIFT, Modifier.RIGHT_ALT

ENTER, TAB, SPACE = 0x28, 0x2B, 0x2C
EVERYWHERE: Layout = {"\n": ((ENTER, PLAIN),), "\t": ((TAB, PLAIN),), " ": ((SPACE, PLAIN),)}

ROWS = (
    (0x35, *range(0x1E, 0x28), 0x2D, 0x2E),
    (0x14, 0x1A, 0x08, 0x15, 0x17, 0x1C, 0x18, 0x0C, 0x12, 0x13, 0x2F, 0x30),
    # 0x31 also for the key that keyboards with 102 keys have there (0x32): guests get the same scan code for both.
    (0x04, 0x16, 0x07, 0x09, 0x0A, 0x0B, 0x0D, 0x0E, 0x0F, 0x33, 0x34, 0x31),
    (0x64, 0x1D, 0x1B, 0x06, 0x19, 0x05, 0x11, 0x10, 0x36, 0x37, 0x38),
)
"""The usage ids of a keyboard's four rows, from the left; the last begins with the key that US keyboards lack."""

DEAD_KEYS = {
    "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING GRAVE ACCENT}": "`",
    "\N{COMBINING ACUTE ACCENT}": "\N{ACUTE ACCENT}",
}
"""{what stands in a row for a key that waits for a letter: what it gives with a space}"""


def _build(levels: Mapping[Modifier, Sequence[str]]) -> Layout:
    """The layout of ``{modifiers: its four rows}``; a space in a row is a key without a character."""
    layout: dict[str, Sequence[Press]] = {}
    for modifiers, rows in levels.items():
        for usage_ids, characters in zip(ROWS, rows, strict=True):
            for usage_id, character in zip(usage_ids, characters, strict=True):
                layout.setdefault(character, ((usage_id, modifiers),))
    for dead_key, character in DEAD_KEYS.items():
        if dead_key in layout:
            layout.setdefault(character, (*layout.pop(dead_key), (SPACE, PLAIN)))
    return MappingProxyType({**layout, **EVERYWHERE})


US = _build(
    {
        PLAIN: ("`1234567890-=", "qwertyuiop[]", "asdfghjkl;'\\", " zxcvbnm,./"),
        SHIFT: ("~!@#$%^&*()_+", "QWERTYUIOP{}", 'ASDFGHJKL:"|', " ZXCVBNM<>?"),
    }
)
GERMAN = _build(
    {
        PLAIN: (
            "\N{COMBINING CIRCUMFLEX ACCENT}1234567890ß\N{COMBINING ACUTE ACCENT}",
            "qwertzuiopü+",
            "asdfghjklöä#",
            "<yxcvbnm,.-",
        ),
        SHIFT: ('°!"§$%&/()=?\N{COMBINING GRAVE ACCENT}', "QWERTZUIOPÜ*", "ASDFGHJKLÖÄ'", ">YXCVBNM;:_"),
        ALT_GR: ("  ²³   {[]}\\ ", "@ €        ~", " " * 12, "|      µ   "),
    }
)
FRENCH = _build(
    {
        PLAIN: ("²&é\"'(-è_çà)=", "azertyuiop\N{COMBINING CIRCUMFLEX ACCENT}$", "qsdfghjklmù*", "<wxcvbn,;:!"),
        SHIFT: (" 1234567890°+", "AZERTYUIOP £", "QSDFGHJKLM%µ", ">WXCVBN?./§"),
        ALT_GR: ("  ~#{[|`\\^@]}", "  €        ¤", " " * 12, " " * 11),
    }
)
LAYOUTS: Mapping[str, Layout] = MappingProxyType({"us": US, "de": GERMAN, "fr": FRENCH})
"""The layouts by name, as Linux and Windows guests have them. In French Windows, ~ and ` wait for a letter: there,
pass a mapping in which they take a space as well."""


def find_layout(layout: str | Mapping[str, Any]) -> Layout:
    """The layout of this name, or the one that a mapping describes.

    :param layout: a name in ``LAYOUTS``, or ``{character: (usage id, modifiers)}``; a character that takes several
        presses has a sequence of such pairs. Space, tab and line end need no entry.
    :raises InvalidRequestError: there is no such layout, or the mapping is not of that form.
    """
    if isinstance(layout, str):
        if layout.lower() not in LAYOUTS:
            raise InvalidRequestError(
                f"no keyboard layout {layout!r}: there are {', '.join(LAYOUTS)}; for others pass a mapping of "
                "characters to (usage id, modifiers)"
            )
        return LAYOUTS[layout.lower()]
    return {**EVERYWHERE, **{character: _presses(character, keys) for character, keys in layout.items()}}


def _presses(character: str, keys: Any) -> Sequence[Press]:
    try:
        pairs = [keys] if isinstance(keys[0], int) else keys
        presses = tuple((int(usage_id), Modifier(modifiers)) for usage_id, modifiers in pairs)
    except (TypeError, ValueError, IndexError, KeyError) as cause:
        raise InvalidRequestError(
            f"keyboard layout: {character!r} must be (usage id, modifiers), got {keys!r}"
        ) from cause
    if len(character) != 1 or not presses or not all(0 < usage_id <= 0xFF for usage_id, _ in presses):
        raise InvalidRequestError(f"keyboard layout: {character!r} must be one character, its usage ids 1 to 255")
    return presses
