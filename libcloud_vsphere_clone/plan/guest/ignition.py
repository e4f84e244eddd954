"""The input of Ignition in the guest, as guestinfo keys of the CloneSpec: for Fedora CoreOS and Flatcar. (pure)

Takes the setup of the guest; gives a config of spec version 3.3.0, which both read. The caller's own config is
not touched: ours names it to be merged, and where both say something, theirs holds, as Ignition merges children over
their parent. The network is written as NetworkManager's keyfiles for Fedora CoreOS and as systemd-networkd's units for
Flatcar; neither system reads the other's, so both kinds are there.

Source: Ignition documentation, "Configuration Specification v3.3.0", "Operator Notes" (merging), "Supported Platforms"
(VMware: guestinfo.ignition.config.data, its encodings base64 and gzip+base64); systemd.network(5); NetworkManager's
keyfile format (nm-settings-keyfile(5)). No CoreOS was run with it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from ...errors import InvalidRequestError
from ...model.login import DEFAULT_USER, WINDOWS_ADMINISTRATOR, Login
from ...model.nics import Nic
from ...option_names import option
from .cloud_init import encode_guestinfo
from .setup import GuestSetup
from .user_data import to_script

__all__ = ["DEFAULT_LOGIN", "build_ignition"]

VERSION = "3.3.0"
DEFAULT_LOGIN = "core"
"""The user that both systems come with; root may not log in there."""

MAX_HOST_NAME_LENGTH = 64
"""gethostname(2), HOST_NAME_MAX; systemd leaves a longer /etc/hostname unread (hostname(5))."""

SCRIPT = "/opt/libcloud/first-boot"
UNIT = "libcloud-first-boot.service"


def build_ignition(setup: GuestSetup) -> dict[str, str]:
    """The guestinfo keys that make Ignition set up the guest: ``{key: value}``.

    :raises InvalidRequestError: the user data is no Ignition config, or something is too long.
    """
    config: dict[str, Any] = {"ignition": {"version": VERSION}}
    if setup.options.userdata:
        theirs = _check_config(setup.options.userdata)
        config["ignition"]["config"] = {"merge": [{"source": _data_url(theirs)}]}
    if setup.login is not None:
        config["passwd"] = {"users": [_build_user(setup.login)]}
    _check_full_name(setup.full_name)
    files = [_file("/etc/hostname", f"{setup.full_name}\n"), *_network_files(setup)]
    if setup.first_boot_script is not None:
        files.append(_file(SCRIPT, to_script(setup.first_boot_script), mode=0o700))
        config["systemd"] = {"units": [{"name": UNIT, "enabled": True, "contents": _build_unit()}]}
    config["storage"] = {"files": files}
    if setup.options.timezone is not None:
        target = f"../usr/share/zoneinfo/{setup.options.timezone}"
        config["storage"]["links"] = [{"path": "/etc/localtime", "target": target, "overwrite": True}]
    return encode_guestinfo("ignition.config.data", json.dumps(config).encode())


def _check_config(userdata: str | bytes) -> str:
    """The caller's Ignition config.

    :raises InvalidRequestError: it is something else, such as cloud-config, which these guests ignore.
    """
    try:
        text = userdata if isinstance(userdata, str) else userdata.decode()
        version = str(json.loads(text)["ignition"]["version"])
    except (ValueError, KeyError, TypeError):
        raise InvalidRequestError(
            f"this guest reads Ignition, and {option('userdata')} is no Ignition config: give its JSON, as butane "
            "makes it; cloud-config and scripts are for guests with cloud-init, and a script can be "
            f"{option('first_boot_script=')}"
        ) from None
    if not version.startswith("3."):
        raise InvalidRequestError(
            f"{option('userdata')} is an Ignition config of version {version}; Fedora CoreOS and Flatcar read 3.x: "
            "make it anew with butane"
        )
    return text


def _check_full_name(name: str) -> None:
    if len(name) > MAX_HOST_NAME_LENGTH:
        raise InvalidRequestError(
            f"the host name {name!r} has {len(name)} characters, and Linux takes {MAX_HOST_NAME_LENGTH}: give a "
            f"shorter one with {option('hostname=')}, or leave {option('domain=')} out"
        )


def _build_user(login: Login) -> dict[str, Any]:
    if login.username == WINDOWS_ADMINISTRATOR:
        raise InvalidRequestError(f"Ignition can't make a user {login.username!r}: use small letters")
    user: dict[str, Any] = {"name": login.username}
    if login.public_keys:
        user["sshAuthorizedKeys"] = list(login.public_keys)
    if login.password:
        user["passwordHash"] = login.password_hash
    if login.username not in (DEFAULT_USER, DEFAULT_LOGIN):
        user["groups"] = ["sudo", "wheel"]
    return user


def _build_unit() -> str:
    # Where SELinux forbids systemd to run what lies there, it lets the shell do it.
    return f"""[Unit]
