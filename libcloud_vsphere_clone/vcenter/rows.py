"""Replies of the property collector → rows, parsed while they stream in.

Takes bytes, gives plain values; never sends anything. Twice to three times as fast as pyVmomi's deserialiser, and a
value of a type or an enum that this pyVmomi does not know is text like any other, so it breaks no listing.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol
from xml.etree.ElementTree import Element, ParseError, XMLPullParser, fromstring

VIM = "{urn:vim25}"
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
INTEGERS = frozenset({"int", "long", "short", "byte"})
GARBLED = (ParseError, zlib.error, LookupError, ValueError)
"""What a reply that is cut short, or no reply of a property collector, surfaces as here."""
_CHUNK = 65536

TYPE_KEY = "@type"
"""Where a data object's row says which subtype it is, such as ``VirtualDisk``, when the server said so."""


class Ref(NamedTuple):
    """A managed object reference: its vSphere type and its id."""

    kind: str
    moid: str


class Row(dict[str, Any]):
    """``{property path: value}`` of one managed object.

    Values are str, int, bool, Ref, lists and dicts of them; an unset property has no key. ``unreadable`` names the
    paths that the server refused to tell: unknown, which is not the same as absent.
    """

    __slots__ = ("ref", "unreadable")

    def __init__(self, ref: Ref, values: dict[str, Any] | None = None) -> None:
        super().__init__(values or {})
        self.ref = ref
        self.unreadable: frozenset[str] = frozenset()


def merged(before: Row | None, change: Row, *, keeps_unset: bool = False) -> Row:
    """The row after a change, in which a property that was unset is None. What was there before stays as it is.

    :param keeps_unset: it is a change itself: what was unset is None in it, too.
    """
    values = {**(before or {}), **dict.fromkeys(change.unreadable), **change}
    if not keeps_unset:
        values = {path: value for path, value in values.items() if value is not None}
    after = Row(change.ref, values)
    known = before.unreadable - change.keys() if before is not None else frozenset()
    after.unreadable = known | change.unreadable
    return after


class Reply(Protocol):
    """The part of ``http.client.HTTPResponse`` that is read here."""

    def getheader(self, name: str, default: str = ...) -> str: ...
    def read1(self, n: int = ...) -> bytes: ...
    def read(self) -> bytes: ...


class Updates(NamedTuple):
    """One reply of WaitForUpdatesEx: what changed since the version before, by object.

    A property that was unset is None in ``changed``. Of objects in ``entered``, which are new or told anew, it has all.
    """

    version: str
    changed: list[Row]
    gone: list[Ref]
    truncated: bool
    entered: frozenset[Ref] = frozenset()
    unauthenticated: bool = False


def read_updates(reply: Reply) -> Updates | None:
    """The changes of one WaitForUpdatesEx reply; None when nothing changed in time.

    Source: PropertyCollector.UpdateSet, ObjectUpdate, PropertyChange (vSphere Web Services API).
    """
    changes = _Changes()
    for element in _elements(reply, {VIM + "objectSet", VIM + "returnval"}):
        if element.tag == VIM + "returnval":
            truncated = element.findtext(VIM + "truncated") in ("true", "1")
            return Updates(element.findtext(VIM + "version") or "", *changes.result(truncated))
        changes.add(element)
        element.clear()
    return None


def read_body(reply: Reply) -> bytes:
    """The whole reply, unpacked."""
    try:
        return b"".join(read_chunks(reply))
    except zlib.error as cause:
        raise ConnectionError(f"the reply was garbled: {cause}") from cause


def read_fault(body: bytes) -> tuple[str, str]:
    """The type and the text of a SOAP fault, whatever its type; nothing else of it.

    :raises ConnectionError: it is no XML.
    """
    try:
        root = fromstring(body)  # noqa: S314  # vCenter's own words, over its own verified connection
    except ParseError as cause:
        raise ConnectionError(f"the reply was cut short: {cause}") from cause
    detail = root.find(".//detail/*")
    kind = "" if detail is None else detail.get(TYPE) or detail.tag.rpartition("}")[2]
    return local_name(kind) or "", (root.findtext(".//faultstring") or "").strip()


class _Changes:
    """The updates of one reply, in order: an object may be in several."""

    def __init__(self) -> None:
        self._changed: dict[Ref, Row] = {}
        self._entered: set[Ref] = set()
        self._gone: dict[Ref, None] = {}
        self._unauthenticated = False

    def add(self, update: Element) -> None:
        kind = update.findtext(VIM + "kind")
        row, faults = _changed_row(update)
        self._unauthenticated |= "NotAuthenticated" in faults
        before = self._changed.pop(row.ref, None)
        if kind == "leave":
            self._entered.discard(row.ref)
            self._gone[row.ref] = None
            return
        if kind == "enter":
            self._entered.add(row.ref)
            self._gone.pop(row.ref, None)
        elif before is not None:
            row = merged(before, row, keeps_unset=True)
        self._changed[row.ref] = row

    def result(self, truncated: bool) -> tuple[list[Row], list[Ref], bool, frozenset[Ref], bool]:
        gone, entered = list(self._gone), frozenset(self._entered)
        return list(self._changed.values()), gone, truncated, entered, self._unauthenticated


