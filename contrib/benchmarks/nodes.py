"""One node at a time, by a driver that is at work: its calls, and its seconds next to the bare tasks.

Bare tasks are what the raw peer sends and awaits: the CloneVM_Task of one of our nodes again, and the power-off and the
destroy of what came of it, with nothing looked up, checked or read before or after.
"""

from __future__ import annotations

from collections.abc import Iterator

from libcloud_vsphere_clone import Lab

from .measure import Contestant, Row, Step, compare, open_stage

SUBJECT = "nodes"


def measure_nodes(rounds: int) -> Iterator[Row]:
    """Rows for ``create_node``, ``stop_node`` and ``destroy_node`` of a node that runs, and for the bare tasks."""
    with (
        Lab(guests=False) as lab,
        open_stage(lab) as stage,
        stage.recorded("ours", "create_one", {"CloneVM_Task"}, group="recorded") as requests,
    ):
        floor = (
            Step("clone", "bare tasks (floor), create", "create", {"count": 1}),
            Step("drop", "bare tasks (floor), destroy", "destroy", {"count": 1}),
        )
        ours = (
            Step("create_node", "create_node", "create", {"group": "bench-nodes"}),
            Step("stop_node", "stop_node", "stop"),
            Step("start_node", "start_node", "start"),
            Step("destroy_node", "destroy_node", "destroy"),
        )
        contestants = [
            Contestant("raw", floor, {"requests": requests}, is_floor=True, warm=False),
            Contestant("ours", ours, warm=False),
        ]
        yield from compare(stage, SUBJECT, 1, contestants, rounds=rounds, far_rounds=rounds)
