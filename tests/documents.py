"""The documents of this repository, and what is in their blocks."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("contrib/**/*.md")])

BLOCK = re.compile(r"^```(?P<language>[\w-]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def document_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def block_commands(text: str) -> list[str]:
    """The commands of ours in the blocks of a document's text."""
    lines = [line for block in BLOCK.finditer(text) for line in block["text"].replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("vsphere-clone ")]


def section_of(text: str, heading: str) -> str:
    """What is under a heading, up to the next one of its rank or above; backticks in headings do not count.

    :raises AssertionError: there is no such heading.
    """
    parts = re.split(r"^(#+) (.+)$", text, flags=re.MULTILINE)
    ranks, headings, texts = parts[1::3], [part.replace("`", "") for part in parts[2::3]], parts[3::3]
    assert heading in headings, f"no section {heading!r}"
    first = headings.index(heading)
    deeper = itertools.takewhile(lambda rank: len(rank) > len(ranks[first]), ranks[first + 1 :])
    return "".join(texts[first : first + 1 + len(list(deeper))])


def items_of(section: str) -> list[str]:
    """The items of its lists and the rows of its tables, heads aside, each with the lines that go on with it."""
    without_heads = re.sub(r"^\|.*\n\|[-:| ]+\|\n", "", section, flags=re.MULTILINE)
    starts = re.split(r"^(?= *(?:[-*] |\d+\. |\|))", without_heads, flags=re.MULTILINE)
    return [item.partition("\n\n")[0] for item in starts[1:]]


def code_named_in(item: str) -> list[tuple[str, str]]:
    """(file, name) of what an item names in backticks: a file, then what is in it; (file, "") of the file itself.

    ```driver/nodes.py` `NodeVerbs.create_node``` and ```driver/nodes.py: create_node``` are the same.
    """
    found: list[tuple[str, str]] = []
    file = ""
    for quoted in re.findall(r"`([^`]+)`", item):
        path, _, name = quoted.rpartition(": ") if ": " in quoted else (quoted, "", "")
        if path.endswith(".py"):
            file = path
            found.append((file, ""))
            quoted = name
        if file and re.fullmatch(r"[A-Za-z_][\w.]*(?<!_)(\(\))?", quoted):
            found.append((file, quoted.removesuffix("()")))
    return found
