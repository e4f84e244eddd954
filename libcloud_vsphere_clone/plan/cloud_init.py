"""What cloud-init in the guest is told, as guestinfo keys of the CloneSpec.

Takes a login, a host name and the caller's user data; gives ``{guestinfo key: value}``. Never sends anything, and
never lets a password through in clear.

The caller's user data keeps its own form and comes first. Our part follows as cloud-config of its own, merged by
cloud-init itself: lists are joined, ours in front; of single values the caller's stay. So whatever the caller's
parts include or how they merge among themselves, the login is there. Where the caller's data has a user of the same
name, cloud-init makes one of both: what ours says of it (shell, sudo, keys) holds, the rest is the caller's.

Source: cloud-init documentation: "VMware" data source, "User-data formats", "Merging user-data sections", and the
modules "Users and Groups", "Set Passwords", "SSH", "Write Files"; checked with cloud-init 22.4.2.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import zlib
from email import message_from_bytes
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

from ..errors import InvalidRequestError
from .login import Login

__all__ = ["Login", "build_guestinfo"]

MAX_VALUE_BYTES = 1_000_000
"""Beyond this a value can't reach the guest: the VMX hands out about 1 MB at most ("In-Guest Communication Limits",
Guest SDK guide), and a VM's whole .vmx file, which holds it, is limited to 1 MB (``tools.setInfo.sizeLimit``).
Up to 64 KiB is known to work everywhere."""

ROOT_LOGIN_FILE = "/etc/ssh/sshd_config.d/00-libcloud-root-login.conf"
"""sshd takes the first value it meets, and reads this folder in order and before its main file (Debian 11, Ubuntu
20.04, RHEL 9 and later)."""

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

GZIP_MAGIC = b"\x1f\x8b"


def build_guestinfo(
    *, instance_id: str, host_name: str, login: Login | None = None, userdata: str | bytes | None = None
) -> dict[str, str]:
    """The guestinfo keys that make cloud-init set up the guest: ``{key: value}``.

    Without login and user data there is only metadata. User data alone is passed on as it is. With the same
    arguments the result is the same, but for the salt of a password.

    :param instance_id: changes for every clone; by it cloud-init knows that this is a first boot.
    :param userdata: the caller's: cloud-config, script, MIME archive, …; may be gzipped.
    :raises InvalidRequestError: cloud-init would not know the user data, or it is too long.
    """
    metadata: dict[str, Any] = {"instance-id": instance_id, "local-hostname": host_name}
    theirs = _checked_userdata(userdata) if userdata else None
    if login and login.password and theirs is None:
        # The hash has done its work after the first boot. The caller's user data stays: parts of it may be for
        # every boot, and cloud-init reads it anew each time.
        metadata["cleanup-guestinfo"] = ["userdata"]
    values = {"metadata": json.dumps(metadata, ensure_ascii=False).encode()}
    whole = _userdata(login, theirs)
    if whole is not None:
        values["userdata"] = whole
    return {key: value for name, content in values.items() for key, value in _encoded(name, content).items()}


def _encoded(name: str, content: bytes) -> dict[str, str]:
    value = base64.b64encode(gzip.compress(content, mtime=0)).decode()
    if len(value) > MAX_VALUE_BYTES:
        raise InvalidRequestError(
            f"the {name} is {len(value):,} bytes long after compression and can't reach the guest: at most "
            f"{MAX_VALUE_BYTES:,} can; put the large parts on a web server and name them with #include"
        )
    return {f"guestinfo.{name}": value, f"guestinfo.{name}.encoding": "gzip+base64"}


def _userdata(login: Login | None, theirs: bytes | None) -> bytes | None:
    if login is None:
        return theirs
    ours = "#cloud-config\n" + json.dumps(_cloud_config(login), ensure_ascii=False, indent=1) + "\n"
    return ours.encode() if theirs is None else _archive(theirs, ours)


# What our part says


def _cloud_config(login: Login) -> dict[str, Any]:
    """Our cloud-config. JSON, in which it is written, is YAML."""
    if login.username == "root":
        return _root_config(login)
    user: dict[str, Any] = {
        "name": login.username,
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "lock_passwd": login.password is None,
    }
    if login.public_keys:
        user["ssh_authorized_keys"] = list(login.public_keys)
    config: dict[str, Any] = {"users": ["default", user]}
    if login.password:
        # In the list of users it is set before sshd starts. Should this be the image's default user, cloud-init
        # locks it again by the image's own settings; the module of chpasswd then comes later and wins.
        user["hashed_passwd"] = hashed = login.password_hash
        entry = {"name": login.username, "password": hashed, "type": "hash"}
        config |= {"chpasswd": {"expire": False, "users": [entry]}, "ssh_pwauth": True}
    return config


def _root_config(login: Login) -> dict[str, Any]:
    config: dict[str, Any] = {"disable_root": False}
    if login.public_keys:
        # Not in a list of users: there, a key without a password would lock a password that the image may have.
        config["ssh_authorized_keys"] = list(login.public_keys)
    if login.password:
        root = {"name": "root", "lock_passwd": False, "hashed_passwd": login.password_hash}
        config |= {
            "users": ["default", root],
            "ssh_pwauth": True,
            "write_files": [
                {"path": ROOT_LOGIN_FILE, "permissions": "0644", "content": "PermitRootLogin yes\n"},
            ],
        }
    return config


# What the caller says


def _checked_userdata(userdata: str | bytes) -> bytes:
    """The caller's user data as plain bytes that cloud-init knows."""
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
    if not _is_mime(data) and _content_type(data) is None:
        raise InvalidRequestError(
            "cloud-init would ignore this user data: its first line must say what it is, such as #cloud-config, "
            "#!/bin/sh or #include, or it must be a MIME archive with a MIME-Version header"
        )
    return data


def _is_mime(data: bytes) -> bool:
    return b"mime-version:" in data[:4096].lower()


def _content_type(data: bytes) -> str | None:
    start = data.lstrip()[:100].decode("utf-8", "ignore").lower()
    return next((kind for mark, kind in CONTENT_TYPES.items() if start.startswith(mark)), None)


def _archive(theirs: bytes, ours: str) -> bytes:
    """Both parts in one MIME archive, theirs first."""
    # No part may contain the boundary: a hash of what they contain can't be in them.
    digest = hashlib.sha256(theirs + b"\0" + ours.encode()).hexdigest()
    archive = MIMEMultipart(boundary=f"==libcloud-{digest[:32]}==")
    archive.attach(_their_part(theirs))
    part = MIMEText(ours, "cloud-config", "utf-8")
    part["Merge-Type"] = OUR_MERGE
    part.add_header("Content-Disposition", "attachment", filename="libcloud-login")
    archive.attach(part)
    return archive.as_bytes()


def _their_part(theirs: bytes) -> Message:
    if _is_mime(theirs):
        return message_from_bytes(theirs)
    kind = _content_type(theirs) or "text/plain"
    return MIMEText(theirs.decode(), kind.partition("/")[2], "utf-8")
