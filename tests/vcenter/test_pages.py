"""Pages → rows: whatever a server writes, the fast way gives what the XML parser gives. No lab."""

from __future__ import annotations

import random
import re
import time
from xml.etree.ElementTree import Element, ParseError, fromstring

import pytest

from libcloud_vsphere_clone.vcenter import pages
from libcloud_vsphere_clone.vcenter.pages import PageReader, read_page
from libcloud_vsphere_clone.vcenter.rows import VIM, Row, to_row

from .test_rows import Bytes, missing, objects, page_bytes, prop

DECLARED = 'xmlns:_X="http://www.w3.org/2001/XMLSchema-instance" _X:type'
"""How one server says ``xsi:type``: it declares a prefix on each element."""

TEXTS = ("web", "", " ", "ä水💾", "a&amp;b&#60;&#x1F4BE;", "&quot;x&apos;", "a>b", "a\r\nb\tc", "]", "1", "true", "-7")
SCALARS = (
    *("xsd:string", "xsd:int", "xsd:long", "xsd:boolean", "xsd:dateTime", "VirtualMachinePowerState"),
    *("ManagedObjectReference", "NoSuchType", "", "xs:int", "xs:string", "xs:boolean", "v:NoSuchType"),
)
ODD = ("<!-- <objects> -->", "<?pi?>", "\n  ", " ", "<other/>", '<note a="b">c</note>')


def reference(body: bytes) -> list[Row]:
    """The rows as the XML parser alone sees them."""
    return [to_row(element)[0] for element in fromstring(body).iter(VIM + "objects")]  # noqa: S314  # our own


