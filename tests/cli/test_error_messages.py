"""``cli/error_messages.py``: errors in words of the command's options."""

from __future__ import annotations

import pytest

from libcloud_vsphere_clone.cli.error_messages import in_options
from libcloud_vsphere_clone.errors import AmbiguousNameError, InvalidRequestError, NotFoundError
from libcloud_vsphere_clone.guest.wait import build_wait
from libcloud_vsphere_clone.sessions.keyboard.transport import Keyboard
from libcloud_vsphere_clone.sessions.opener import check_wait


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (str(NotFoundError("node", "web", "list_nodes() shows what there is")), "vsphere-clone nodes shows"),
        (str(AmbiguousNameError("node", "web", ["a", "b"], "give ex_group=, or its id")), "give --group, or its id"),
        (
            "pass ca_cert= with the CA, or ex_thumbprint= with its SHA-256",
            "pass --ca-cert with the CA, or --thumbprint",
        ),
        ("or pass a longer timeout=", "a longer --timeout"),
        ("name one with ex_images_folder=", "with --images-folder"),
        ("name one you may use with ex_resource_pool=", "with --pool"),
        ("ex_memory_mib must be a multiple of 4", "--memory-mib must be"),
        ("ex_dns_search: '-' is no domain name; not ex_dns", "--dns-search: '-' is no domain name; not --dns"),
        ("(asked for with ex_customize)", "(asked for with --customize)"),
        ("ex_networks names 11 networks", "--network names"),
        ("is encrypted: pass its passphrase as ssh_key_password", "is encrypted: give --ssh-key-password-file"),
        ("make the driver with ex_allow_unmanaged=True to allow it", "give --allow-unmanaged to allow it"),
    ],
)
def test_messages_name_options(message: str, shown: str) -> None:
    assert shown in in_options(message)


def test_advice_that_only_python_can_take_is_left_out() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_wait(Keyboard(), build_wait("customized"))
    shown = in_options(str(caught.value))
    assert "so --wait-for='customized' does not go with it: use 'ssh' or 'tools'" in shown
    assert "wait_until_running" not in shown
