"""What failed, as one line in words of this command's options."""

from __future__ import annotations

import re

import click

SPELLINGS = (
    # what the driver's messages call a parameter, what it is called here
    (r"pass its passphrase as ssh_key_password", "give --ssh-key-password-file"),
    (r"in ssh_key_password", "in --ssh-key-password-file"),
    (r"auth=NodeAuthPassword\(\.\.\.\)", "--ssh-password-file"),
    (r"make the driver with ex_allow_unmanaged=True", "give --allow-unmanaged"),
    (r", or wait first, with wait_until_running\(.*\)", ""),
    (r"ex_resource_pool=", "--pool"),
    (r"ex_list_groups\(\)", "vsphere-clone groups"),
    (r"\bssh_key=", "--ssh-key"),
    (r"list_(nodes|images|sizes|locations)\(\)", r"vsphere-clone \1"),
    (r"\b(?:ex_)?(?:location|group|datastore|thumbprint|datacenter|images_folder|nodes_folder|ca_cert|host|port|timeout)=",
     lambda found: "--" + found[0].removeprefix("ex_").rstrip("=").replace("_", "-")),
    (r"\bex_networks\b", "--network"),
    (r"\bex_(annotation|cpus|customization_spec|customize|disk_gib|dns|dns_search|domain|first_boot_script|hostname"
     r"|memory_mib|metadata|thumbprint|timezone|transport|userdata|wait_for)\b",
     lambda found: "--" + found[1].replace("_", "-")),
)  # fmt: skip


def describe_error(failure: BaseException) -> str:
    """What failed, in one line and in words of this command's options."""
    from ..errors import VsphereError
    from ..lab import LabError

    if isinstance(failure, VsphereError | LabError):
        text = in_options(str(failure))
    elif isinstance(failure, click.ClickException):
        text = failure.format_message()
    elif isinstance(failure, OSError) and failure.strerror:
        text = f"{failure.filename}: {failure.strerror}" if failure.filename else failure.strerror
    else:
        text = f"{type(failure).__name__}: {failure}; --debug shows where"
    return " ".join("; ".join([text, *notes_of(failure)]).split())


def notes_of(failure: BaseException) -> list[str]:
    """What the driver added to an error on its way, such as what its clean-up had to leave."""
    return list(getattr(failure, "__notes__", []))


def in_options(message: str) -> str:
    """A message of the driver with its parameters called as this command calls them."""
    for pattern, replacement in SPELLINGS:
        message = re.sub(pattern, replacement, message)
    return message
