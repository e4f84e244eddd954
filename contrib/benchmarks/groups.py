"""Groups made and destroyed: ours against bare clone tasks, eight in flight, and against the peers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from libcloud_vsphere_clone import Lab

from .measure import Contestant, Row, Stage, Step, compare, open_stage

FOLDERS = ("bench-builtin", "bench-govc", "bench-govc8")
"""Peers clone into folders that exist."""


@dataclass(frozen=True)
class Load:
    """A group to make.

    :param task_s: how long the lab lets each clone task take, beside its own work.
    :param rounds: for ours and the floor.
    :param builtin: whether the built-in driver is asked too, and with latency: more than ten seconds for each node.
    :param govc_serial: likewise govc, one by one.
    """

    count: int
    task_s: float
    rounds: int
    builtin: bool = False
    builtin_far: bool = False
    govc_serial: bool = True
    govc_parallel: bool = True


def measure_groups(loads: tuple[Load, ...], govc: str | None) -> Iterator[Row]:
    with Lab(guests=False) as lab, open_stage(lab) as stage, stage.worker("vim") as other:
        for folder in FOLDERS:
            other.ask(run="make_folder", args={"name": folder})
        for load in loads:
            lab.delay_tasks({})
            with stage.recorded("ours", "create_one", {"CloneVM_Task"}, group="recorded") as requests:
                lab.delay_tasks({"CloneVM": round(load.task_s * 1000)} if load.task_s else {})
                contestants = [
                    Contestant(
                        "raw",
                        (
                            Step("clone", "bare tasks, 8 in flight (floor), create", "create", {"count": load.count}),
                            Step("drop", "bare tasks, 8 in flight (floor), destroy", "destroy", {"count": load.count}),
                        ),
                        {"requests": requests},
                        is_floor=True,
                        warm=False,
                    ),
                    *_others(load, govc),
                ]
                yield from _compare(stage, load, contestants)


def _compare(stage: Stage, load: Load, contestants: list[Contestant]) -> list[Row]:
    return compare(
        stage,
        "groups",
        load.count,
        contestants,
        rounds=load.rounds,
        far_rounds=1,
        task_s=load.task_s,
        relayed_only=load.task_s > 0,
    )


def _others(load: Load, govc: str | None) -> list[Contestant]:
    found = [Contestant("ours", _steps("ours", "bench-ours", load.count), warm=False)]
    if load.builtin:
        steps = _steps("built-in driver, one by one", "bench-builtin", load.count)
        far_rounds = 1 if load.builtin_far or load.task_s else 0  # with slow tasks all go through the relay
        found.append(Contestant("builtin", steps, most_rounds=1, most_far_rounds=far_rounds, warm=False))
    if govc and load.govc_serial:
        steps = _steps("govc, one by one", "bench-govc", load.count)
        found.append(Contestant("govc", steps, {"program": govc}, most_rounds=1, warm=False))
    if govc and load.govc_parallel:
        steps = _steps("govc, 8 in parallel", "bench-govc8", load.count)
        found.append(Contestant("govc", steps, {"program": govc, "in_flight": 8}, most_rounds=2, warm=False))
    return found


def _steps(who: str, group: str, count: int) -> tuple[Step, ...]:
    args = {"group": group, "count": count}
    return tuple(Step(op, f"{who}, {op}", op, args) for op in ("create", "destroy"))
