"""Listings and lookups: how many VMs, how fast, next to the bare wire and to the peers."""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from libcloud_vsphere_clone import Lab

from .measure import Contestant, Row, Stage, Step, compare, open_stage
from .processes import command, median_ratio, time_processes

READS = {"RetrievePropertiesEx"}
FOLDER = "load"
COMMANDS_AT = 1000
"""VMs with which the command is measured."""
AFTER_CHANGES = "ours, after 1 % changed"
MOST_FOR_GOVC_FIND = 300
"""VMs whose paths govc is given one by one: it looks up each of them, in a dozen round trips."""


def measure_listings(sizes: tuple[int, ...], rounds: int, govc: str | None, *, patient: bool) -> Iterator[Row]:
    """Rows for inventories of these sizes.

    :param patient: ask also what takes long and says little.
    """
    with Lab(guests=False) as warm:
        for size in sizes:
            with Lab(vms=size, guests=False) as lab, open_stage(lab, warm) as stage:
                yield from _measure_listing(stage, size, rounds, govc, patient)
                if size == COMMANDS_AT:
                    yield from _measure_commands(stage, size, max(7, rounds))


def measure_lookups(size: int, rounds: int, govc: str | None) -> Iterator[Row]:
    with Lab(vms=size, guests=False) as lab, open_stage(lab) as stage:
        yield from _measure_lookups(stage, size, rounds, govc)
        yield from _measure_images(stage, size, rounds, govc)


def _measure_listing(stage: Stage, size: int, rounds: int, govc: str | None, patient: bool) -> list[Row]:
    with ExitStack() as stack:
        requests = stack.enter_context(stage.recorded("ours", "list_cold", READS))
        other = stack.enter_context(stage.worker("vim"))
        marks = itertools.count()

        def change() -> None:
            other.ask(run="rename", args={"folder": FOLDER, "share": 0.01, "mark": str(next(marks))})

        ours = (
            Step("list_cold", "ours, cold"),
            Step("list_second", "ours, second call"),
            Step("list_again", "ours, again"),
            Step("list_fresh", "ours, a fresh read"),
            Step("list_again", AFTER_CHANGES, before=change),
        )
        both = Contestant("ours", (Step("list_both", "ours, cold and second call"),))
        contestants = [_wire(requests), Contestant("ours", ours), both, *_peers(requests, size, govc, patient)]
        return compare(stage, "listing", size, contestants, rounds=rounds)


def _measure_commands(stage: Stage, size: int, rounds: int) -> list[Row]:
    """Rows for the command's listings, as whole processes: their floor is ``images``, and the nodes' bare rows."""
    words = {"images": ["images"], "nodes": ["nodes"], "nodes --json": ["nodes", "--json"]}
    commands = {f"vsphere-clone {name}": command(*each, f"--lab={stage.lab.name}") for name, each in words.items()}
    with (
        stage.recorded("ours", "list_cold", READS) as requests,
        stage.worker("raw", requests=requests) as child,
    ):

        def fetch() -> float:
            child.ask(prepare="fetch")
            return float(child.ask(run="fetch")["seconds"])

        seconds = time_processes(commands, rounds, {"raw wire, beside commands": fetch})
    images, table, as_json, wire = seconds.values()
    floor = [one + other for one, other in zip(images, wire, strict=True)]
    more_s = statistics.median(mine - other for mine, other in zip(table, as_json, strict=True))
    rows = [
        Row("listing", what, size, seconds=statistics.median(own), ratio=median_ratio(own, floor), rounds=rounds)
        for what, own in seconds.items()
    ]
    return [*rows, Row("listing", "vsphere-clone nodes, more than its JSON", size, seconds=more_s, rounds=rounds)]


def _wire(requests: list[dict[str, Any]]) -> Contestant:
    step = Step("fetch", "raw wire (floor)")
    return Contestant("raw", (step,), {"requests": requests}, is_floor=True, warm=False)


def _peers(requests: list[dict[str, Any]], size: int, govc: str | None, patient: bool) -> list[Contestant]:
    bulk = Step("list_cold", "pyVmomi, bulk recipe, same paths")
    found = [Contestant("vim", (bulk,), {"paths": _vm_paths(requests)})]
    step = Step("list_cold", "Libcloud's built-in driver")
    found.append(Contestant("builtin", (step,), most_rounds=2, most_far_rounds=1))
    if govc:
        step = Step("list_glob", "govc vm.info -json 'load/*'")
        found.append(Contestant("govc", (step,), {"program": govc}, most_rounds=2, most_far_rounds=1))
    if govc and patient and size <= MOST_FOR_GOVC_FIND:
        step = Step("list_cold", "govc find + vm.info -json")
        found.append(Contestant("govc", (step,), {"program": govc}, most_rounds=1, near_only=True, warm=False))
    return found


def _vm_paths(requests: list[dict[str, Any]]) -> list[str]:
    """The paths that our driver reads of a VM, taken from its request."""
    specs = re.findall(r"<propSet>(.*?)</propSet>", " ".join(request["body"] for request in requests), re.DOTALL)
    of_vms = " ".join(spec for spec in specs if "VirtualMachine</type>" in spec)
    return [path.replace("&quot;", '"') for path in re.findall(r"<pathSet>([^<]+)</pathSet>", of_vms)]


def _measure_lookups(stage: Stage, size: int, rounds: int, govc: str | None) -> list[Row]:
    with stage.worker("vim") as other, stage.recorded("ours", "list_cold", READS) as requests:
        one = other.ask(prepare="pick", args={"folder": FOLDER})["prepared"]
        paths = {"paths": _vm_paths(requests)}

    def steps(who: str) -> tuple[Step, ...]:
        ops = {"id": "get_by_id", "name": "get_by_name"}
        return tuple(Step(op, f"{who}, by {word}", word, one) for word, op in ops.items())

    contestants = [
        Contestant("vim", steps("pyVmomi, find + one read (floor)"), paths, is_floor=True),
        Contestant("ours", steps("ours")),
        Contestant("ours", (Step("get_by_name_warm", "ours, by name, after listings", "name", one),)),
        Contestant("builtin", steps("built-in driver (lists all)"), most_rounds=1, most_far_rounds=1, near_only=True),
    ]
    if govc:
        contestants.append(Contestant("govc", steps("govc vm.info"), {"program": govc}))
    return compare(stage, "lookup", size, contestants, rounds=rounds, far_rounds=1)


def _measure_images(stage: Stage, size: int, rounds: int, govc: str | None) -> list[Row]:
    with stage.recorded("ours", "list_images", READS) as requests:
        contestants = [
            _wire(requests),
            Contestant("ours", (Step("list_images", "ours, list_images"),)),
            Contestant("builtin", (Step("list_images", "built-in driver, list_images"),), most_rounds=1),
        ]
        if govc:
            contestants.append(Contestant("govc", (Step("list_images", "govc find"),), {"program": govc}))
        return compare(stage, "images", size, contestants, rounds=rounds, far_rounds=1)