class Writer:
    """Writes replies as servers do, and now and then as none does."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311  # not for secrets
        self.type = self.dice.choice(("xsi:type", "x:type", DECLARED))
        self.oddity = self.dice.choice((0.0, 0.0, 0.02, 0.2))

    def odd(self, usual: str = "") -> str:
        return self.dice.choice(ODD) if self.dice.random() < self.oddity else usual

    def text(self, kind: str) -> str:
        if kind in ("xsd:int", "xsd:long", "xs:int"):
            return self.dice.choice(("1", "-7", "", "8589934592", " 3 "))
        return self.dice.choice(TEXTS)

    def scalar(self, tag: str) -> str:
        kind = self.dice.choice(SCALARS)
        attributes = f' {self.type}="{kind}"' if kind else ""
        if kind == "ManagedObjectReference" or self.dice.random() < 0.1:
            attributes = f' type="Folder"{attributes}'
        text = self.text(kind)
        if not text and self.dice.random() < 0.3:
            return f"<{tag}{attributes}/>"
        if self.dice.random() < self.oddity:
            text = f"<![CDATA[{text}]]>"
        return f"<{tag}{attributes}>{text}</{tag}>"

    def fields(self, depth: int) -> str:
        return "".join(self.plain(self.dice.choice("abc"), depth) for _ in range(self.dice.randrange(4)))

    def plain(self, tag: str, depth: int) -> str:
        if self.dice.random() < self.oddity:
            return self.scalar(tag)
        inner = self.fields(depth - 1) if depth and self.dice.random() < 0.5 else self.text("")
        return self.dice.choice((f"<{tag}>{inner}</{tag}>", f"<{tag}/>"))

    def array(self) -> str:
        items = "".join(self.odd() + self.plain("Item", 2) for _ in range(self.dice.randrange(3)))
        return f'<val {self.type}="ArrayOfItem">{items}</val>'

    def refs(self) -> str:
        one = '<ManagedObjectReference type="Datastore">d-{}</ManagedObjectReference>'
        items = "".join(one.format(self.dice.randrange(3)) for _ in range(self.dice.randrange(3)))
        return f'<val {self.type}="ArrayOfManagedObjectReference">{items}</val>'

    def property(self, number: int) -> str:
        value = self.dice.choice((self.scalar("val"), self.array(), self.refs()))
        name = self.dice.choice((f"p{number}", f"k[&quot;{number}&quot;].v", f"k[&#34;{number}&#34;].v"))
        return f"<propSet>{self.odd()}<name>{name}</name>{self.odd()}{value}</propSet>"

    def object(self, number: int) -> str:
        kind = self.dice.choice(("VirtualMachine", "Folder"))
        properties = [self.odd() + self.property(n) for n in range(self.dice.randrange(5))]
        if self.dice.random() < 0.1:
            properties.append(missing("p9", "NoPermission"))
        return f'{self.odd()}<objects>{self.odd()}<obj type="{kind}">o-{number}</obj>{"".join(properties)}</objects>'

    def page(self) -> bytes:
        token = self.dice.choice(("", "<token>9</token>"))
        body = page_bytes(token, *(self.object(number) for number in range(self.dice.randrange(30))), self.odd())
        return body.replace(b"<soapenv:Body>", b'<soapenv:Body xmlns:x="http://www.w3.org/2001/XMLSchema-instance">')


def assert_as_the_parser(body: bytes, piece: int) -> None:
    try:
        expected = reference(body)
    except (ParseError, ValueError, LookupError):
        with pytest.raises(ConnectionError):
            read_page(Bytes(body, piece=piece))
        return
    got = read_page(Bytes(body, piece=piece)).rows
    assert got == expected
    assert [row.ref for row in got] == [row.ref for row in expected]
    assert [row.unreadable for row in got] == [row.unreadable for row in expected]
    assert [repr(row) for row in got] == [repr(row) for row in expected]  # True is not 1


@pytest.mark.parametrize("seed", range(150))
def test_any_page_is_read_as_the_xml_parser_reads_it(seed: int) -> None:
    writer = Writer(seed)
    assert_as_the_parser(writer.page(), writer.dice.choice((1, 7, 100, 65536)))


@pytest.mark.parametrize("seed", range(150))
def test_any_damage_is_seen_as_the_xml_parser_sees_it(seed: int) -> None:
    writer = Writer(seed)
    body, dice = writer.page(), writer.dice
    for _ in range(5):
        start, size = dice.randrange(len(body)), dice.randrange(1, 40)
        other = dice.randrange(len(body))
        damaged = body[:start] + dice.choice((b"", body[other : other + size])) + body[start + size :]
        assert_as_the_parser(damaged, 65536)


@pytest.mark.parametrize("declaration", ["", "<!-- a comment -->"])
def test_only_what_is_not_known_goes_to_the_xml_parser(monkeypatch: pytest.MonkeyPatch, declaration: str) -> None:
    parsed = []

    def note(element: Element) -> tuple[Row, set[str]]:
        parsed.append(element)
        return to_row(element)

    monkeypatch.setattr(pages, "to_row", note)
    one = objects(
        prop("name", '<val xsi:type="xsd:string">a &amp; b</val>'), prop("net", '<val xsi:type="ArrayOfNic"/>')
    )
    odd = objects(prop("name", '<val xsi:type="xsd:token">a</val>'))
    page = read_page(Bytes(page_bytes(declaration, *[one] * 50, odd, *[one] * 50), piece=100))
    assert page.rows == [{"name": "a & b", "net": []}] * 50 + [{"name": "a"}] + [{"name": "a & b", "net": []}] * 50
    assert len(parsed) == (101 if declaration else 2)


def test_rows_come_before_the_page_has_ended() -> None:
    one = objects(prop("name", '<val xsi:type="xsd:string">web</val>'))
    reply = Bytes(page_bytes("<token>7</token>", *[one] * 100), piece=200)
    page = PageReader()
    rows = page.read(reply)
    assert next(rows) == {"name": "web"}
    assert reply.tell() < 1000
    assert len(list(rows)) == 99
    assert page.token == "7"


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "utf-8", "UTF-8", "us-ascii"])
def test_the_declared_encoding_is_obeyed(encoding: str) -> None:
    one = objects(prop("name", '<val xsi:type="xsd:string">\xe4</val>'))
    body = page_bytes(one, one, one).decode().replace("UTF-8", encoding)
    assert read_page(Bytes(body.encode(encoding, "xmlcharrefreplace"))).rows == [{"name": "\xe4"}] * 3


@pytest.mark.parametrize("seed", range(40))
def test_any_prefix_and_any_cut_is_read_as_the_xml_parser_reads_it(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefixes on all elements or on some, and pieces so long without an object's end that they are not kept."""
    writer = Writer(seed)
    monkeypatch.setattr(pages, "_LONGEST_REST", writer.dice.choice((1, 50, 1000)))
    head, tag, rest = writer.page().decode().partition("<returnval")
    body, end, tail = rest.partition("</RetrievePropertiesExResponse>")
    often = writer.dice.choice((1.0, 0.05))
    parts = re.split(r"(<objects>.*?</objects>)", body, flags=re.DOTALL)
    prefixed = [
        re.sub(r"<(/?)(?=\w)(?!note|other)", r"<\1v:", part)
        if part.startswith("<objects>") and "CDATA" not in part and "<!--" not in part and writer.dice.random() < often
        else part
        for part in parts
    ]
    text = f"{head.replace('xmlns=', 'xmlns:v=' + chr(34) + 'urn:vim25' + chr(34) + ' xmlns=', 1)}"
    page = f"{text}{tag}{''.join(prefixed)}{end}{tail}".encode()
    assert_as_the_parser(page, writer.dice.choice((1, 7, 100, 65536)))


def test_a_long_page_with_another_prefix_takes_no_longer_than_its_parsing() -> None:
    """Each piece was copied again for every one that came after it."""
    one = objects(prop("name", '<val xsi:type="xsd:string">web</val>'))
    whole = page_bytes(*[one] * 20_000).decode()
    head, tag, rest = whole.partition("<RetrievePropertiesExResponse")
    body, end, tail = rest.partition("</soapenv:Body>")
    inner = re.sub(r"<(/?)(?=\w)", r"<\1v:", (tag + body).replace("xmlns=", "xmlns:v="))
    page = f"{head}{inner}{end}{tail}".encode()
    started = time.process_time()
    assert len(reference(page)) == 20_000
    parsed_s = time.process_time() - started
    started = time.process_time()
    assert len(read_page(Bytes(page)).rows) == 20_000
    assert time.process_time() - started < 10 * parsed_s + 1
