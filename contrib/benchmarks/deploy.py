"""How long a deployment takes, against the sum of what it cannot avoid: clone task, guest boot, SSH handshake.

The floor sends the CloneVM_Task of one of our deployments again, then dials the guest every 20 ms and runs one command.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import paramiko

from libcloud_vsphere_clone import Lab

from .measure import Contestant, Row, Step, compare, open_stage

SUBJECT = "deploy"
OURS = "deploy_node"


def measure_deployments(rounds: int) -> Iterator[Row]:
    """Rows for a deployment and its floor, or one that says why there are none."""
    with tempfile.TemporaryDirectory() as folder, Lab() as lab, open_stage(lab) as stage:
        if lab.guests_unavailable:
            yield Row(SUBJECT, OURS, 1, note=f"no guests: {lab.guests_unavailable}")
            return
        key_file = str(Path(folder, "key"))
        paramiko.ECDSAKey.generate().write_private_key_file(key_file)
        args = {"key_file": key_file}
        with stage.recorded("ours", "deploy", {"CloneVM_Task"}, key_file=key_file, group="recorded") as requests:
            floor = (
                Step("deploy", "clone + boot + handshake (floor)", "deploy", args),
                Step("drop", "", args={"count": 1}),
            )
            ours = (Step("deploy", OURS, "deploy", {**args, "group": "bench"}), Step("drop_node", ""))
            contestants = [
                Contestant("raw", floor, {"requests": requests}, is_floor=True, warm=False),
                Contestant("ours", ours, warm=False),
            ]
            yield from compare(stage, SUBJECT, 1, contestants, rounds=rounds, far_rounds=1)
