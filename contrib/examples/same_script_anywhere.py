"""The same script on any provider: only ``connect`` knows where it runs.

    python same_script_anywhere.py                  vSphere, on a lab of its own
    python same_script_anywhere.py dummy            Libcloud's provider without machines

For Amazon, uncomment two lines in ``connect`` and call it with ``ec2``.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any

from libcloud.compute.base import NodeDriver
from libcloud.compute.providers import get_driver

from libcloud_vsphere_clone import Lab

PROVIDER = sys.argv[1] if len(sys.argv) > 1 else "vsphere_clone"


def connect(provider: str, stack: ExitStack) -> NodeDriver:
    """A driver; what has to be closed is closed with ``stack``."""
    driver_class: Any = get_driver(provider)
    if provider == "vsphere_clone":
        # Your own vCenter: driver_class(user, password, host="vcenter.example.com", ca_cert="ca.pem")
        lab = stack.enter_context(Lab(guests=False))
        return stack.enter_context(lab.driver())
    # if provider == "ec2":
    #     return driver_class(ACCESS_KEY, SECRET_KEY, region="eu-central-1")
    driver: NodeDriver = driver_class("key")
    return driver


def show_a_life(driver: NodeDriver) -> None:
    """A node is made, found, rebooted and destroyed. Nothing here depends on the provider."""
    image = driver.list_images()[0]
    size = min(driver.list_sizes(), key=lambda size: size.ram)
    node = driver.create_node(name="anywhere-1", size=size, image=image)
    print(f"made {node.name} from {image.name} with {size.ram} MB of memory on {driver.name}")

    (found,) = (listed for listed in driver.list_nodes() if listed.id == node.id)
    print(f"it is {found.state}")
    found.reboot()
    found.destroy()
    print("it is gone")


with ExitStack() as stack:
    show_a_life(connect(PROVIDER, stack))