Description=First-boot script of the node's maker
Wants=network-online.target
After=network-online.target
ConditionPathExists={SCRIPT}
ConditionPathExists=!{SCRIPT}.done
[Service]
Type=oneshot
ExecStart=/bin/sh -c "exec {SCRIPT}"
ExecStartPost=/usr/bin/touch {SCRIPT}.done
[Install]
WantedBy=multi-user.target
"""


# The network


def _network_files(setup: GuestSetup) -> list[dict[str, Any]]:
    files = []
    for index, nic in enumerate(setup.named_nics):
        name = f"libcloud-{index}"
        keyfile = f"/etc/NetworkManager/system-connections/{name}.nmconnection"
        files.append(_file(keyfile, _build_keyfile(name, nic, setup), mode=0o600))
        files.append(_file(f"/etc/systemd/network/10-{name}.network", _build_network_unit(nic, setup)))
    return files


def _build_keyfile(name: str, nic: Nic, setup: GuestSetup) -> str:
    lines = ["[connection]", f"id={name}", "type=ethernet", "[ethernet]", f"mac-address={nic.mac_address}"]
    for version in (4, 6):
        lines += [f"[ipv{version}]", *_build_family(nic, version, setup.dns_servers(nic))]
    if setup.options.dns_search:
        # Here, as a section that is disabled may have none.
        lines.append(f"dns-search={''.join(f'{domain};' for domain in setup.options.dns_search)}")
    return "\n".join(lines) + "\n"


def _build_family(nic: Nic, version: int, servers: Sequence[str]) -> list[str]:
    addresses = [str(interface) for interface in nic.addresses if interface.version == version]
    if version == 4 and nic.addresses and not addresses:
        return ["method=disabled"]
    lines = [f"method={'manual' if addresses else 'auto'}"]
    lines += [f"address{number}={address}" for number, address in enumerate(addresses, 1)]
    lines += [f"gateway={gateway}" for gateway in nic.gateways if gateway.version == version]
    routes = [route for route in nic.routes if route.network.version == version]
    lines += [f"route{number}={route.network},{route.gateway}" for number, route in enumerate(routes, 1)]
    own = [server for server in servers if ip_address(server).version == version]
    return [*lines, f"dns={''.join(f'{server};' for server in own)}"] if own else lines


def _build_network_unit(nic: Nic, setup: GuestSetup) -> str:
    lines = ["[Match]", f"MACAddress={nic.mac_address}", "[Network]", f"DHCP={'no' if nic.addresses else 'yes'}"]
    lines += [f"Address={interface}" for interface in nic.addresses]
    lines += [f"Gateway={gateway}" for gateway in nic.gateways]
    lines += [f"DNS={server}" for server in setup.dns_servers(nic)]
    lines += [f"Domains={' '.join(setup.options.dns_search)}"] if setup.options.dns_search else []
    for route in nic.routes:
        lines += ["[Route]", f"Destination={route.network}", f"Gateway={route.gateway}"]
    return "\n".join(lines) + "\n"


# Files


def _file(path: str, text: str, *, mode: int = 0o644) -> dict[str, Any]:
    return {"path": path, "mode": mode, "overwrite": True, "contents": {"source": _data_url(text)}}


def _data_url(text: str) -> str:
    return f"data:;base64,{base64.b64encode(text.encode()).decode()}"
