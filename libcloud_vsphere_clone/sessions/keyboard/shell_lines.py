"""Command lines that write and remove files in a POSIX shell, to be typed. (pure)

Contents travel in base64, compressed where that saves keys: a shell that edits its lines would complete a tab, expand
a ``!`` and indent what it likes.
"""

from __future__ import annotations

import base64
import gzip
import posixpath
import shlex
from collections.abc import Iterator

from ...errors import InvalidRequestError

__all__ = ["MAX_FILE_BYTES", "absolute_path", "delete_lines", "write_lines"]

MAX_FILE_BYTES = 64 * 1024
"""The most that is worth typing: a quarter of an hour and more."""

PIECE_BYTES = 2250
"""Of a file in one line: 3000 characters of base64."""

BLOCK_BYTES = 2 * PIECE_BYTES
"""What is compressed at once: text halves at least, so that it fits into one line."""

GUNZIP_CHARACTERS = len(" | gunzip")

MAX_LINE = 4095
"""Characters of a line that a terminal takes (N_TTY's canonical mode in Linux); it drops the rest."""


def absolute_path(path: str) -> str:
    """The path as a shell takes it: what is not absolute begins with ``~/``, the home of the user."""
    return path if path.startswith(("/", "~/")) else f"~/{path}"


def write_lines(path: str, contents: bytes, chmod: int | None, *, append: bool) -> list[str]:
    """The lines after which the file holds, or ends in, the contents; its folder is made, its mode set first.

    They begin with a space: shells that are told to ignore such lines keep them out of their history.

    :raises InvalidRequestError: there is too much to type.
    """
    if len(contents) > MAX_FILE_BYTES:
        raise InvalidRequestError(
            f"{path}: {len(contents)} bytes are too many to type, at most {MAX_FILE_BYTES}; let the guest fetch it"
        )
    file, folder = _quoted(path), posixpath.dirname(absolute_path(path))
    # No folder that the group may write to, under any umask: sshd would refuse keys in it.
    lines = [f" (umask 022; mkdir -p {_quoted(folder)})"] if folder not in ("", "/", "~") else []
    lines.append(f" : {'>>' if append else '>'} {file}")
    if chmod is not None:
        lines.append(f" chmod {chmod:o} {file}")  # before the contents: they may be secret
    lines += [f" echo {source} >> {file}" for source in _sources(contents)]
    return _checked(lines, path)


def delete_lines(path: str) -> list[str]:
    """The line that removes the file."""
    return _checked([f" rm -f {_quoted(path)}"], path)


def _sources(contents: bytes) -> Iterator[str]:
    """What to echo, and through what, for one piece after the other."""
    for start in range(0, len(contents), BLOCK_BYTES):
        block = contents[start : start + BLOCK_BYTES]
        packed = gzip.compress(block, mtime=0)
        if len(packed) <= PIECE_BYTES and len(packed) + GUNZIP_CHARACTERS < len(block):
            yield f"{base64.b64encode(packed).decode()} | base64 -d | gunzip"
            continue
        for piece in (block[:PIECE_BYTES], block[PIECE_BYTES:]):
            if piece:
                yield f"{base64.b64encode(piece).decode()} | base64 -d"


def _quoted(path: str) -> str:
    """The path as one word, whose ``~/`` the shell still replaces."""
    full = absolute_path(path)
    return f"~/{shlex.quote(full[2:])}" if full.startswith("~/") else shlex.quote(full)


def _checked(lines: list[str], path: str) -> list[str]:
    if any(len(line.encode()) > MAX_LINE for line in lines) or any(not c.isprintable() for c in path):
        raise InvalidRequestError(f"{path[:80]!r} cannot be typed as a path: it is too long, or has control characters")
    return lines
