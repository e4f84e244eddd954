"""User data in all its forms, and several pieces of it in one. (pure)

Takes the caller's user data, our cloud-config and a script; gives what cloud-init reads. The caller's part keeps its
own form and comes first. Ours follows as cloud-config of its own, merged by cloud-init itself: lists are joined, ours
in front; of single values the caller's stay. Scripts run last, the caller's before ours.

Source: cloud-init documentation: "User-data formats", "Merging user-data sections"; checked with cloud-init 22.4.2.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from email import message_from_bytes
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

from ...errors import InvalidRequestError

__all__ = ["build_user_data", "check_user_data", "to_script"]

OUR_MERGE = "list(prepend)+dict(no_replace,recurse_list)+str()"
"""The Merge-Type of our part, which cloud-init merges into what the caller's parts made."""

CONTENT_TYPES = {
    "#cloud-config-archive": "text/cloud-config-archive",
    "#cloud-config-jsonp": "text/cloud-config-jsonp",
    "## template: jinja": "text/jinja2",
    "#cloud-boothook": "text/cloud-boothook",
    "#include-once": "text/x-include-once-url",
    "#part-handler": "text/part-handler",
    "#cloud-config": "text/cloud-config",
    "#include": "text/x-include-url",
    "#!": "text/x-shellscript",
}
"""How user data starts, and its MIME type; a longer start stands before a shorter one that it contains."""

_PLAIN = re.compile(r"[\t\n -~]*")
GZIP_MAGIC = b"\x1f\x8b"

SCRIPT_NAME = "zz-libcloud-first-boot"
"""cloud-init runs scripts in the order of their names; those without one it calls part-001 and so on."""


def build_user_data(
    theirs: bytes | None, config: Mapping[str, Any] | None = None, script: str | None = None
) -> bytes | None:
    """All of it in one; None when there is nothing. A piece that is alone stays as it is.

    :param theirs: the caller's, from ``check_user_data``.
    :param config: our cloud-config.
    :param script: run once, after the caller's own.
    """
    ours = _to_text(config) if config else None
    pieces = [piece for piece in (theirs, ours, to_script(script) if script else None) if piece is not None]
    if len(pieces) > 1:
        return _archive(theirs, ours, script)
    return _encoded(pieces[0]) if pieces else None


def to_script(text: str) -> str:
    """A script that names its interpreter; without a word it is the shell. One written on Windows is made readable."""
    text = text.removeprefix("\ufeff")
    if text.partition("\n")[0].endswith("\r"):  # cloud-init goes by the first line, too, and does not repair it
        text = text.replace("\r\n", "\n")
    return text if text.startswith("#!") else f"#!/bin/sh\n{text}"


def check_user_data(userdata: str | bytes) -> bytes:
    """The caller's user data as plain bytes that cloud-init knows.

    :raises InvalidRequestError: cloud-init would not know it.
    """
    data = userdata.encode() if isinstance(userdata, str) else userdata
    try:
        if data.startswith(GZIP_MAGIC):
            data = gzip.decompress(data)
        data = data.decode("utf-8-sig").encode()
    except (UnicodeDecodeError, EOFError, OSError, zlib.error):
        raise InvalidRequestError(
            "the user data is neither UTF-8 text nor such a text in gzip; put binary parts into write_files, "
            "encoded as base64"
        ) from None
    if _content_type(data) is None and not _is_mime(data):
        raise InvalidRequestError(
            "cloud-init would ignore this user data: its first line must say what it is, such as #cloud-config, "
            "#!/bin/sh or #include, or the first header of a MIME archive with a MIME-Version"
        )
    return data


def _is_mime(data: bytes) -> bool:
    """Whether it is an archive: cloud-init goes by the word alone, but knows the content by the headers only."""
    return b"mime-version:" in data[:4096].lower() and bool(message_from_bytes(data).keys())


def _content_type(data: bytes) -> str | None:
    start = data.lstrip()[:100].decode("utf-8", "ignore").lower()
    return next((kind for mark, kind in CONTENT_TYPES.items() if start.startswith(mark)), None)


def _archive(theirs: bytes | None, ours: str | None, script: str | None) -> bytes:
    """The parts in one MIME archive, theirs first."""
    # No part may contain the boundary: a hash of what they contain can't be in them.
    digest = hashlib.sha256(b"\0".join(_encoded(piece) for piece in (theirs, ours, script) if piece is not None))
    archive = MIMEMultipart(boundary=f"==libcloud-{digest.hexdigest()[:32]}==")
    if theirs is not None:
        archive.attach(_their_part(theirs))
    if ours is not None:
        part = _to_part(ours, "cloud-config")
        part["Merge-Type"] = OUR_MERGE
        part.add_header("Content-Disposition", "attachment", filename="libcloud-login")
        archive.attach(part)
    if script is not None:
        step = _to_part(to_script(script), "x-shellscript")
        step.add_header("Content-Disposition", "attachment", filename=SCRIPT_NAME)
        archive.attach(step)
    return archive.as_bytes()


def _their_part(theirs: bytes) -> Message:
    if _is_mime(theirs):
        return message_from_bytes(theirs)
    kind = _content_type(theirs) or "text/plain"
    return _to_part(theirs.decode(), kind.partition("/")[2])


def _to_part(text: str, kind: str) -> MIMEText:
    """A part of the archive, as it is where mail can carry it: base64 would pack far worse, and cannot be read."""
    return MIMEText(text, kind, "us-ascii" if _PLAIN.fullmatch(text) else "utf-8")


def _to_text(config: Mapping[str, Any]) -> str:
    """cloud-config as text. JSON, in which it is written, is YAML."""
    return "#cloud-config\n" + json.dumps(config, ensure_ascii=False, indent=1) + "\n"


def _encoded(piece: str | bytes) -> bytes:
    return piece.encode() if isinstance(piece, str) else piece
