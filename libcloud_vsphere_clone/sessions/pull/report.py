"""What a guest reports of a deployment that it carried out by itself. (no I/O)

Takes the text that it sent; gives each step's status and outputs. The text is a stranger's: it is checked, and never
unpacked beyond a limit.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...errors import VsphereError

__all__ = ["Report", "StepResult", "read_report"]

MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class StepResult:
    """How one step went.

    :param exit_status: of a command; of a file, 0 if it was written or removed. A command that a signal ended has
        128 and the signal's number, as in the guest's shell.
    """

    exit_status: int
    timed_out: bool
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)


@dataclass(frozen=True)
class Report:
    """What became of a recording's steps, in order; those after one that ended the deployment are missing.

    :param home: the user's home folder in the guest.
    """

    token: str = field(repr=False)
    home: str
    results: tuple[StepResult, ...]


def read_report(text: str) -> Report:
    """The report in the text of ``guestinfo.libcloud.report``. Its form: ``bootstrap.py``.

    :raises VsphereError: it is none.
    """
    try:
        lines = io.BytesIO(_unpacked(base64.b64decode(text, validate=True)))
        head = json.loads(lines.readline())
        return Report(str(head["token"]), str(head["home"]), tuple(_results(lines)))
    except (binascii.Error, zlib.error, EOFError, ValueError, KeyError, TypeError) as cause:
        raise VsphereError(
            f"what the guest reports is no report of a deployment: {cause or type(cause).__name__}; another program "
            "in it may write to guestinfo.libcloud.report",
            fault=cause,
        ) from cause


def _unpacked(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)  # gzip
    data = unpacker.decompress(packed, MAX_BYTES)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise ValueError("it is longer than any that our script makes, or cut short")
    return data


def _results(lines: io.BytesIO) -> Iterator[StepResult]:
    while line := lines.readline():
        head = json.loads(line)
        stdout, stderr = (_output(lines, head, name) for name in ("stdout", "stderr"))
        yield StepResult(int(head["exit_status"]), head["timed_out"] is True, stdout, stderr)


def _output(lines: io.BytesIO, head: dict[str, Any], name: str) -> str:
    kept, whole = int(head[name]), int(head[f"{name}_size"])
    data = lines.read(max(0, kept))
    if len(data) != kept:
        raise EOFError("it is cut short")
    note = f"[the first {whole - kept:,} of {whole:,} bytes are left out]\n" if whole > kept else ""
    return note + data.decode("utf-8", errors="replace")
