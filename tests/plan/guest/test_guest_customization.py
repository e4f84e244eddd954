"""vSphere's own guest customization. That it is taken at a clone is tested where nodes are made."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import SoapAdapter, vim

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model.login import Login
from libcloud_vsphere_clone.model.nics import Nic, Route
from libcloud_vsphere_clone.model.windows import Windows
from libcloud_vsphere_clone.plan.guest.guest_customization import MAX_SCRIPT_LENGTH, build_specification, mechanism_of
from libcloud_vsphere_clone.plan.guest.windows_time_zones import find_time_zone_index
from tests.plan.guest.setups import build_setup

V7_0_1, V7_0_3, V8_0_3, V9_1 = (f"vim.version.{name}" for name in ("v7_0_1_0", "v7_0_3_0", "v8_0_3_0", "v9_1_0_0"))
custom = vim.vm.customization
ONE = [Nic()]
STATIC = Nic("a", address=["10.0.0.5/24", "2001:db8::5/64"], gateway=["10.0.0.1", "fe80::1"], dns_servers=["10.0.0.3"])


def build(
    mechanism: str, nics: Any = ONE, base: Any = None, version: str = V8_0_3, name: str = "web-1", **wishes: Any
) -> Any:
    setup = build_setup(mechanism, nics, name, stored_spec=base, api_version=version, **wishes)
    made = build_specification(setup)
    assert SoapAdapter.Serialize(made, version=version)  # all that is required is there
    return made


# linux-prep


def test_a_bare_linux() -> None:
    made = build("linux-prep")
    identity = made.identity
    assert isinstance(identity, custom.LinuxPrep)
    assert (identity.hostName.name, identity.domain, identity.hwClockUTC) == ("web-1", "localdomain", True)
    assert (identity.timeZone, identity.scriptText, identity.password) == (None, None, None)
    assert isinstance(made.options, custom.LinuxOptions)
    [mapping] = made.nicSettingMap
    assert isinstance(mapping.adapter.ip, custom.DhcpIpGenerator)


def test_names_dns_and_time_zone() -> None:
    wishes: dict[str, Any] = {"domain": "example.com", "dns": ["10.0.0.2"], "dns_search": ["a.example.com"]}
    made = build("linux-prep", [STATIC], timezone="Europe/Sofia", **wishes)
    assert (made.identity.domain, made.identity.timeZone) == ("example.com", "Europe/Sofia")
    assert list(made.globalIPSettings.dnsServerList) == ["10.0.0.2", "10.0.0.3"]
    assert list(made.globalIPSettings.dnsSuffixList) == ["a.example.com"]


def test_every_adapter_has_its_settings_in_order() -> None:
    first, second = build("linux-prep", [STATIC, Nic("b")]).nicSettingMap
    adapter = first.adapter
    assert (adapter.ip.ipAddress, adapter.subnetMask, list(adapter.gateway)) == (
        "10.0.0.5",
        "255.255.255.0",
        ["10.0.0.1"],
    )
    [address] = adapter.ipV6Spec.ip
    assert (address.ipAddress, address.subnetMask) == ("2001:db8::5", 64)
    assert list(adapter.ipV6Spec.gateway) == ["fe80::1"]
    assert isinstance(second.adapter.ip, custom.DhcpIpGenerator)
    assert second.adapter.ipV6Spec is None
    assert (first.macAddress, second.macAddress) == (None, None)


@pytest.mark.parametrize(
    ("nic", "reason"),
    [
        (Nic(address=["10.0.0.5/24", "10.0.0.6/24"]), "one IPv4 address of an adapter, here are 2"),
        (Nic(address="10.0.0.5/24", routes=[Route("10.9.0.0/16", via="10.0.0.1")]), "knows no routes"),
    ],
)
def test_what_vsphere_cannot_set(nic: Nic, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        build("linux-prep", [nic])


@pytest.mark.parametrize(
    "script", ["echo it\\'s $((1+1)) >>out", "#!/usr/bin/env python3\nopen('out', 'a').write('2')"]
)
def test_the_first_boot_script_runs_after_the_customization_only(script: str, tmp_path: Path) -> None:
    text = build("linux-prep", first_boot_script=script).identity.scriptText
    for moment, found in (("precustomization", False), ("postcustomization", True)):
        subprocess.run(["/bin/sh", "-c", text, "script", moment], cwd=tmp_path, check=True)
        assert (tmp_path / "out").exists() is found
    assert "2" in (tmp_path / "out").read_text()


def test_a_script_that_is_too_long() -> None:
    with pytest.raises(InvalidRequestError, match=r"linux-prep takes about 1,[23]\d\d"):
        build("linux-prep", first_boot_script="#" * MAX_SCRIPT_LENGTH)


def test_roots_password_where_vsphere_can_set_it() -> None:
    login = Login("root", password="s3cret")
    assert build("linux-prep", login=login).identity.password is None
    password = build("linux-prep", version=V9_1, login=login).identity.password
    assert (password.value, password.plainText) == ("s3cret", True)
    assert build("linux-prep", version=V9_1, login=Login("joe", password="s3cret")).identity.password is None


# cloudinit-prep


def test_raw_data_has_the_network_in_its_metadata() -> None:
    nic = Nic("a", address="10.0.0.5/24", mac="00:50:56:00:00:01")
    made = build("cloudinit-prep", [nic], domain="example.com", userdata="#!/bin/sh\ndate\n", timezone="UTC")
    metadata = made.identity.metadata
    assert '"instance-id": "50000000' in metadata
    assert '"local-hostname": "web-1.example.com"' in metadata
    assert '"addresses": ["10.0.0.5/24"]' in metadata
    assert "mime-version" in made.identity.userdata.lower()
    assert list(made.nicSettingMap or []) == []


def test_what_xml_cannot_carry_is_refused() -> None:
    """An escape sequence for colours, say; it is for cloud-init alone, which has it packed."""
    script = "#!/bin/sh\necho '\x1b[31mred'\n"
    for mechanism, word in (("cloudinit-prep", "userdata"), ("linux-prep", "first_boot_script")):
        with pytest.raises(InvalidRequestError, match=f"ex_{word} holds control characters"):
            build(mechanism, **{word: script})
    assert build("cloudinit-prep", userdata=script, first_boot_script="date")  # in an archive


def test_raw_data_needs_a_vcenter_that_knows_it() -> None:
    build("cloudinit-prep", [], version=V7_0_3)
    with pytest.raises(InvalidRequestError, match=r"7\.0 Update 3.*ex_customize='cloud-init'"):
        build("cloudinit-prep", [], version=V7_0_1)


def test_raw_data_that_is_too_long() -> None:
    with pytest.raises(InvalidRequestError, match=r"the user data has 524,2\d\d bytes"):
        build("cloudinit-prep", [], userdata="#!/bin/sh\n#" + "x" * 524_280)


# sysprep


def test_a_bare_windows() -> None:
    made = build("sysprep")
    identity = made.identity
    assert (identity.userData.computerName.name, identity.userData.productId) == ("web-1", "")
    assert (identity.userData.orgName, identity.userData.fullName) == ("Organization", "Administrator")
    assert identity.identification.joinWorkgroup == "WORKGROUP"
    unattended = identity.guiUnattended
    assert (unattended.password, unattended.timeZone, unattended.autoLogon, unattended.autoLogonCount) == (
        None,
        90,
        False,
        0,
    )
    assert (identity.guiRunOnce, identity.licenseFilePrintData) == (None, None)
    options = made.options
    assert (options.changeSID, options.deleteAccounts, options.reboot) == (True, False, "reboot")


def test_a_windows_with_all() -> None:
    windows = Windows(
        "ACME",
        "Joe",
        product_key="AAAAA-BBBBB-CCCCC-DDDDD-EEEEE",
        domain="ad.example.com",
        domain_user="join",
        domain_password="j0in",
        organizational_unit="OU=web,DC=example,DC=com",
        auto_logon_count=2,
        run_once=["winrm quickconfig -q"],
        license_mode="perServer",
        license_users=5,
    )
    login = Login("Administrator", password="s3cret")
    made = build("sysprep", [STATIC], login=login, windows=windows, timezone="Europe/Berlin", domain="example.com")
    identity = made.identity
    assert identity.userData.productId == "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"
    unattended = identity.guiUnattended
    assert (unattended.password.value, unattended.password.plainText) == ("s3cret", True)
    assert (unattended.timeZone, unattended.autoLogon, unattended.autoLogonCount) == (110, True, 2)
    joined = identity.identification
    assert (joined.joinDomain, joined.domainAdmin, joined.joinWorkgroup) == ("ad.example.com", "join", None)
    assert (joined.domainAdminPassword.value, joined.domainAdminPassword.plainText) == ("j0in", True)
    assert joined.domainOU == "OU=web,DC=example,DC=com"
    assert list(identity.guiRunOnce.commandList) == ["winrm quickconfig -q"]
    assert (identity.licenseFilePrintData.autoMode, identity.licenseFilePrintData.autoUsers) == ("perServer", 5)
    adapter = made.nicSettingMap[0].adapter
    assert (list(adapter.dnsServerList), adapter.dnsDomain) == (["10.0.0.3"], "example.com")
    with pytest.raises(InvalidRequestError, match=r"8\.0 Update 2"):
        build("sysprep", version=V7_0_3, windows=windows, login=login)


@pytest.mark.parametrize(("username", "is_set"), [("root", True), ("Administrator", True), ("vagrant", False)])
def test_only_the_administrators_password_can_be_set(username: str, is_set: bool) -> None:
    made = build("sysprep", login=Login(username, password="s3cret"))
    assert (made.identity.guiUnattended.password is not None) is is_set


def test_a_log_on_needs_a_password() -> None:
    with pytest.raises(InvalidRequestError, match="needs the administrator's password"):
        build("sysprep", windows=Windows(auto_logon_count=1))


@pytest.mark.parametrize(
    ("name", "computer"),
    [("web-1", "web-1"), ("a" * 15, "a" * 15), ("production-database-7", "producti-500000"), ("2026", "node-50000000")],
)
def test_a_nodes_name_becomes_a_computers(name: str, computer: str) -> None:
    made = build("sysprep", name=name).identity.userData.computerName.name
    assert made == computer
    assert len(made) <= 15


@pytest.mark.parametrize("name", ["a" * 16, "2026"])
def test_a_host_name_that_no_computer_can_have(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="name of a Windows computer"):
        build("sysprep", name=name, hostname=name)


def test_time_zones_of_windows() -> None:
    assert (find_time_zone_index("UTC"), find_time_zone_index("Asia/Calcutta")) == (90, 190)
    with pytest.raises(InvalidRequestError, match=r"Windows\(time_zone="):
        find_time_zone_index("Europe/Busingen")
    made = build("sysprep", timezone="Europe/Busingen", windows=Windows(time_zone=110))
    assert made.identity.guiUnattended.timeZone == 110


# Put on a stored specification


def stored(identity: Any, *generators: Any) -> Any:
    mappings = [custom.AdapterMapping(adapter=custom.IPSettings(ip=generator)) for generator in generators]
    settings = custom.GlobalIPSettings(dnsServerList=["10.9.9.9"], dnsSuffixList=["old.example.com"])
    return custom.Specification(
        identity=identity, globalIPSettings=settings, nicSettingMap=mappings, encryptionKey=[1, 2, 3]
    )


def test_what_is_wanted_is_put_on_a_stored_linux() -> None:
    linux = custom.LinuxPrep(hostName=custom.FixedName(name="old"), domain="old.example.com", timeZone="Asia/Tokyo")
    base = stored(linux, custom.FixedIp(ipAddress="10.9.9.1"))
    made = build("linux-prep", [Nic(), Nic()], base=base, customization_spec="std")
    assert (made.identity.hostName.name, made.identity.domain) == ("web-1", "old.example.com")
    assert made.identity.timeZone == "Asia/Tokyo"
    assert [type(each.adapter.ip) for each in made.nicSettingMap] == [custom.FixedIp, custom.DhcpIpGenerator]
    assert list(made.globalIPSettings.dnsServerList) == ["10.9.9.9"]
    assert list(made.encryptionKey) == [1, 2, 3]
    changed = build("linux-prep", [STATIC], base=base, customization_spec="std", domain="new", dns_search=["new"])
    assert changed.nicSettingMap[0].adapter.ip.ipAddress == "10.0.0.5"
    assert (changed.identity.domain, list(changed.globalIPSettings.dnsSuffixList)) == ("new", ["new"])
    assert (base.identity.hostName.name, len(base.nicSettingMap)) == ("old", 1)


def test_what_is_wanted_is_put_on_a_stored_windows() -> None:
    first = build("sysprep", windows=Windows("ACME", workgroup="OPS", run_once=["dir"]), timezone="Europe/Berlin")
    base = stored(first.identity)
    base.identity.guiUnattended.password = custom.Password(value="c1pher", plainText=False)
    made = build("sysprep", base=base, name="web-2", customization_spec="win").identity
    assert (made.userData.orgName, made.userData.computerName.name) == ("ACME", "web-2")
    assert (made.identification.joinWorkgroup, made.guiUnattended.timeZone) == ("OPS", 110)
    assert (made.guiUnattended.password.value, made.guiUnattended.password.plainText) == ("c1pher", False)
    other = build("sysprep", base=base, customization_spec="win", windows=Windows("New"), timezone="UTC").identity
    assert (other.userData.orgName, other.identification.joinWorkgroup) == ("New", "OPS")
    assert (other.guiUnattended.timeZone, other.guiUnattended.password.value) == (90, "c1pher")


def test_what_is_not_said_of_a_windows_stays_as_it_is_stored() -> None:
    words: dict[str, Any] = {"domain": "ad.example.com", "domain_user": "join", "domain_password": "j0in"}
    key = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"
    full = Windows(
        "ACME", "Joe", product_key=key, auto_logon_count=2, run_once=["dir"], license_mode="perSeat", **words
    )
    base = stored(build("sysprep", login=Login(password="x"), windows=full).identity)
    made = build("sysprep", base=base, customization_spec="win", windows=Windows(run_once=["ver"])).identity
    assert list(made.guiRunOnce.commandList) == ["ver"]
    assert (made.userData.orgName, made.userData.fullName, made.userData.productId) == ("ACME", "Joe", key)
    assert (made.identification.joinDomain, made.identification.domainAdminPassword.value) == ("ad.example.com", "j0in")
    assert (made.guiUnattended.autoLogon, made.guiUnattended.autoLogonCount) == (True, 2)
    assert made.licenseFilePrintData.autoMode == "perSeat"
    other = build(
        "sysprep", base=base, customization_spec="win", windows=Windows(workgroup="OPS", auto_logon_count=0)
    ).identity
    assert (other.identification.joinWorkgroup, other.identification.joinDomain) == ("OPS", None)
    assert (other.guiUnattended.autoLogon, list(other.guiRunOnce.commandList)) == (False, ["dir"])


def test_dns_servers_are_put_on_a_stored_adapter() -> None:
    """Windows has them at its adapters only."""
    base = stored(build("sysprep").identity, custom.FixedIp(ipAddress="10.9.9.1"))
    base.nicSettingMap[0].adapter.subnetMask = "255.255.255.0"
    base.nicSettingMap[0].adapter.dnsServerList = ["10.9.9.9"]
    for nic, servers, expected in (
        (Nic(), [], ["10.9.9.9"]),
        (Nic(), ["10.0.0.2"], ["10.0.0.2"]),
        (Nic(dns_servers=["10.0.0.3"]), [], ["10.0.0.3"]),
    ):
        made = build("sysprep", [nic], base=base, customization_spec="win", domain="a.b", dns=servers)
        [mapping] = made.nicSettingMap
        assert (mapping.adapter.ip.ipAddress, mapping.adapter.subnetMask) == ("10.9.9.1", "255.255.255.0")
        assert (list(mapping.adapter.dnsServerList), mapping.adapter.dnsDomain) == (expected, "a.b")
    assert list(base.nicSettingMap[0].adapter.dnsServerList) == ["10.9.9.9"]
    assert base.nicSettingMap[0].adapter.dnsDomain is None


@pytest.mark.parametrize("kind", ["UnknownIpGenerator", "CustomIpGenerator"])
def test_an_address_that_the_specification_leaves_open(kind: str) -> None:
    linux = custom.LinuxPrep(hostName=custom.FixedName(name="old"), domain="a")
    base = stored(linux, getattr(custom, kind)())
    with pytest.raises(InvalidRequestError, match=re.escape("Nic(address=...)")):
        build("linux-prep", base=base, customization_spec="std")
    assert build("linux-prep", [STATIC], base=base, customization_spec="std")


def test_a_specification_of_another_kind() -> None:
    with pytest.raises(InvalidRequestError, match="CloudinitPrep, a text of its own"):
        mechanism_of(stored(custom.CloudinitPrep(metadata="{}")))
    linux = stored(custom.LinuxPrep(hostName=custom.FixedName(name="old"), domain="a"))
    with pytest.raises(InvalidRequestError, match="'std' is for linux-prep, not for sysprep"):
        build("sysprep", base=linux, customization_spec="std")
