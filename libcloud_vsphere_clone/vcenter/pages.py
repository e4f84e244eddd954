"""Pages of bulk reads → rows, at close to the speed at which they arrive.

Takes replies of RetrievePropertiesEx, gives rows; never sends anything.

Objects of one type are written alike: all but the values repeats. So the XML parser reads the first of each, and what
surrounds each value is remembered with what it means. An object whose surroundings are all known is cut at them, at a
fraction of the cost. Anything unexpected (a comment, another prefix, a value with attributes) goes to the XML parser,
which sees the reply in order, less the objects that were understood without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, XMLPullParser

from .rows import (
    GARBLED,
    INTEGERS,
    TYPE,
    VIM,
    Ref,
    Reply,
    Row,
    add_field,
    is_scalar,
    local_name,
    read_chunks,
    to_row,
    to_value,
)

_END = b"</objects>"
_FIRST = "</obj><propSet><name>"
_NEXT = "</val></propSet><propSet><name>"
_LAST = "</val></propSet>"
_OBJECT_TAGS, _PROPERTY_TAGS = 3, 6
"""Tags of an object less its end, and of each of its properties."""

_ABOVE_OBJECTS = 4
"""Elements around ``objects``: Envelope, Body, RetrievePropertiesExResponse, returnval."""

_LONGEST_REST = 1 << 20
"""Bytes without an object's end that are kept for the next piece: copied each time, they would cost more and more."""

_REFS = "ArrayOfManagedObjectReference"

_OTHER_ENCODING = re.compile(rb"<\?xml[^>]*encoding=.(?!utf-8.\s*\?>)", re.IGNORECASE)
_HEAD = re.compile(r"[^<>]*</name><val(?:\s[^<>]*)?(?=>)")
_TAG = re.compile(r"<(\w+)>([^<>]*)(?:(</\1>)|(?=<))|</(\w+)>|<(\w+)/>")
_ENTITY = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,7})|#x([0-9a-fA-F]{1,6}));")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_BLANKS = frozenset({9, 10, 13})
_NO_CHARACTERS = frozenset({*range(0xD800, 0xE000), 0xFFFE, 0xFFFF})
_END_OF_UNICODE = 0x110000


class Page(NamedTuple):
    """One reply of RetrievePropertiesEx: its rows, what was missing for lack of a session, and where it goes on."""

    rows: list[Row]
    token: str | None
    unauthenticated: bool


def read_page(reply: Reply) -> Page:
    """The rows of one RetrievePropertiesEx reply."""
    reader = PageReader()
    rows = list(reader.read(reply))
    return Page(rows, reader.token, reader.unauthenticated)


class _UnexpectedError(Exception):
    """This object is for the XML parser."""


class PageReader:
    """Reads one page; ``token`` and ``unauthenticated`` hold once all its rows were taken."""

    def __init__(self) -> None:
        self.token: str | None = None
        self.unauthenticated = False
        self._parser: Any = XMLPullParser(events=("start", "end"))
        self._depth = 0
        self._hiding = False
        self._between = False
        self._known = _Known()

    def read(self, reply: Reply) -> Iterator[Row]:
        """The rows, each as soon as it has arrived.

        :raises ConnectionError: the reply was cut short, or is no XML.
        """
        rest = b""
        try:
            for chunk in read_chunks(reply):
                *parts, rest = (rest + chunk).split(_END)
                for part in parts:
                    row = self._known.row(part) if self._between else None
                    if row is not None:
                        yield row
                    else:
                        yield from self._parse(part + _END)
                if len(rest) > _LONGEST_REST:
                    yield from self._parse(rest)
                    rest = b""
            yield from self._parse(rest)
            self._parser.close()
        except GARBLED as cause:
            raise ConnectionError(f"the reply was cut short or garbled: {cause}") from cause

    def _parse(self, part: bytes) -> Iterator[Row]:
        """The rows that the XML parser completes with this part."""
        # A comment or a CDATA section may hide what looks like objects: after one, the parser reads all there is.
        self._hiding |= b"<!" in part or b"<?" in part[1:] or _OTHER_ENCODING.match(part) is not None
        self._between = False
        self._parser.feed(part)
        for event, element in self._parser.read_events():
            self._depth += 1 if event == "start" else -1
            self._between = False
            if event == "end" and element.tag == VIM + "objects":
                yield self._take(element, part)
            elif event == "end" and element.tag == VIM + "token":
                self.token = element.text

    def _take(self, element: Element, part: bytes) -> Row:
        row, faults = to_row(element)
        self.unauthenticated |= "NotAuthenticated" in faults
        self._between = part.endswith(_END) and self._depth == _ABOVE_OBJECTS and not self._hiding
        if self._between:
            self._known.learn(part, element)
        element.clear()
        return row


