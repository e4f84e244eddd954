"""Replies → rows. No lab: the bytes are prepared, as vCenter writes them."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import fromstring
from xml.sax.saxutils import escape, quoteattr

import pytest

from libcloud_vsphere_clone.vcenter.pages import Page, read_page
from libcloud_vsphere_clone.vcenter.rows import (
    TYPE_KEY,
    Ref,
    Row,
    Updates,
    merged,
    read_body,
    read_fault,
    read_updates,
    to_value,
)

from .scripted import envelope, fault

VM_1 = Ref("VirtualMachine", "vm-1")
XSI = 'xmlns="urn:vim25" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


class Bytes(io.BytesIO):
    """A reply's body that arrives in pieces of a given size."""

    def __init__(self, body: bytes, *, encoding: str = "identity", piece: int = 65536) -> None:
        super().__init__(body)
        self._encoding, self._piece = encoding, piece

    def getheader(self, name: str, default: str = "") -> str:
        return self._encoding if name == "Content-Encoding" else default

    def read1(self, n: int | None = -1, /) -> bytes:
        return super().read1(self._piece)


def objects(*inner: str, ref: Ref = VM_1) -> str:
    return f'<objects><obj type="{ref.kind}">{ref.moid}</obj>{"".join(inner)}</objects>'


def prop(name: str, value: str) -> str:
    return f"<propSet><name>{escape(name)}</name>{value}</propSet>"


def missing(path: str, fault_type: str) -> str:
    inner = f'<fault xsi:type="{fault_type}"><privilegeId>System.Read</privilegeId></fault>'
    return f"<missingSet><path>{path}</path><fault>{inner}<localizedMessage/></fault></missingSet>"


def page_bytes(*inner: str) -> bytes:
    body = "".join(inner)
    return envelope(
        f'<RetrievePropertiesExResponse xmlns="urn:vim25"><returnval>{body}</returnval></RetrievePropertiesExResponse>'
    )


def read(*inner: str, **how: Any) -> Page:
    return read_page(Bytes(page_bytes(*inner), **how))


def value(xml: str) -> Any:
    return to_value(fromstring(xml.replace("<val", f"<val {XSI}", 1)))  # noqa: S314  # our own


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ('<val xsi:type="xsd:string">web</val>', "web"),
        ('<val xsi:type="xsd:string"></val>', ""),
        ('<val xsi:type="xsd:string"/>', ""),
        ('<val xsi:type="xsd:string"> a  b </val>', " a  b "),
        ('<val xsi:type="xsd:int">-7</val>', -7),
        ('<val xsi:type="xsd:long">8589934592</val>', 8589934592),
        ('<val xsi:type="xsd:short">3</val>', 3),
        ('<val xsi:type="xsd:byte">1</val>', 1),
        ('<val xsi:type="xsd:boolean">true</val>', True),
        ('<val xsi:type="xsd:boolean">1</val>', True),
        ('<val xsi:type="xsd:boolean">false</val>', False),
        ('<val xsi:type="xsd:dateTime">2026-01-02T03:04:05.678Z</val>', "2026-01-02T03:04:05.678Z"),
        ('<val xsi:type="VirtualMachinePowerState">poweredOn</val>', "poweredOn"),
        ('<val xsi:type="VirtualMachinePowerState">hibernatedInTheCloud</val>', "hibernatedInTheCloud"),
        ('<val xsi:type="NoSuchType">text</val>', "text"),
        ('<val xsi:type="NoSuchType"/>', {TYPE_KEY: "NoSuchType"}),
        ('<val xsi:type="NoSuchType"><depth>3</depth></val>', {TYPE_KEY: "NoSuchType", "depth": "3"}),
        ('<val type="HostSystem" xsi:type="ManagedObjectReference">host-9</val>', Ref("HostSystem", "host-9")),
        ('<val type="HyperHost" xsi:type="ManagedObjectReference">h-1</val>', Ref("HyperHost", "h-1")),
        ('<val xsi:type="ArrayOfString"/>', []),
        ('<val xsi:type="ArrayOfString"><string>a</string></val>', ["a"]),
        (
            '<val xsi:type="ArrayOfManagedObjectReference"><ManagedObjectReference type="Datastore" '
            'xsi:type="ManagedObjectReference">datastore-1</ManagedObjectReference></val>',
            [Ref("Datastore", "datastore-1")],
        ),
        (
            '<val xsi:type="ArrayOfManagedObjectReference"><ManagedObjectReference type="Datastore">'
            "datastore-1</ManagedObjectReference></val>",
            [Ref("Datastore", "datastore-1")],
        ),
        (
            '<val xsi:type="ArrayOfVirtualDevice"><VirtualDevice xsi:type="VirtualVmxnet9"><key>4000</key>'
            '<backing xsi:type="Empty"/><ip>a</ip><ip>b</ip><ip>c</ip></VirtualDevice></val>',
            [{TYPE_KEY: "VirtualVmxnet9", "key": "4000", "backing": {TYPE_KEY: "Empty"}, "ip": ["a", "b", "c"]}],
        ),
        (
            '<val xsi:type="OptionValue"><key>k</key><value xsi:type="xsd:string">&lt;&amp;&#10;ü 💾</value></val>',
            {TYPE_KEY: "OptionValue", "key": "k", "value": "<&\nü 💾"},
        ),
    ],
)
def test_a_value_is_plain_whatever_its_type(xml: str, expected: object) -> None:
    got = value(xml)
    assert got == expected
    assert type(got) is type(expected)


