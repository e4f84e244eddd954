"""What many nodes write at once, printed line by line, each line begun with its node's name."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import IO

LONGEST_BYTES = 64 * 1024
"""Of a line: a longer one is printed in parts, as it may never end."""


class NodeLines:
    """Prints lines as they are finished. Any thread may call it.

    :param before: called before anything is printed, once.
    """

    def __init__(self, before: Callable[[], None]) -> None:
        self._streams: tuple[IO[bytes], IO[bytes]] = sys.stdout.buffer, sys.stderr.buffer
        self._before: Callable[[], None] | None = before
        self._unfinished: dict[tuple[str, bool], bytes] = {}
        self._lock = threading.Lock()

    def add(self, name: str, piece: bytes, is_error: bool) -> None:
        """What the node wrote just now."""
        with self._lock:
            *lines, rest = (self._unfinished.pop((name, is_error), b"") + piece).split(b"\n")
            if len(rest) > LONGEST_BYTES:
                lines, rest = [*lines, rest], b""
            if rest:
                self._unfinished[name, is_error] = rest
            self._print(name, lines, is_error)

    def end(self) -> None:
        """No more comes: print what is left of lines that have no end."""
        with self._lock:
            for (name, is_error), rest in self._unfinished.items():
                self._print(name, [rest], is_error)
            self._unfinished.clear()

    def _print(self, name: str, lines: list[bytes], is_error: bool) -> None:
        if not lines:
            return
        if self._before is not None:
            self._before()
            self._before = None
        stream = self._streams[is_error]
        stream.write(b"".join(b"%s: %s\n" % (name.encode(), line.removesuffix(b"\r")) for line in lines))
        stream.flush()
