"""Windows made a machine of its own: the setup of a guest in, a CustomizationSysprep out. (pure)

Passwords stand in it in clear, as the API wants them from callers without vCenter's key; they travel inside TLS and
nothing here shows them. Checked field by field against the API reference; no Windows was run with it.
Source: CustomizationSysprep, CustomizationGuiUnattended, CustomizationUserData, CustomizationIdentification,
CustomizationLicenseFilePrintData, CustomizationGuiRunOnce (vSphere Web Services API).
"""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from ...errors import InvalidRequestError
from ...model.host_name import build_computer_name, check_computer_name
from ...model.login import DEFAULT_USER, WINDOWS_ADMINISTRATOR, Login
from ...model.windows import Windows
from ...option_names import expression
from .setup import GuestSetup
from .windows_time_zones import UTC_INDEX, find_time_zone_index

__all__ = ["build_sysprep", "is_administrator"]

ORGANIZATIONAL_UNIT_VERSION = "vim.version.v8_0_2_0"
DEFAULT_WORKGROUP = "WORKGROUP"
DEFAULT_ORGANIZATION = "Organization"
DEFAULT_FULL_NAME = "Administrator"


def build_sysprep(setup: GuestSetup) -> Any:
    """The identity of a Windows clone.

    :raises InvalidRequestError: Windows takes no such name, or this vCenter is too old for a wish.
    """
    windows, base = setup.options.windows or Windows(), getattr(setup.stored_spec, "identity", None)
    return vim.vm.customization.Sysprep(
        guiUnattended=_build_unattended(setup, windows, getattr(base, "guiUnattended", None)),
        userData=_build_user_data(_computer_name(setup), windows, getattr(base, "userData", None)),
        identification=_build_identification(setup, windows, getattr(base, "identification", None)),
        guiRunOnce=_build_run_once(windows) or getattr(base, "guiRunOnce", None),
        licenseFilePrintData=_build_license(windows) or getattr(base, "licenseFilePrintData", None),
    )


def is_administrator(login: Login) -> bool:
    """Whether it is the login whose password sysprep sets; root is the user of a login that names none."""
    return str(login.username).lower() in (WINDOWS_ADMINISTRATOR.lower(), DEFAULT_USER)


def _computer_name(setup: GuestSetup) -> Any:
    if setup.options.hostname is None:
        return vim.vm.customization.FixedName(name=build_computer_name(setup.host_name, setup.node_id))
    check_computer_name(setup.host_name)
    return vim.vm.customization.FixedName(name=setup.host_name)


def _build_unattended(setup: GuestSetup, windows: Windows, base: Any) -> Any:
    password = _administrator_password(setup.login) or getattr(base, "password", None)
    count = windows.auto_logon_count
    if count and password is None:
        raise InvalidRequestError(
            "Windows(auto_logon_count=) needs the administrator's password: give it as "
            f"{expression('auth=NodeAuthPassword(...)')}"
        )
    return vim.vm.customization.GuiUnattended(
        password=password,
        timeZone=_time_zone_index(setup, windows, base),
        autoLogon=count > 0 if count is not None else getattr(base, "autoLogon", False),
        autoLogonCount=count if count is not None else getattr(base, "autoLogonCount", 0),
    )


def _administrator_password(login: Login | None) -> Any:
    """The password to set; None where there is none, or it is another user's."""
    if login is None or not login.password or not is_administrator(login):
        return None
    return vim.vm.customization.Password(value=login.password, plainText=True)


def _time_zone_index(setup: GuestSetup, windows: Windows, base: Any) -> int:
    if windows.time_zone is not None:
        return windows.time_zone
    if setup.options.timezone is not None:
        return find_time_zone_index(setup.options.timezone)
    return int(base.timeZone) if base is not None else UTC_INDEX


def _build_user_data(computer_name: Any, windows: Windows, base: Any) -> Any:
    return vim.vm.customization.UserData(
        fullName=windows.full_name or getattr(base, "fullName", DEFAULT_FULL_NAME),
        orgName=windows.organization or getattr(base, "orgName", DEFAULT_ORGANIZATION),
        computerName=computer_name,
        productId=windows.product_key or getattr(base, "productId", ""),
    )


def _build_identification(setup: GuestSetup, windows: Windows, base: Any) -> Any:
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
        if not setup.knows(ORGANIZATIONAL_UNIT_VERSION):
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
