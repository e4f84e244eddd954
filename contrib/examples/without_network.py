"""A guest that nothing reaches over the network: VMware Tools carry the deployment. On a lab of its own.

The commands, the files and what they print go through vCenter and the host that has the VM. The guest needs
open-vm-tools and a user with a password; this machine needs no route to it.
"""

from __future__ import annotations

import io
import sys

from libcloud.compute.base import NodeAuthPassword
from libcloud.compute.deployment import FileDeployment, MultiStepDeployment, ScriptDeployment

from libcloud_vsphere_clone import Lab

SCRIPT = ScriptDeployment("#!/bin/sh\nwc -l < /root/example.py; exit 7\n")
STEPS = MultiStepDeployment([FileDeployment(__file__, "/root/example.py"), SCRIPT])


def main() -> None:
    with Lab() as lab, lab.driver() as driver:
        if lab.guests_unavailable:
            sys.exit(f"the lab has no guests: {lab.guests_unavailable}")
        node = driver.deploy_node(
            name="island-1",
            size=None,  # the image's own CPUs and memory
            image=driver.ex_get_image_by_name("debian-12"),
            deploy=STEPS,
            ex_transport="tools",
        )
        print(f"lines: {(SCRIPT.stdout or '').strip()}, exit status: {SCRIPT.exit_status}")

        # The generated password is nowhere else.
        session = driver.ex_open_session(node, "tools", auth=NodeAuthPassword(node.extra["password"]))
        copied = io.BytesIO()
        session.get("/etc/os-release", copied)  # type: ignore[attr-defined]  # ours: Libcloud's client has none
        session.close()
        print(copied.getvalue().decode().splitlines()[0])
        node.destroy()


if __name__ == "__main__":
    main()
