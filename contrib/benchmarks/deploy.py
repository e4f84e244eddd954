"""How long a deployment takes, against the sum of what it cannot avoid: clone task, guest boot, SSH handshake.

Both run in turn on the same lab. The floor is an impatient client that knows everything beforehand: it sends the same
CloneSpec, then dials the guest every 20 ms and runs one command.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import paramiko
from libcloud.compute.base import NodeAuthSSHKey
from libcloud.compute.deployment import ScriptDeployment
from rich.console import Console
from rich.table import Table

from libcloud_vsphere_clone import Lab, VsphereCloneNodeDriver
from libcloud_vsphere_clone.convert import to_login
from libcloud_vsphere_clone.inventory.groups import ensure_group_folder
from libcloud_vsphere_clone.lifecycle import destroy_vm
from libcloud_vsphere_clone.plan.clone import NodeRequest, to_stored_name
from libcloud_vsphere_clone.provision import Provisioner
from libcloud_vsphere_clone.vcenter.properties import fetch_row
from libcloud_vsphere_clone.vcenter.rows import Ref
from libcloud_vsphere_clone.vcenter.tasks import wait_task
from libcloud_vsphere_clone.vcenter.types import to_managed

MOST = 1.25
"""A deployment's time over its floor, at most."""

DIAL_EVERY_S = 0.02


def measure_floor(driver: VsphereCloneNodeDriver, image: Any, key: paramiko.PKey) -> float:
    """Seconds from the CloneSpec's sending to the first output of a command in the guest."""
    session, names = driver._session, driver._names
    auth = NodeAuthSSHKey(f"{key.get_name()} {key.get_base64()}")
    name = f"floor-{uuid.uuid4().hex[:6]}"
    request = NodeRequest(id=str(uuid.uuid4()), name=name, group="bench", login=to_login(auth, "root"))
    plan, found = Provisioner(session, names).plan(request, image.id, image_moid=image.extra["moid"])
    folder = to_managed(ensure_group_folder(session, found.tree, found.layout, names, "bench"))
    begin = time.perf_counter()
    task = session.managed(*plan.template).CloneVM_Task(folder, to_stored_name(plan), plan.spec)
    vm: Ref = wait_task(session, task, "clone", timeout_s=60)
    run_when_let_in(find_address(driver, vm), key)
    took_s = time.perf_counter() - begin
    destroy_vm(session, vm, timeout_s=60)
    return took_s


def find_address(driver: VsphereCloneNodeDriver, vm: Ref) -> str:
    while True:
        row = fetch_row(driver._session, vm, ("guest.ipAddress",))
        if row and row.get("guest.ipAddress"):
            return str(row["guest.ipAddress"])


def run_when_let_in(address: str, key: paramiko.PKey) -> None:
    while True:
        with paramiko.SSHClient() as client:
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            try:
                client.connect(address, username="root", pkey=key, allow_agent=False, look_for_keys=False, timeout=5)
                client.exec_command("echo out")[1].read()
                return
            except (OSError, EOFError, paramiko.SSHException):
                time.sleep(DIAL_EVERY_S)


def measure_ours(driver: VsphereCloneNodeDriver, image: Any, key_file: Path) -> float:
    """Seconds from the call of ``deploy_node`` to its return, with the script's output."""
    begin = time.perf_counter()
    node = driver.deploy_node(
        ScriptDeployment("echo out"),
        ssh_key=str(key_file),
        name=f"ours-{uuid.uuid4().hex[:6]}",
        size=None,
        image=image,
        ex_group="bench",
    )
    took_s = time.perf_counter() - begin
    driver.destroy_node(node)
    return took_s


def measure(rounds: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, Lab() as lab, lab.driver() as driver:
        if lab.guests_unavailable:
            sys.exit(f"no guests: {lab.guests_unavailable}")
        key = paramiko.ECDSAKey.generate()
        key.write_private_key_file(f"{folder}/key")
        image = driver.ex_get_image_by_name("debian-12")
        measure_floor(driver, image, key)  # the first guest warms the page cache for all
        pairs = [
            (measure_floor(driver, image, key), measure_ours(driver, image, Path(folder, "key"))) for _ in range(rounds)
        ]
    return {
        "floor_s": statistics.median(floor for floor, _ in pairs),
        "deploy_s": statistics.median(ours for _, ours in pairs),
        "ratio": statistics.median(ours / floor for floor, ours in pairs),
        "most": MOST,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args()
    figures = measure(arguments.rounds)
    table = Table("what", "seconds (median)", "ratio to the floor", title=f"deploy_node, {arguments.rounds} rounds")
    table.add_row("clone + boot + handshake", f"{figures['floor_s']:.2f}", "1.00")
    table.add_row("deploy_node", f"{figures['deploy_s']:.2f}", f"{figures['ratio']:.2f} (at most {MOST})")
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if figures["ratio"] <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
