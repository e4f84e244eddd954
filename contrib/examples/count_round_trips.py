"""How many calls listing takes: this driver beside Libcloud's built-in one, on the same inventory.

    python count_round_trips.py [NODES]

The lab counts the SOAP calls that arrive. Only the count is compared: times on one machine say little about a network.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from libcloud.compute.drivers.vsphere import VSphereNodeDriver
from rich.console import Console
from rich.table import Table

from libcloud_vsphere_clone import Lab

NODES = int(sys.argv[1]) if len(sys.argv) > 1 else 300


def count(lab: Lab, call: Callable[[], list[Any]]) -> str:
    """What the call cost and gave in its third run: in the first two, ours makes what it keeps on the server."""
    call()
    call()
    lab.reset_calls()
    found = call()
    return f"{lab.calls().total} calls, {len(found)} found"


with Lab(vms=NODES, guests=False) as lab, lab.driver() as ours:
    built_in = VSphereNodeDriver(lab.host, lab.username, lab.password, port=lab.port, ca_cert=lab.ca_cert)
    table = Table("call", "vsphere_clone", "built-in vsphere", title=f"{NODES} VMs")
    for name in ("list_nodes", "list_locations"):  # the built-in list_images fails on the lab's simulator
        table.add_row(name, count(lab, getattr(ours, name)), count(lab, getattr(built_in, name)))
    Console().print(table)