def _changed_row(update: Element) -> tuple[Row, set[str]]:
    """A row of what changed, and the faults in it; a property that was unset or removed is there as None."""
    first = update.find(VIM + "obj")
    row = Row(Ref("", "") if first is None else Ref(first.get("type", ""), first.text or ""))
    for change in update.iterfind(VIM + "changeSet"):
        value = change.find(VIM + "val")
        path = sys.intern(change.findtext(VIM + "name") or "")  # the same few in any number of rows
        row[path] = None if value is None else to_value(value)
    missing = update.findall(VIM + "missingSet")
    row.unreadable = frozenset(part.findtext(VIM + "path") or "" for part in missing)
    return row, {_missing_fault(part) for part in missing}


def to_value(element: Element) -> Any:
    """The plain value of a property: its ``xsi:type`` decides, and text stays text."""
    kind = local_name(element.get(TYPE))
    if kind is not None:
        if kind in INTEGERS:
            return int(element.text or 0)
        if kind == "boolean":
            return (element.text or "").strip() in ("true", "1")
        if kind == "ManagedObjectReference":
            return Ref(element.get("type", ""), element.text or "")
        if kind.startswith("ArrayOf"):
            return [to_value(child) for child in element]
        if len(element) or (not element.text and not is_scalar(kind)):
            return {TYPE_KEY: kind, **_fields(element)}
    if len(element) == 0:
        referred = element.get("type")
        return Ref(referred, element.text or "") if referred else element.text or ""
    return _fields(element)


def local_name(kind: str | None) -> str | None:
    """A type's name without the prefix, which is for the server to choose."""
    return kind.rpartition(":")[2] if kind is not None else None


def is_scalar(kind: str) -> bool:
    """Whether the type is one of XML Schema's own: vSphere's begin with a capital letter."""
    return kind[:1].islower()


def _fields(element: Element) -> dict[str, Any]:
    """A data object's fields. One that occurs twice is a list; a list of one can not be told from a value here."""
    fields: dict[str, Any] = {}
    for child in element:
        add_field(fields, child.tag[len(VIM) :], to_value(child))
    return fields


def add_field(fields: dict[str, Any], name: str, value: Any) -> None:
    """Put the value of one more field into a data object's."""
    if name not in fields:
        fields[name] = value
    elif isinstance(fields[name], list):
        fields[name].append(value)
    else:
        fields[name] = [fields[name], value]


def to_row(element: Element) -> tuple[Row, set[str]]:
    """The row of an ObjectContent, and the types of the faults that kept properties from it."""
    first = element[0]
    row = Row(Ref(first.get("type", ""), first.text or ""))
    faults: set[str] = set()
    refused: list[str] = []
    for child in element:
        if child.tag == VIM + "propSet":
            row[child[0].text or ""] = to_value(child[1])
        elif child.tag == VIM + "missingSet":
            refused.append(child[0].text or "")
            faults.add(_missing_fault(child))
    if refused:
        row.unreadable = frozenset(refused)
    return row, faults


def _missing_fault(missing: Element) -> str:
    """The type of MissingProperty.fault.fault, such as ``NoPermission``."""
    fault = missing.find(f"{VIM}fault/{VIM}fault")
    return (local_name(fault.get(TYPE)) or "") if fault is not None else ""


def _elements(reply: Reply, tags: set[str]) -> Iterator[Element]:
    parser: Any = XMLPullParser(events=("end",))  # its events are (name, element) pairs when only "end" is asked for
    try:
        for chunk in read_chunks(reply):
            parser.feed(chunk)
            for _, element in parser.read_events():
                if element.tag in tags:
                    yield element
        parser.close()
    except GARBLED as cause:
        raise ConnectionError(f"the reply was cut short or garbled: {cause}") from cause


def read_chunks(reply: Reply) -> Iterator[bytes]:
    """The reply's bytes as they arrive, unpacked when the server packed them."""
    packed = reply.getheader("Content-Encoding", "identity").lower() in ("gzip", "deflate")
    unpack = zlib.decompressobj(wbits=47) if packed else None  # 47: gzip or zlib, told by the header
    while chunk := reply.read1(_CHUNK):
        yield unpack.decompress(chunk) if unpack else chunk
    reply.read()  # read1 leaves a body of known length open at its end, and so its connection busy
