"""The main job, start to end: a lab, its images, a node by cloning, a script in it, and all of it gone again.

Only Libcloud and this package's ``Lab`` are used. With a vCenter of your own, leave ``Lab`` out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import paramiko
from libcloud.compute.base import NodeDriver
from libcloud.compute.deployment import ScriptDeployment
from libcloud.compute.providers import get_driver
from rich.console import Console
from rich.table import Table

from libcloud_vsphere_clone import Lab

SCRIPT = """\
#!/bin/sh
. /etc/os-release
echo "$(id -un)@$(hostname), $PRETTY_NAME"
"""

console = Console()
steps = Table("step", "seconds", title="The main job")
steps.columns[1].justify = "right"


@contextmanager
def step(name: str) -> Iterator[None]:
    """A row of the table: how long the block took."""
    with console.status(name):
        begin = time.monotonic()
        yield
        steps.add_row(name, f"{time.monotonic() - begin:.1f}")


def connect(lab: Lab) -> Any:
    driver_class = get_driver("vsphere_clone")  # for a type checker this is a NodeDriver, which has no close()
    return driver_class(lab.username, lab.password, host=lab.host, port=lab.port, ca_cert=lab.ca_cert)


def deploy(driver: NodeDriver, key_file: Path) -> None:
    """A node runs the script, and is destroyed."""
    with step("list images, sizes, locations"):
        images, sizes, locations = driver.list_images(), driver.list_sizes(), driver.list_locations()
    console.print("images:   ", ", ".join(image.name for image in images))
    console.print("sizes:    ", f"{sizes[0].name} … {sizes[-1].name}")
    console.print("locations:", ", ".join(location.name for location in locations))

    script = ScriptDeployment(SCRIPT)
    with step("deploy a node and run a script"):
        node = driver.deploy_node(
            name="first-node",
            image=next(image for image in images if image.name == "debian-12"),
            size=sizes[0],
            deploy=script,
            ssh_key=str(key_file),
        )
    console.print("node:     ", node.name, *node.private_ips)
    console.print("script:   ", (script.stdout or "").strip(), f"(exit status {script.exit_status})")

    with step("destroy the node"):
        node.destroy()
    if script.exit_status:  # a success for Libcloud, whatever it is
        sys.exit("the script failed")


def main() -> None:
    with ExitStack() as stack:
        key_file = Path(stack.enter_context(TemporaryDirectory()), "key")
        paramiko.ECDSAKey.generate().write_private_key_file(str(key_file))
        with step("start the lab"):
            lab = stack.enter_context(Lab(on_progress=console.print))
        if lab.guests_unavailable:
            sys.exit(f"the lab has no guests: {lab.guests_unavailable}")
        with step("connect"):
            driver = stack.enter_context(connect(lab))
        deploy(driver, key_file)
        with step("stop the lab"):
            stack.close()
    console.print(steps)


if __name__ == "__main__":
    main()
