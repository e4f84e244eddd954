"""A group of nodes: made together, deployed together, asked together, and gone together. On a lab of its own.

    python group.py [COUNT]

What fails is told node by node: the script fails on purpose on the last one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import paramiko
from libcloud.compute.deployment import ScriptDeployment
from rich.console import Console
from rich.table import Table

from libcloud_vsphere_clone import GroupError, Lab

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 2
INSTALL = ScriptDeployment("#!/bin/sh\necho 'made together' > /etc/motd\n")


def main() -> None:
    with Lab() as lab, lab.driver() as driver, TemporaryDirectory() as folder:
        if lab.guests_unavailable:
            sys.exit(f"the lab has no guests: {lab.guests_unavailable}")
        key_file = Path(folder, "key")
        paramiko.ECDSAKey.generate().write_private_key_file(str(key_file))

        try:
            nodes = driver.ex_deploy_nodes_in_group(
                "web",
                COUNT,
                size=None,  # the image's own CPUs and memory
                image=driver.ex_get_image_by_name("debian-12"),
                deploy=INSTALL,
                ssh_key=str(key_file),
                ex_on_progress=lambda name, percent: print(f"{name}: {percent} %"),
            )
        except GroupError as partial:
            print(partial)  # what failed, and why
            nodes = partial.nodes  # go on with the others

        last = nodes[-1].name
        script = f"#!/bin/sh\ncat /etc/motd; test $(hostname) != {last}\n"
        table = Table("node", "exit status", "output", "error")
        for result in driver.ex_run_script_on_group("web", script, ssh_key=str(key_file)):
            table.add_row(result.node.name, str(result.exit_status), result.stdout.strip(), str(result.error or ""))
        Console().print(table)

        driver.ex_destroy_group("web", ex_remove_folder=True)


if __name__ == "__main__":
    main()
