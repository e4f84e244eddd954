"""The documents of this repository, and what is in their blocks."""

from __future__ import annotations

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
