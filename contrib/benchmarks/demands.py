"""What the figures have to be. Exit status 1 where one is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .measure import LATENCY_MS, Row


@dataclass(frozen=True)
class Demand:
    """At most ``most`` of one figure, in each row that is meant.

    :param figure: from a row to the figure.
    """

    subject: str
    what: str
    words: str
    most: float
    figure: Callable[[Row], float | None]
    size: int | None = None
    task_s: float | None = None
    latency_ms: float = 0.0

    def applies(self, row: Row) -> bool:
        return (
            (row.subject, row.what, row.latency_ms) == (self.subject, self.what, self.latency_ms)
            and self.size in (None, row.size)
            and self.task_s in (None, row.task_s)
        )


def _each(count: float | None, row: Row) -> float | None:
    return None if count is None else count / row.size


def _others(row: Row) -> float | None:
    return None if row.round_trips is None or row.writes is None else row.round_trips - row.writes


_OVER_LIBCLOUD = "time over import libcloud.compute.base"

DEMANDS = (
    Demand("start-up", "get_driver('vsphere_clone')", _OVER_LIBCLOUD, 1.3, lambda row: row.ratio),
    Demand(
        "start-up",
        "memory of get_driver('vsphere_clone')",
        "over import libcloud.compute.base",
        1.3,
        lambda row: row.ratio,
    ),
    Demand("start-up", "vsphere-clone images", _OVER_LIBCLOUD, 1.6, lambda row: row.ratio),
    Demand("listing", "vsphere-clone nodes --json", "time over images and the wire", 1.3, lambda row: row.ratio),
    Demand("listing", "vsphere-clone nodes, more than its JSON", "seconds", 0.1, lambda row: row.seconds),
    Demand("listing", "ours, cold", "time over the raw wire", 1.4, lambda row: row.ratio),
    Demand("listing", "ours, cold", "round trips", 3, lambda row: row.round_trips),
    Demand("listing", "ours, cold", "bytes of memory per VM", 6000, lambda row: _each(row.peak_bytes, row)),
    Demand(
        "listing", "ours, cold and second call", "bytes of memory per VM", 6000, lambda row: _each(row.peak_bytes, row)
    ),
    Demand("listing", "ours, second call", "round trips", 3, lambda row: row.round_trips),
    Demand("listing", "ours, again", "round trips", 1, lambda row: row.round_trips),
    Demand("listing", "ours, again", "bytes", 4000, lambda row: row.bytes),
    Demand("groups", "ours, create", "writes per node", 1.1, lambda row: _each(row.writes, row), size=50),
    Demand("groups", "ours, create", "other trips per node", 0.3, lambda row: _each(_others(row), row), size=50),
    Demand("groups", "ours, create", "time over bare tasks", 1.15, lambda row: row.ratio, size=50, task_s=3.0),
    Demand("nodes", "create_node", "round trips", 6, lambda row: row.round_trips),
    Demand("nodes", "destroy_node", "round trips", 6, lambda row: row.round_trips),
    Demand("nodes", "stop_node", "round trips", 4, lambda row: row.round_trips),
    Demand("nodes", "create_node", "time over bare tasks", 1.35, lambda row: row.ratio, latency_ms=LATENCY_MS),
    Demand("nodes", "destroy_node", "time over bare tasks", 1.35, lambda row: row.ratio, latency_ms=LATENCY_MS),
    Demand("deploy", "deploy_node", "time over its floor", 1.25, lambda row: row.ratio),
)


@dataclass(frozen=True)
class Verdict:
    demand: Demand
    row: Row
    value: float | None

    @property
    def is_met(self) -> bool:
        return self.value is not None and self.value <= self.demand.most


def judge(rows: Sequence[Row]) -> list[Verdict]:
    """Each demand on each row that it is about; what was not measured is not met."""
    return [Verdict(demand, row, demand.figure(row)) for demand in DEMANDS for row in rows if demand.applies(row)]