class _Known:
    """What surrounds the values of one page's objects, what it means, and values that come again and again.

    Rows share what repeats: their values are to be read only.
    """

    def __init__(self) -> None:
        self._openings: dict[str, str] = {}
        self._heads: dict[str, tuple[str, _Memo | None]] = {}
        self._pieces: dict[str, tuple[str, Any, int]] = {}
        self._memos: dict[tuple[str | None, str | None], _Memo | None] = {}

    def row(self, block: bytes) -> Row | None:
        """The row of ``<objects>…``, without its end; None when anything in it is not known."""
        try:
            return self._row(_decode(block))
        except (_UnexpectedError, ValueError):
            return None

    def _row(self, text: str) -> Row:
        opening, pieces = _cut(text)
        opening, _, moid = opening.rpartition(">")
        kind = self._openings.get(opening)
        if kind is None or "&" in moid or "\r" in text:
            raise _UnexpectedError
        heads, escapes, tags = self._heads, "&" in text, _OBJECT_TAGS + _PROPERTY_TAGS * len(pieces)
        values: dict[str, Any] = {}
        for piece in pieces:
            head, _, value = piece.rpartition(">")
            known = heads.get(head)
            if known is None:
                path, values[path], inside = self._pieces.get(piece) or self._array(piece)
                tags += inside
                continue
            path, memo = known
            if escapes and "&" in value:
                value = _unescape(value)
            values[path] = value if memo is None else memo[value]
        if text.count("<") != tags:
            raise _UnexpectedError
        return Row(Ref(kind, moid), values)

    def _array(self, piece: str) -> tuple[str, Any, int]:
        """Path and value of a property with markup in it, and how many tags that has."""
        found = _HEAD.match(piece)
        path, memo = self._heads.get(found.group(), ("", None)) if found else ("", None)
        if found is None or not isinstance(memo, _Array) or "&" in piece[found.end() :]:
            raise _UnexpectedError
        inner = piece[found.end() + 1 :]
        return path, _items(inner), inner.count("<")

    def learn(self, part: bytes, element: Element) -> None:
        """Remember what surrounds the values of an object which the XML parser has found at the end of this part."""
        try:
            opening, pieces = _cut(_decode(part[part.rfind(b"<objects>") : -len(_END)]))
        except _UnexpectedError:
            return
        opening, _, moid = opening.rpartition(">")
        properties = [child for child in element[1:] if child.tag == VIM + "propSet" and len(child) == 2]
        if not len(pieces) == len(properties) == len(element) - 1 or moid != element[0].text:
            return
        self._openings[opening] = element[0].get("type", "")
        for piece, (name, value) in zip(pieces, properties, strict=True):
            self._learn_piece(piece, name.text or "", value)

    def _learn_piece(self, piece: str, path: str, value: Element) -> None:
        found = _HEAD.match(piece)
        if found is None:
            return
        kind = local_name(value.get(TYPE)), value.get("type")
        if kind not in self._memos:
            self._memos[kind] = _memo(*kind)
        self._heads[found.group()] = path, self._memos[kind]
        if kind[0] == _REFS and "\r" not in piece:
            inside = piece[found.end() + 1 :]
            self._pieces[piece] = path, to_value(value), inside.count("<")


class _Memo(dict[str, Any]):
    """Values by their text; what is asked for again is the same object."""

    def __init__(self, kind: str | None, referred: str | None) -> None:
        self._kind, self._referred = kind, referred

    def __missing__(self, text: str) -> Any:
        element = Element("val", {TYPE: self._kind} if self._kind else {})
        if self._referred:
            element.set("type", self._referred)
        element.text = text
        self[text] = value = to_value(element)
        return value


class _Array(_Memo):
    """Arrays: each is a list of its own."""

    def __missing__(self, text: str) -> Any:
        return []


def _memo(kind: str | None, referred: str | None) -> _Memo | None:
    """What turns the text of such a property into its value; None where that is the text itself."""
    if kind is not None and kind.startswith("ArrayOf"):
        return _Array(kind, referred)
    if referred is None and (kind is None or (is_scalar(kind) and kind not in INTEGERS | {"boolean"})):
        return None
    return _Memo(kind, referred)


def _decode(block: bytes) -> str:
    """The text of an object, its empty values written in full."""
    text = block.decode()
    return text.replace("/></propSet>", "></val></propSet>") if "/></propSet>" in text else text


def _cut(text: str) -> tuple[str, list[str]]:
    """What opens an object, and a piece for each property, from its name to its value."""
    opening, found, rest = text.partition(_FIRST)
    if not found or not rest.endswith(_LAST):
        raise _UnexpectedError
    return opening, rest[: -len(_LAST)].split(_NEXT)


def _unescape(text: str) -> str:
    """Text with XML's own entities and numbers of characters resolved."""
    plain, count = _ENTITY.subn(_character, text)
    if count != text.count("&"):
        raise _UnexpectedError
    return plain


def _character(entity: re.Match[str]) -> str:
    name, decimal, hexadecimal = entity.groups()
    if name:
        return _ENTITIES[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    if (code < 32 and code not in _BLANKS) or code in _NO_CHARACTERS or code >= _END_OF_UNICODE:
        raise _UnexpectedError
    return chr(code)


def _items(inner: str) -> list[Any]:
    """The items of an array none of whose tags has attributes, as ``to_value`` gives them."""
    items: list[Any] = []
    around: list[tuple[str, dict[str, Any]]] = []
    brackets = 0
    for tag, text, is_leaf, ended, empty in _TAG.findall(inner):
        if is_leaf:
            name, value, brackets = tag, text, brackets + 2
        elif tag:
            around.append((tag, {}))
            brackets += 1
            continue
        elif empty:
            name, value, brackets = empty, "", brackets + 1
        else:
            name, value = around.pop() if around else ("", None)
            brackets += 1
            if name != ended:
                raise _UnexpectedError
        if around:
            add_field(around[-1][1], name, value)
        else:
            items.append(value)
    if around or brackets != inner.count("<") or brackets != inner.count(">"):
        raise _UnexpectedError
    return items
