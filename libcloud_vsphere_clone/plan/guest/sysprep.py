"""Windows made a machine of its own: a description of the guest in, a CustomizationSysprep out. (pure)

Passwords stand in it in clear, as the API wants them from those who have not vCenter's key; they travel inside TLS and
nothing here shows them. Checked field by field against the API reference; no Windows was run with it.
Source: CustomizationSysprep, CustomizationGuiUnattended, CustomizationUserData, CustomizationIdentification,
CustomizationLicenseFilePrintData, CustomizationGuiRunOnce (vSphere Web Services API).
"""

from __future__ import annotations

from typing import Any

from pyVmomi import VmomiSupport, vim

from ...errors import InvalidRequestError
from ...model.login import DEFAULT_USER, WINDOWS_ADMINISTRATOR, Login
from .customization import Customization
from .host_name import build_computer_name, check_computer_name
from .windows import Windows
from .windows_time_zones import UTC_INDEX, find_time_zone_index

__all__ = ["build_sysprep", "is_administrator"]

ORGANIZATIONAL_UNIT_VERSION = "vim.version.v8_0_2_0"
DEFAULT_WORKGROUP = "WORKGROUP"
DEFAULT_ORGANIZATION = "Organization"
DEFAULT_FULL_NAME = "Administrator"


def build_sysprep(
    node_id: str, host_name: str, wanted: Customization, base: Any = None, api_version: str | None = None
) -> Any:
    """The identity of a Windows clone.

    :param base: that of a stored specification; it stays as it is.
    :raises InvalidRequestError: Windows takes no such name, or this vCenter is too old for a wish.
    """
    windows = wanted.windows or Windows()
    return vim.vm.customization.Sysprep(
        guiUnattended=_build_unattended(wanted, windows, getattr(base, "guiUnattended", None)),
        userData=_build_user_data(_computer_name(node_id, host_name, wanted), windows, getattr(base, "userData", None)),
        identification=_build_identification(windows, getattr(base, "identification", None), api_version),
        guiRunOnce=_build_run_once(windows) or getattr(base, "guiRunOnce", None),
        licenseFilePrintData=_build_license(windows) or getattr(base, "licenseFilePrintData", None),
    )


def is_administrator(login: Login) -> bool:
    """Whether it is the login whose password sysprep sets; root is whom a login is for where nobody says."""
    return str(login.username).lower() in (WINDOWS_ADMINISTRATOR.lower(), DEFAULT_USER)


def _computer_name(node_id: str, host_name: str, wanted: Customization) -> Any:
    if wanted.host_name is not None:
        check_computer_name(host_name)
    else:
        host_name = build_computer_name(host_name, node_id)
    return vim.vm.customization.FixedName(name=host_name)


def _build_unattended(wanted: Customization, windows: Windows, base: Any) -> Any:
    password = _administrator_password(wanted) or getattr(base, "password", None)
    count = windows.auto_logon_count
    if count and password is None:
        raise InvalidRequestError(
            "Windows(auto_logon_count=) needs the administrator's password: give it as auth=NodeAuthPassword(...)"
        )
    return vim.vm.customization.GuiUnattended(
        password=password,
        timeZone=_time_zone_index(wanted, windows, base),
        autoLogon=count > 0 if count is not None else getattr(base, "autoLogon", False),
        autoLogonCount=count if count is not None else getattr(base, "autoLogonCount", 0),
    )


def _administrator_password(wanted: Customization) -> Any:
    """The password to set; None where there is none, or it is another user's."""
    login = wanted.login
    if login is None or not login.password or not is_administrator(login):
        return None
    return vim.vm.customization.Password(value=login.password, plainText=True)


def _time_zone_index(wanted: Customization, windows: Windows, base: Any) -> int:
    if windows.time_zone is not None:
        return windows.time_zone
    if wanted.time_zone is not None:
        return find_time_zone_index(wanted.time_zone)
    return int(base.timeZone) if base is not None else UTC_INDEX


def _build_user_data(computer_name: Any, windows: Windows, base: Any) -> Any:
    return vim.vm.customization.UserData(
        fullName=windows.full_name or getattr(base, "fullName", DEFAULT_FULL_NAME),
        orgName=windows.organization or getattr(base, "orgName", DEFAULT_ORGANIZATION),
        computerName=computer_name,
        productId=windows.product_key or getattr(base, "productId", ""),
    )


def _build_identification(windows: Windows, base: Any, api_version: str | None) -> Any:
    if windows.domain is None and windows.workgroup is None and base is not None:
        return base
    if windows.domain is None:
        return vim.vm.customization.Identification(joinWorkgroup=windows.workgroup or DEFAULT_WORKGROUP)
    made = vim.vm.customization.Identification(
        joinDomain=windows.domain,
        domainAdmin=windows.domain_user,
        domainAdminPassword=vim.vm.customization.Password(value=windows.domain_password, plainText=True),
    )
    if windows.organizational_unit is not None:
        if api_version is not None and not VmomiSupport.IsChildVersion(api_version, ORGANIZATIONAL_UNIT_VERSION):
            raise InvalidRequestError("Windows(organizational_unit=) needs vSphere 8.0 Update 2 or later")
        made.domainOU = windows.organizational_unit
    return made


def _build_run_once(windows: Windows) -> Any:
    return vim.vm.customization.GuiRunOnce(commandList=list(windows.run_once)) if windows.run_once else None


def _build_license(windows: Windows) -> Any:
    if windows.license_mode is None:
        return None
    made = vim.vm.customization.LicenseFilePrintData(autoMode=windows.license_mode)
    if windows.license_users is not None:
        made.autoUsers = windows.license_users
    return made
