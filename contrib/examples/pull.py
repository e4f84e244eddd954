"""Nothing connects to the guest: it runs its deployment at first boot, and reports. On a lab of its own.

First through vCenter, then by HTTP to this machine, for guests that may not write guestinfo. The report by HTTP is
not encrypted: whoever is on the way reads what the script printed.
"""

from __future__ import annotations

import socket
import sys

from libcloud.compute.base import NodeDriver
from libcloud.compute.deployment import ScriptDeployment

from libcloud_vsphere_clone import CallbackReceiver, Lab, Pull


def deploy(driver: NodeDriver, name: str, transport: str | Pull) -> None:
    script = ScriptDeployment("#!/bin/sh\necho $(hostname) runs as $(id -un)\n")
    node = driver.deploy_node(
        name=name,
        size=None,  # the image's own CPUs and memory
        image=next(image for image in driver.list_images() if image.name == "debian-12"),
        deploy=script,
        ex_transport=transport,
    )
    print(f"{(script.stdout or '').strip()}, exit status {script.exit_status}")
    node.destroy()


def own_address(towards: str) -> str:
    """This machine's address on the way to another; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((towards, 9))
        return str(probe.getsockname()[0])


def main() -> None:
    with Lab() as lab, lab.driver() as driver:
        if lab.guests_unavailable:
            sys.exit(f"the lab has no guests: {lab.guests_unavailable}")
        deploy(driver, "pulled-1", "pull")

        # Where the lab's guests are, a node tells; on a vCenter you know which of your addresses they reach.
        [(node, [address, *_])] = driver.wait_until_running(
            [driver.create_node("scout", None, driver.ex_get_image_by_name("debian-12"))]
        )
        node.destroy()
        with CallbackReceiver(own_address(address)) as receiver:
            deploy(driver, "pulled-2", Pull(receiver=receiver))


if __name__ == "__main__":
    main()
