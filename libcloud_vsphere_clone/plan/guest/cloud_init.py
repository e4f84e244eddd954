"""The input of cloud-init in the guest, as guestinfo keys or as the data of vSphere's CloudinitPrep. (pure)

Takes the setup of the guest; gives metadata and user data. Never sends anything, and never lets a password
through in clear. The network is in the metadata; names, login and time zone are a cloud-config of ours, merged with the
caller's user data (``user_data``). So whatever the caller's parts include or how they merge among themselves, the login
is there. Where the caller's data has a user of the same name, cloud-init makes one of both: what ours says of it
(shell, sudo, keys) holds, the rest is the caller's.

Source: cloud-init documentation: "VMware" data source, and the modules "Users and Groups", "Set Passwords", "SSH",
"Timezone", "Write Files"; checked with cloud-init 22.4.2.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping
from typing import Any

from ...errors import InvalidRequestError
from ...model.login import DEFAULT_USER, WINDOWS_ADMINISTRATOR, Login
from ...option_names import option
from .cloud_init_end import end_config
from .network_config import build_network_config
from .setup import GuestSetup
from .user_data import build_user_data, check_user_data

__all__ = ["build_guestinfo", "build_raw_data", "encode_guestinfo", "is_cleaned"]

ENCODING = "gzip+base64"
_WITH_SYSPREP = option("customize='sysprep'")

MAX_VALUE_BYTES = 1_000_000
"""Beyond this a value can't reach the guest: the VMX hands out about 1 MB at most ("In-Guest Communication Limits",
Guest SDK guide), and a VM's whole .vmx file, which holds it, is limited to 1 MB (``tools.setInfo.sizeLimit``).
Up to 64 KiB is known to work everywhere."""

ROOT_LOGIN_FILE = "/etc/ssh/sshd_config.d/00-libcloud-root-login.conf"
"""sshd takes the first value it meets, and reads this folder in order and before its main file (Debian 11, Ubuntu
20.04, RHEL 9 and later)."""


def build_guestinfo(setup: GuestSetup) -> dict[str, str]:
    """The guestinfo keys that make cloud-init set up the guest: ``{key: value}``.

    The guest always reports when cloud-init has ended. With the same arguments the result is the same, but for
    the salt of a password.

    :raises InvalidRequestError: cloud-init would not know the user data, or something is too long.
    """
    metadata = _build_metadata(setup)
    if setup.named_nics:
        config = json.dumps(build_network_config(setup)).encode()
        metadata |= {"network": _packed(config), "network.encoding": ENCODING}
    if is_cleaned(setup):
        metadata["cleanup-guestinfo"] = ["userdata"]
    userdata = _build_userdata(setup, _merged(_cloud_config(setup), end_config()))
    values = {"metadata": json.dumps(metadata, ensure_ascii=False).encode(), "userdata": userdata or b""}
    return {key: value for name, content in values.items() for key, value in encode_guestinfo(name, content).items()}


def build_raw_data(setup: GuestSetup) -> tuple[str, str | None]:
    """Metadata and user data as the text that vSphere's CloudinitPrep takes; vCenter itself reports how that goes."""
    metadata = _build_metadata(setup)
    if setup.named_nics:
        metadata["network"] = build_network_config(setup)
    userdata = _build_userdata(setup, _cloud_config(setup))
    return json.dumps(metadata, ensure_ascii=False), userdata.decode() if userdata is not None else None


def _build_metadata(setup: GuestSetup) -> dict[str, Any]:
    """The guest's identity. cloud-init takes the host name and the domain from one name."""
    return {"instance-id": setup.node_id, "local-hostname": setup.full_name}


def is_cleaned(setup: GuestSetup) -> bool:
    """Whether the guest removes its user data from guestinfo once it has read it.

    A hash has done its work after the first boot, and so have a script and what else is ours. The caller's user data
    stays: parts of it may be for every boot, and cloud-init reads it anew each time.
    """
    has_password = setup.login is not None and setup.login.password
    has_secrets = bool(setup.host_key_config or setup.first_boot_script or has_password)
    return has_secrets and not setup.options.userdata


def encode_guestinfo(name: str, content: bytes) -> dict[str, str]:
    """A guestinfo value and how it is encoded: ``{key: value}``.

    :raises InvalidRequestError: it is too long for a guest.
    """
    value = _packed(content)
    if len(value) > MAX_VALUE_BYTES:
        raise InvalidRequestError(
            f"the {name} is {len(value):,} bytes long after compression and can't reach the guest: at most "
            f"{MAX_VALUE_BYTES:,} can; put the large parts on a web server and name them with #include"
        )
    return {f"guestinfo.{name}": value, f"guestinfo.{name}.encoding": ENCODING}


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _build_userdata(setup: GuestSetup, ours: Mapping[str, Any]) -> bytes | None:
    userdata = setup.options.userdata
    return build_user_data(check_user_data(userdata) if userdata else None, ours, setup.first_boot_script)


# What our part says


def _cloud_config(setup: GuestSetup) -> dict[str, Any]:
    """Our cloud-config; empty when there is nothing to say."""
    config = _login_config(setup.login) if setup.login is not None else {}
    if setup.options.timezone is not None:
        config["timezone"] = setup.options.timezone
    return _merged(config, setup.host_key_config)


def _merged(ours: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Both, lists joined; of single values the first stays."""
    merged = {**extra, **ours}
    for key in ours.keys() & extra.keys():
        match ours[key], extra[key]:
            case (list() as first, list() as second):
                merged[key] = [*first, *second]
            case (Mapping() as first, Mapping() as second):
                merged[key] = _merged(first, second)
    return merged


def _login_config(login: Login) -> dict[str, Any]:
    if login.username == WINDOWS_ADMINISTRATOR:
        raise InvalidRequestError(
            f"cloud-init can't make a user {login.username!r}: use small letters, or {_WITH_SYSPREP} on Windows"
        )
    if login.username in (None, DEFAULT_USER):
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
