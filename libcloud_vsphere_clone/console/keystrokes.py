"""Text, and the notation of Packer's ``boot_command`` → key events. (pure)

The notation is text with names of keys in angle brackets, in any case:

- ``<enter> <return> <tab> <esc> <bs> <del> <insert> <home> <end> <pageUp> <pageDown> <up> <down> <left> <right>
  <spacebar> <menu> <f1>`` to ``<f12>``
- ``<leftCtrl> <leftShift> <leftAlt> <leftSuper>`` and the same of ``right`` (``Meta`` is ``Super``): tapped; with
  ``On`` held down for what follows, with ``Off`` let go of
- ``<wait>`` (a second), ``<wait5>``, ``<wait5s>``, ``<wait1m30s>``, ``<wait250ms>``

Every other ``<`` is itself: ``cat <file``, ``a << b``. Unlike Packer, a single word in brackets that is no key is an
error and not typed, since it is a typing error mostly; ``<<wait0s>word>`` types it, here and with Packer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import InvalidRequestError
from .layouts import PLAIN, Layout, Modifier

__all__ = ["KeyStroke", "Pause", "parse_keys", "parse_text", "released_by"]

KEYBOARD_PAGE = 7
"""The usage page of keyboards (HID Usage Tables 1.12 §10)."""

LONGEST_WAIT_S = 24 * 3600.0


@dataclass(frozen=True)
class KeyStroke:
    """One key, pressed and let go of, with modifiers around it.

    :param usb_hid_code: as ``UsbScanCodeSpec`` wants it: the usage id, shifted, and the usage page.
    """

    usb_hid_code: int
    modifiers: Modifier = PLAIN

    @classmethod
    def of(cls, usage_id: int, modifiers: Modifier = PLAIN) -> KeyStroke:
        """The stroke of a key by its usage id."""
        return cls(usage_id << 16 | KEYBOARD_PAGE, modifiers)

    @property
    def modifier(self) -> Modifier:
        """Which modifier's own key it is; none for other keys.

        Its own flag among the modifiers says that the key stays down.
        """
        index = (self.usb_hid_code >> 16) - Modifier.LEFT_CONTROL.usage_id
        return Modifier(1 << index) if 0 <= index < 8 else PLAIN


@dataclass(frozen=True)
class Pause:
    """Time for the guest."""

    seconds: float


_KEYS = {
    **{"enter": 0x28, "return": 0x28, "esc": 0x29, "bs": 0x2A, "tab": 0x2B, "spacebar": 0x2C},
    **{"insert": 0x49, "home": 0x4A, "pageup": 0x4B, "del": 0x4C, "end": 0x4D, "pagedown": 0x4E},
    **{"right": 0x4F, "left": 0x50, "down": 0x51, "up": 0x52, "menu": 0x65},
    **{f"f{number}": 0x39 + number for number in range(1, 13)},
}
_MODIFIERS = {
    f"{side}{name}": Modifier[f"{side}_{kind}".upper()]
    for side in ("left", "right")
    for name, kind in (("ctrl", "control"), ("shift", "shift"), ("alt", "alt"), ("super", "gui"), ("meta", "gui"))
}
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_TOKEN = re.compile(r"<([A-Za-z0-9.µ]+)>")
_WAIT = re.compile(r"wait(\d+|(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|h|m|s))+)?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s)")


def parse_text(text: str, layout: Layout, *, secret: bool = False) -> tuple[KeyStroke, ...]:
    """The strokes of a text: every character is itself, a line end is Enter.

    :param secret: no character of it may stand in an error.
    :raises InvalidRequestError: the layout lacks characters; all are named.
    """
    _check_typable(text, layout, secret)
    return tuple(to_strokes(text, layout))


def parse_keys(notation: str, layout: Layout, *, secret: bool = False) -> tuple[KeyStroke | Pause, ...]:
    """The events of a notation, as the module describes it.

    :raises InvalidRequestError: a key is not known, with its position; or the layout lacks characters.
    """
    pieces = list(_pieces(notation))
    _check_typable("".join(text for text, _, _ in pieces), layout, secret)
    events: list[KeyStroke | Pause] = []
    held = PLAIN
    for text, token, position in pieces:
        events += to_strokes(text, layout, held)
        if token:
            event, held = _parse_token(token, position, held, secret)
            events.append(event)
    return tuple(events)


def to_strokes(text: str, layout: Layout, held: Modifier = PLAIN) -> Iterator[KeyStroke]:
    """The strokes of a text that the layout has, with these modifiers held down."""
    return (KeyStroke.of(usage_id, held | modifiers) for char in text for usage_id, modifiers in layout[char])


def released_by(held: Modifier) -> Iterator[KeyStroke]:
    """The strokes that let go of these modifiers, one after the other."""
    for modifier in Modifier:
        if modifier in held:
            held &= ~modifier
            yield KeyStroke.of(modifier.usage_id, held)


def _pieces(notation: str) -> Iterator[tuple[str, str, int]]:
    """Text, the token after it, and where that is; the last piece has no token."""
    end = 0
    for found in _TOKEN.finditer(notation):
        yield notation[end : found.start()], found[1], found.start()
        end = found.end()
    yield notation[end:], "", end


def _parse_token(token: str, position: int, held: Modifier, secret: bool) -> tuple[KeyStroke | Pause, Modifier]:
    """The token's event, and what is held down after it."""
    word, where = token.lower(), f"{'a word' if secret else f'<{token}>'} at position {position}"
    if (wait := _WAIT.fullmatch(word)) is not None:
        return Pause(_seconds(wait[1], where)), held
    if word in _KEYS:
        return KeyStroke.of(_KEYS[word], held), held
    name, state = next(((word.removesuffix(end), end) for end in ("on", "off") if word.endswith(end)), (word, ""))
    modifier = _MODIFIERS.get(word) or _MODIFIERS.get(name)
    if modifier is not None:
        held = held | modifier if state == "on" else held & ~modifier
        return KeyStroke.of(modifier.usage_id, held), held
    if state and (name in _KEYS or len(name) == 1):
        raise InvalidRequestError(f"{where}: only ctrl, shift, alt and super can be held down")
    raise InvalidRequestError(
        f"{where} is no key; to type it as text with its brackets, write <<wait0s> for the first, or type plain text"
    )


def _seconds(amount: str | None, where: str) -> float:
    if amount is None:
        return 1.0
    parts = _DURATION.findall(amount) or [(amount, "s")]
    seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    if seconds > LONGEST_WAIT_S:
        raise InvalidRequestError(f"{where}: nothing waits longer than a day")
    return seconds


def _check_typable(text: str, layout: Layout, secret: bool) -> None:
    missing = Counter(character for character in text if character not in layout)
    if not missing:
        return
    if secret:
        raise InvalidRequestError(f"the keyboard layout lacks {len(missing)} of the characters; nothing was typed")
    named = ", ".join(
        _named(character) + (f" ({count} times)" if count > 1 else "") for character, count in missing.items()
    )
    raise InvalidRequestError(f"the keyboard layout has no key for {named}; nothing was typed, choose another layout")


def _named(character: str) -> str:
    code = f"U+{ord(character):04X}"
    return f"{character!r} ({code})" if character.isprintable() else code
