"""vSphere's own guest customization: the setup of a guest in, a CustomizationSpec out. (pure)

VMware Tools bring it into the guest, and vCenter reports how that went. Linux takes names, network and a script
(``linux-prep``) or raw data for cloud-init (``cloudinit-prep``); for Windows see ``sysprep``.

A specification that is stored in vCenter may be the base: what is wanted is put on a copy of it.
Source: CustomizationSpec and the types in it (vSphere Web Services API); what each API version knows of them is in
pyVmomi's types, which drop without a word what an older version lacks.
"""

from __future__ import annotations

import shlex
from typing import Any

from pyVmomi import VmomiSupport, vim

from ...errors import InvalidRequestError
from ...model.login import DEFAULT_USER
from ...model.names import check_text
from ...option_names import option
from .adapter_settings import build_adapter_mappings, build_global_settings, copied
from .cloud_init import build_raw_data
from .setup import GuestSetup
from .sysprep import build_sysprep, is_administrator
from .user_data import to_script

__all__ = ["MAX_SCRIPT_LENGTH", "build_specification", "mechanism_of", "sets_password"]

MAX_RAW_BYTES = 524_288
"""Of the metadata and of the user data alike (CustomizationCloudinitPrep)."""

MAX_SCRIPT_LENGTH = 1500
"""Of CustomizationLinuxPrep.scriptText (VMware KB 74880)."""

RAW_DATA_VERSION = "vim.version.v7_0_3_0"
ROOT_LOGIN_VERSION = "vim.version.v9_1_0_0"
_WITH_CLOUD_INIT = option("customize='cloud-init'")
_WITH_RAW_DATA = option("customize='cloudinit-prep'")
DEFAULT_DOMAIN = "localdomain"
"""LinuxPrep must name a domain."""

_IDENTITIES = {
    "vim.vm.customization.LinuxPrep": "linux-prep",
    "vim.vm.customization.Sysprep": "sysprep",
}


def build_specification(setup: GuestSetup) -> Any:
    """The CustomizationSpec of a clone.

    :param setup: of the mechanism ``linux-prep``, ``cloudinit-prep`` or ``sysprep``.
    :raises InvalidRequestError: the mechanism or this vCenter cannot do what is wanted.
    """
    _check_base(setup)
    base = setup.stored_spec
    if setup.mechanism == "cloudinit-prep":
        return _build_raw_specification(setup)
    if setup.mechanism == "linux-prep":
        identity = _build_linux_prep(setup)
        options = vim.vm.customization.LinuxOptions()
    else:
        identity = build_sysprep(setup)
        options = vim.vm.customization.WinOptions(changeSID=True, deleteAccounts=False, reboot="reboot")
    return vim.vm.customization.Specification(
        options=getattr(base, "options", None) or options,
        identity=identity,
        globalIPSettings=build_global_settings(setup),
        nicSettingMap=build_adapter_mappings(setup),
        # Its stored passwords can be read with this key only; ours say that they are plain text.
        encryptionKey=getattr(base, "encryptionKey", None),
    )


def mechanism_of(base: Any) -> str:
    """The mechanism that a stored specification is for.

    :raises InvalidRequestError: it is of a kind on which nothing can be put.
    """
    kind = VmomiSupport.GetVmodlName(type(base.identity))
    if kind not in _IDENTITIES:
        raise InvalidRequestError(
            f"the customization specification holds {kind.rpartition('.')[2]}, a text of its own on which no host name "
            "and no adapters can be put; use one for Linux or Windows without such a text, or "
            f"{option('userdata=')}"
        )
    return _IDENTITIES[kind]


def _check_base(setup: GuestSetup) -> None:
    base = setup.stored_spec
    if base is not None and mechanism_of(base) != setup.mechanism:
        raise InvalidRequestError(
            f"the customization specification {setup.options.customization_spec!r} is for {mechanism_of(base)}, not "
            f"for {setup.mechanism}; leave {option('customize=')} out, or name another one"
        )


def _build_raw_specification(setup: GuestSetup) -> Any:
    """The adapters are in the metadata: vCenter ignores those of the specification here."""
    if not setup.knows(RAW_DATA_VERSION):
        raise InvalidRequestError(
            f"{_WITH_RAW_DATA} needs vSphere 7.0 Update 3 or later, and this vCenter is spoken "
            f"to in an older version of the API; {_WITH_CLOUD_INIT} works with every version"
        )
    metadata, userdata = build_raw_data(setup)
    for what, text in (("metadata", metadata), ("user data", userdata or "")):
        if len(text.encode()) > MAX_RAW_BYTES:
            raise InvalidRequestError(
                f"the {what} has {len(text.encode()):,} bytes, and cloudinit-prep takes {MAX_RAW_BYTES:,} at most; "
                f"{_WITH_CLOUD_INIT} compresses it"
            )
    check_text(userdata or "", option("userdata"))
    return vim.vm.customization.Specification(
        options=vim.vm.customization.LinuxOptions(),
        identity=vim.vm.customization.CloudinitPrep(metadata=metadata, userdata=userdata),
        globalIPSettings=vim.vm.customization.GlobalIPSettings(),
    )


def _build_linux_prep(setup: GuestSetup) -> Any:
    base = getattr(setup.stored_spec, "identity", None)
    identity = copied(base) if base is not None else vim.vm.customization.LinuxPrep(hwClockUTC=True)
    identity.hostName = vim.vm.customization.FixedName(name=setup.host_name)
    identity.domain = setup.options.domain or identity.domain or DEFAULT_DOMAIN
    identity.timeZone = setup.options.timezone or identity.timeZone
    if setup.first_boot_script is not None:
        identity.scriptText = _build_script(setup.first_boot_script)
    login = setup.login
    if login is not None and login.password and sets_password(setup):
        identity.password = vim.vm.customization.Password(value=login.password, plainText=True)
    return identity


def sets_password(setup: GuestSetup) -> bool:
    """Whether a specification sets this user's password: sysprep the Administrator's, linux-prep root's."""
    if setup.login is None:
        return False
    if setup.mechanism == "sysprep":
        return is_administrator(setup.login)
    is_able = setup.mechanism == "linux-prep" and setup.api_version is not None and setup.knows(ROOT_LOGIN_VERSION)
    return is_able and setup.login.username == DEFAULT_USER


def _build_script(script: str) -> str:
    """VMware Tools run it twice, before and after they customize the guest; this one goes on the second time only."""
    check_text(script, option("first_boot_script"))
    text = f"""#!/bin/sh
[ "$1" = postcustomization ] || exit 0
f=$(mktemp) && printf %s {shlex.quote(to_script(script))} >"$f" && chmod 700 "$f" && "$f"
s=$?
rm -f "$f"
exit $s
"""
    if len(text) > MAX_SCRIPT_LENGTH:
        left = MAX_SCRIPT_LENGTH - (len(text) - len(script))
        raise InvalidRequestError(
            f"{option('first_boot_script')} is {len(script):,} characters long, and linux-prep takes about {left:,}; "
            f"let it fetch the rest, or use {_WITH_CLOUD_INIT}"
        )
    return text