def test_a_page_has_rows_and_where_it_goes_on() -> None:
    page = read(
        "<token>12-2</token>",
        objects(prop("name", '<val xsi:type="xsd:string">web</val>')),
        objects(ref=Ref("Folder", "group-v1")),
    )
    assert page.token == "12-2"
    assert [row.ref for row in page.rows] == [VM_1, Ref("Folder", "group-v1")]
    assert page.rows == [{"name": "web"}, {}]
    assert not page.unauthenticated


def test_an_empty_page_has_no_rows() -> None:
    empty = envelope('<RetrievePropertiesExResponse xmlns="urn:vim25"></RetrievePropertiesExResponse>')
    assert read_page(Bytes(empty)) == Page([], None, False)


def test_what_may_not_be_read_is_unknown_and_not_absent() -> None:
    (row,) = read(
        objects(
            prop("name", '<val xsi:type="xsd:string">web</val>'),
            missing("config.extraConfig", "NoPermission"),
            missing("config.guestId", "vim25:NoPermission"),
        )
    ).rows
    assert row == {"name": "web"}
    assert row.unreadable == {"config.extraConfig", "config.guestId"}


@pytest.mark.parametrize("name", ["NotAuthenticated", "vim25:NotAuthenticated"])
def test_what_is_missing_for_lack_of_a_session_says_so(name: str) -> None:
    assert read(objects(missing("name", name))).unauthenticated
    assert not read(objects(missing("name", "NoPermission"))).unauthenticated
    assert not read(objects("<missingSet><path>name</path></missingSet>")).unauthenticated


def test_keyed_paths_are_names_like_any_other() -> None:
    path = 'config.extraConfig["libcloud.id"].value'
    (row,) = read(objects(prop(path, '<val xsi:type="xsd:string">50-1</val>'))).rows
    assert row == {path: "50-1"}


