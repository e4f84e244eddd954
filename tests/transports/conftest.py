"""One driver for each module, and nodes that the module's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import paramiko
import pytest

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab


@pytest.fixture(scope="module")
def guests(lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    """A driver on the lab with guests; what the module made in the group ``doors`` is gone after it."""
    with lab.driver() as driver:
        yield driver
        lab.faults.clear()
        if "doors" in [group.name for group in driver.ex_list_groups()]:
            driver.ex_destroy_group("doors")


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a private key."""
    path = tmp_path_factory.mktemp("doors") / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(path))
    return str(path)
