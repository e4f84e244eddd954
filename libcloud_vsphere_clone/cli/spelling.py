"""What this command calls the driver's options, in messages of the driver."""

from __future__ import annotations

from ..option_names import PREFIX

COMMANDS = {
    "list_nodes()": "vsphere-clone nodes",
    "list_images()": "vsphere-clone images",
    "list_sizes()": "vsphere-clone sizes",
    "list_locations()": "vsphere-clone locations",
    "ex_list_groups()": "vsphere-clone groups",
    "wait_until_running(nodes, ex_wait_for='customized')": "vsphere-clone deploy --wait-for customized",
}
"""Methods of the driver, and the commands that do the same."""

OTHERWISE = {
    "auth": "--ssh-password-file",
    "networks": "--network",
    "resource_pool": "--pool",
    "ssh_key_password": "--ssh-key-password-file",
}
"""Options that have another name here; the others have the same, with hyphens."""

MISSING = {"each", "expected", "address_filter", "sizes", "timeout_s", "windows"}
"""Options that the command does not have."""


def spell_option(python: str) -> str:
    """What this command calls a piece of Python in a message: ``ex_dns_search=`` is ``--dns-search``."""
    if python in COMMANDS:
        return COMMANDS[python]
    keyword, _, value = python.partition("=")
    name = keyword.removeprefix(PREFIX)
    if name in MISSING or not name.isidentifier():
        return python
    option = OTHERWISE.get(name, f"--{name.replace('_', '-')}")
    is_expression = "(" in value or value in ("True", "...")
    return f"{option}={value}" if value and not is_expression else option