@pytest.mark.parametrize("piece", [1, 7, 65536])
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("identity", bytes), ("gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", zlib.compress)],
)
def test_a_reply_may_arrive_in_any_pieces_and_packing(
    piece: int, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    body = page_bytes(objects(prop("name", '<val xsi:type="xsd:string">wéb 💾</val>')))
    assert read_page(Bytes(pack(body), encoding=encoding, piece=piece)).rows == [{"name": "wéb 💾"}]
    assert read_body(Bytes(pack(body), encoding=encoding, piece=piece)) == body


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_reply_cut_short_is_a_connection_error(part: float, pack: Callable[[bytes], bytes]) -> None:
    body = pack(page_bytes(*[objects(prop("name", '<val xsi:type="xsd:string">web</val>'))] * 50))
    encoding = "gzip" if pack is gzip.compress else "identity"
    with pytest.raises(ConnectionError, match="cut short"):
        read_page(Bytes(body[: int(len(body) * part)], encoding=encoding))


def test_garbage_is_a_connection_error() -> None:
    for body, encoding in ((b"<html><br></html>", "identity"), (b"not packed", "gzip"), (b"\0\1\2", "identity")):
        with pytest.raises(ConnectionError):
            read_page(Bytes(body, encoding=encoding))
    with pytest.raises(ConnectionError):
        read_body(Bytes(b"not packed", encoding="gzip"))
    with pytest.raises(ConnectionError):
        read_fault(b"<not xml")


def to_xml(thing: Any, tag: str) -> str:
    """The opposite of ``to_value``, for values that this test makes."""
    match thing:
        case bool():
            return f'<{tag} xsi:type="xsd:boolean">{str(thing).lower()}</{tag}>'
        case int():
            return f'<{tag} xsi:type="xsd:long">{thing}</{tag}>'
        case Ref():
            kind = quoteattr(thing.kind)
            return f'<{tag} type={kind} xsi:type="ManagedObjectReference">{escape(thing.moid)}</{tag}>'
        case str():
            return f'<{tag} xsi:type="xsd:string">{escape(thing)}</{tag}>'
        case list():
            return f'<{tag} xsi:type="ArrayOfAnyType">{"".join(to_xml(item, "item") for item in thing)}</{tag}>'
    fields = "".join(to_xml(item, name) for name, item in thing.items() if name != TYPE_KEY)
    return f'<{tag} xsi:type="{thing[TYPE_KEY]}">{fields}</{tag}>'


def any_value(dice: random.Random, depth: int = 0) -> Any:
    letters = "abc xyz<>&\"'äß水💾]]>%2f\t\n"
    text = "".join(dice.choice(letters) for _ in range(dice.randrange(9)))
    leaves = [dice.random() < 0.5, dice.randrange(-(2**40), 2**40), text, Ref("Folder", f"group-{dice.randrange(99)}")]
    if depth == 3 or dice.random() < 0.4:
        return dice.choice(leaves)
    if dice.random() < 0.5:
        return [any_value(dice, depth + 1) for _ in range(dice.randrange(4))]
    return {TYPE_KEY: "Thing"} | {name: any_value(dice, depth + 1) for name in ("a", "b")[: dice.randrange(3)]}


@pytest.mark.parametrize("seed", range(25))
def test_any_value_comes_back_as_it_went(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  # not for secrets
    rows = {f"p{n}": any_value(dice) for n in range(20)}
    page = read(
        objects(*(prop(name, to_xml(thing, "val")) for name, thing in rows.items())), piece=dice.randrange(1, 99)
    )
    assert page.rows == [rows]


def update(kind: str, *changes: str, ref: Ref = VM_1) -> str:
    return f'<objectSet><kind>{kind}</kind><obj type="{ref.kind}">{ref.moid}</obj>{"".join(changes)}</objectSet>'


def change(name: str, xml: str = "", op: str = "assign") -> str:
    return f"<changeSet><name>{name}</name><op>{op}</op>{xml}</changeSet>"


def updates_bytes(*sets: str, more: str = "") -> bytes:
    inner = (
        f"<version>3</version><filterSet><filter type='PropertyFilter'>f-1</filter>{''.join(sets)}</filterSet>{more}"
    )
    return envelope(
        f'<WaitForUpdatesExResponse xmlns="urn:vim25"><returnval>{inner}</returnval></WaitForUpdatesExResponse>'
    )


def test_updates_say_what_changed_was_unset_and_is_gone() -> None:
    got = read_updates(
        Bytes(
            updates_bytes(
                update(
                    "modify",
                    change("name", '<val xsi:type="xsd:string">web</val>'),
                    change("runtime.question"),
                    change("guest.net", op="remove"),
                ),
                update("leave", ref=Ref("VirtualMachine", "vm-2")),
                more="<truncated>true</truncated>",
            )
        )
    )
    assert got == Updates(
        "3",
        [Row(VM_1, {"name": "web", "runtime.question": None, "guest.net": None})],
        [Ref("VirtualMachine", "vm-2")],
        True,
    )
    assert got.changed[0].ref == VM_1


def test_no_updates_are_none() -> None:
    nothing = envelope('<WaitForUpdatesExResponse xmlns="urn:vim25"></WaitForUpdatesExResponse>')
    assert read_updates(Bytes(nothing)) is None
    got = read_updates(Bytes(updates_bytes()))
    assert got is not None
    assert not got.truncated


def test_updates_cut_short_are_a_connection_error() -> None:
    with pytest.raises(ConnectionError):
        read_updates(Bytes(updates_bytes()[:-120]))


def test_a_fault_has_text_and_type() -> None:
    assert read_fault(fault(" No. ", '<XFault xmlns="urn:vim25" xsi:type="Quantum"/>').body) == ("Quantum", "No.")
    assert read_fault(fault("No.", '<QuantumFault xmlns="urn:vim25"/>').body) == ("QuantumFault", "No.")
    assert read_fault(envelope("<soapenv:Fault/>")) == ("", "")


def name_is(name: str) -> str:
    return change("name", f'<val xsi:type="xsd:string">{name}</val>')


def test_an_object_that_is_told_of_twice_is_one_row() -> None:
    vm_2, vm_3 = Ref("VirtualMachine", "vm-2"), Ref("VirtualMachine", "vm-3")
    got = read_updates(
        Bytes(
            updates_bytes(
                update("enter", name_is("web"), change("parent", "<val>p</val>")),
                update("enter", name_is("gone"), ref=vm_2),
                update("leave", ref=vm_3),
                update("modify", name_is("db"), change("guest.net")),
                update("leave", ref=vm_2),
                update("enter", name_is("back"), ref=vm_3),
            )
        )
    )
    assert got is not None
    assert got.changed == [{"name": "db", "parent": "p", "guest.net": None}, {"name": "back"}]
    assert [row.ref for row in got.changed] == [VM_1, vm_3]
    assert got.entered == {VM_1, vm_3}
    assert got.gone == [vm_2]


def test_what_may_be_read_no_more_is_not_known_by_an_earlier_update_of_the_same_reply() -> None:
    got = read_updates(
        Bytes(
            updates_bytes(
                update("enter", name_is("web"), change("parent", "<val>p</val>")),
                update("modify", missing("name", "NoPermission")),
            )
        )
    )
    assert got is not None
    row = merged(None, got.changed[0])
    assert row == {"parent": "p"}
    assert row.unreadable == {"name"}


def test_updates_tell_what_may_not_be_read() -> None:
    got = read_updates(Bytes(updates_bytes(update("modify", name_is("web"), missing("marks", "NoPermission")))))
    assert got is not None
    assert got.changed == [{"name": "web"}]
    assert got.changed[0].unreadable == {"marks"}
    assert not got.unauthenticated
    got = read_updates(Bytes(updates_bytes(update("enter", missing("name", "vim25:NotAuthenticated")))))
    assert got is not None
    assert got.unauthenticated
