"""vSphere's own guest customization: a description of the guest in, a CustomizationSpec out. (pure)

VMware Tools bring it into the guest, and vCenter tells how that went. Linux takes names, network and a script
(``linux-prep``) or raw data for cloud-init (``cloudinit-prep``); for Windows see ``sysprep``.

A specification that is stored in vCenter may be the base: what is wanted is put on a copy of it.
Source: CustomizationSpec and the types in it (vSphere Web Services API); what each API version knows of them is in
pyVmomi's types, which drop without a word what an older version lacks.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from pyVmomi import VmomiSupport, vim

from ...errors import InvalidRequestError
from ...model.login import DEFAULT_USER, Login
from ...model.names import check_text
from ..nics import Nic
from .adapter_settings import build_adapter_mappings, build_global_settings, copied
from .cloud_init import build_raw_data
from .customization import Customization
from .sysprep import build_sysprep, is_administrator
from .user_data import to_script

__all__ = ["MAX_SCRIPT_LENGTH", "build_specification", "mechanism_of", "sets_password"]

MAX_RAW_BYTES = 524_288
"""Of the metadata and of the user data alike (CustomizationCloudinitPrep)."""

MAX_SCRIPT_LENGTH = 1500
"""Of CustomizationLinuxPrep.scriptText (VMware KB 74880)."""

RAW_DATA_VERSION = "vim.version.v7_0_3_0"
ROOT_LOGIN_VERSION = "vim.version.v9_1_0_0"
DEFAULT_DOMAIN = "localdomain"
"""LinuxPrep must name a domain."""

_IDENTITIES = {
    "vim.vm.customization.LinuxPrep": "linux-prep",
    "vim.vm.customization.Sysprep": "sysprep",
}


def build_specification(
    mechanism: str,
    node_id: str,
    host_name: str,
    wanted: Customization,
    nics: Sequence[Nic],
    *,
    base: Any = None,
    api_version: str | None = None,
) -> Any:
    """The CustomizationSpec of a clone.

    :param mechanism: ``linux-prep``, ``cloudinit-prep`` or ``sysprep``.
    :param nics: every adapter of the clone; for ``cloudinit-prep`` those that its metadata shall name, or none.
    :param base: the stored specification; it stays as it is.
    :param api_version: what this vCenter is spoken to in; None is not checked.
    :raises InvalidRequestError: the mechanism or this vCenter cannot do what is wanted.
    """
    _check_base(mechanism, wanted, base)
    if mechanism == "cloudinit-prep":
        return _build_raw_specification(node_id, host_name, wanted, nics, api_version)
    if mechanism == "linux-prep":
        identity = _build_linux_prep(host_name, wanted, getattr(base, "identity", None), api_version)
        options = vim.vm.customization.LinuxOptions()
    else:
        identity = build_sysprep(node_id, host_name, wanted, getattr(base, "identity", None), api_version)
        options = vim.vm.customization.WinOptions(changeSID=True, deleteAccounts=False, reboot="reboot")
    return vim.vm.customization.Specification(
        options=getattr(base, "options", None) or options,
        identity=identity,
        globalIPSettings=build_global_settings(wanted, nics, getattr(base, "globalIPSettings", None)),
        nicSettingMap=build_adapter_mappings(wanted, nics, getattr(base, "nicSettingMap", None) or []),
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
            "and no adapters can be put; use one for Linux or Windows without such a text, or ex_userdata="
        )
    return _IDENTITIES[kind]


def supports(api_version: str | None, needed: str) -> bool:
    """Whether an API version has what this one brought; unknown ones have."""
    return api_version is None or VmomiSupport.IsChildVersion(api_version, needed)


def _check_base(mechanism: str, wanted: Customization, base: Any) -> None:
    if base is not None and mechanism_of(base) != mechanism:
        raise InvalidRequestError(
            f"the customization specification {wanted.spec_name!r} is for {mechanism_of(base)}, not for {mechanism}; "
            "leave ex_customize= out, or name another one"
        )


def _build_raw_specification(
    node_id: str, host_name: str, wanted: Customization, nics: Sequence[Nic], api_version: str | None
) -> Any:
    """The adapters are in the metadata: vCenter ignores those of the specification here."""
    if not supports(api_version, RAW_DATA_VERSION):
        raise InvalidRequestError(
            "ex_customize='cloudinit-prep' needs vSphere 7.0 Update 3 or later, and this vCenter is spoken to in an "
            "older version of the API; ex_customize='cloud-init' works with every version"
        )
    metadata, userdata = build_raw_data(instance_id=node_id, host_name=host_name, wanted=wanted, nics=nics)
    for what, text in (("metadata", metadata), ("user data", userdata or "")):
        if len(text.encode()) > MAX_RAW_BYTES:
            raise InvalidRequestError(
                f"the {what} has {len(text.encode()):,} bytes, and cloudinit-prep takes {MAX_RAW_BYTES:,} at most; "
                "ex_customize='cloud-init' compresses it"
            )
    check_text(userdata or "", "ex_userdata")
    return vim.vm.customization.Specification(
        options=vim.vm.customization.LinuxOptions(),
        identity=vim.vm.customization.CloudinitPrep(metadata=metadata, userdata=userdata),
        globalIPSettings=vim.vm.customization.GlobalIPSettings(),
    )


def _build_linux_prep(host_name: str, wanted: Customization, base: Any, api_version: str | None) -> Any:
    identity = copied(base) if base is not None else vim.vm.customization.LinuxPrep(hwClockUTC=True)
    identity.hostName = vim.vm.customization.FixedName(name=host_name)
    identity.domain = wanted.domain or identity.domain or DEFAULT_DOMAIN
    identity.timeZone = wanted.time_zone or identity.timeZone
    if wanted.first_boot_script is not None:
        identity.scriptText = _build_script(wanted.first_boot_script)
    login = wanted.login
    if login is not None and login.password and sets_password("linux-prep", login, api_version):
        identity.password = vim.vm.customization.Password(value=login.password, plainText=True)
    return identity


def sets_password(mechanism: str, login: Login | None, api_version: str | None) -> bool:
    """Whether a specification sets this user's password: sysprep the Administrator's, linux-prep root's."""
    if login is None:
        return False
    if mechanism == "sysprep":
        return is_administrator(login)
    is_able = mechanism == "linux-prep" and api_version is not None and supports(api_version, ROOT_LOGIN_VERSION)
    return is_able and login.username == DEFAULT_USER


def _build_script(script: str) -> str:
    """VMware Tools run it twice, before and after they customize the guest; this one goes on the second time only."""
    check_text(script, "ex_first_boot_script")
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
            f"ex_first_boot_script is {len(script):,} characters long, and linux-prep takes about {left:,}; let it "
            "fetch the rest, or use ex_customize='cloud-init'"
        )
    return text
