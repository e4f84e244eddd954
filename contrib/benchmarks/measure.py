"""Contestants side by side: in each round each takes its steps in turn, so that what slows the machine slows all.

A contestant runs twice: straight to the lab for the seconds and the memory, and through the relay, with a latency on
each call, for the round trips, the bytes and the seconds that a far vCenter would cost.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from libcloud_vsphere_clone import Lab

from .certificate import write_certificate
from .children import Child
from .relay import Counts, Relay

LATENCY_MS = 10.0


@dataclass(frozen=True)
class Step:
    """One op of a contestant.

    :param label: the row's words; without any it is done, and not shown.
    :param compared: steps of the same word are compared, with the floor's of that word.
    :param before: done between the op's preparation and the op, such as another client's changes.
    """

    op: str
    label: str
    compared: str = "listing"
    args: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[], object] | None = None


@dataclass(frozen=True)
class Contestant:
    """A peer and its steps.

    :param peer: a module in ``peers``; ``options`` are for its class.
    :param is_floor: the others' seconds are divided by this one's.
    :param most_rounds: for peers that are too slow, or leave too much behind, to be asked often.
    :param most_far_rounds: likewise through the relay; 0 leaves its round trips uncounted.
    :param warm: its first calls may go to another lab, so that what a program loads once is not counted as memory.
    :param near_only: counted without latency, where it has so many round trips that a run would take minutes.
    """

    peer: str
    steps: Sequence[Step]
    options: Mapping[str, Any] = field(default_factory=dict)
    is_floor: bool = False
    most_rounds: int = 1000
    most_far_rounds: int = 1000
    warm: bool = True
    near_only: bool = False


@dataclass(frozen=True)
class Row:
    """A line of the table. What is None was not measured.

    :param size: VMs in the inventory, or nodes in the group.
    :param ratio: median of the rounds' seconds over the floor's in the same round.
    :param peak_bytes: memory at the peak, less what was in use before.
    """

    subject: str
    what: str
    size: int
    latency_ms: float = 0.0
    task_s: float = 0.0
    seconds: float | None = None
    ratio: float | None = None
    round_trips: int | None = None
    writes: int | None = None
    bytes: int | None = None
    peak_bytes: int | None = None
    rounds: int = 0
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class _Samples:
    contestant: Contestant
    step: Step
    seconds: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)
    found: int | None = None
    error: str = ""


class Stage:
    """A lab with its relay, and how to connect to either.

    :param warm: a small lab for first calls.
    """

    def __init__(self, lab: Lab, relay: Relay, warm: Lab | None = None) -> None:
        self.lab, self.relay = lab, relay
        self._warm = warm

    def direct(self, lab: Lab | None = None) -> dict[str, Any]:
        lab = lab or self.lab
        names = ("host", "port", "username", "password", "ca_cert", "datacenter")
        return {name: getattr(lab, name) for name in names}

    def relayed(self) -> dict[str, Any]:
        return {**self.direct(), "port": self.relay.port, "ca_cert": self.relay.certificate}

    @contextmanager
    def worker(self, peer: str, *, relayed: bool = False, **options: Any) -> Iterator[Child]:
        """A connected worker."""
        with Child("worker", peer) as child:
            self.connect(child, relayed=relayed, **options)
            yield child

    def connect(self, child: Child, *, relayed: bool = False, warm_up: Sequence[str] = (), **options: Any) -> None:
        """Connect a worker that has started; ``warm_up`` are ops to do on the small lab first."""
        if warm_up and self._warm is not None:
            child.ask(connect={**self.direct(self._warm), **options})
            for op in warm_up:
                child.ask(prepare=op)
                child.ask(run=op)
        child.ask(connect={**(self.relayed() if relayed else self.direct()), **options})

    @contextmanager
    def recorded(self, peer: str, op: str, methods: set[str], **args: Any) -> Iterator[list[dict[str, Any]]]:
        """The requests of these methods that ``op`` sends. Their session lives until the end of the ``with`` block."""
        self.relay.delay(0)
        with self.worker(peer, relayed=True) as child:
            child.ask(prepare=op, args=args)
            self.relay.reset()
            child.ask(run=op, args=args)
            yield [request for request in self.relay.requests() if request["method"] in methods]


@contextmanager
def open_stage(lab: Lab, warm: Lab | None = None) -> Iterator[Stage]:
    with TemporaryDirectory() as folder:
        certificate = write_certificate(Path(folder, "relay.pem"))
        with Relay(lab.host, lab.port, lab.ca_cert, certificate) as relay:
            yield Stage(lab, relay, warm)


def compare(
    stage: Stage,
    subject: str,
    size: int,
    contestants: Sequence[Contestant],
    *,
    rounds: int,
    far_rounds: int = 2,
    task_s: float = 0.0,
    relayed_only: bool = False,
) -> list[Row]:
    """The rows of these contestants: near ones first, then those with latency.

    :param relayed_only: seconds and counts come from the same run, through the relay without latency: where tasks
        take seconds, it makes no difference.
    """
    if relayed_only:
        contestants = [replace(contestant, near_only=True) for contestant in contestants]
        near = far = _measure(stage, contestants, rounds, relayed=True)
    else:
        near = _measure(stage, contestants, rounds, relayed=False)
        far = _measure(stage, contestants, far_rounds, relayed=True)
    pairs = zip(near, far, strict=True)
    rows = [_to_row(subject, size, task_s, 0.0, mine, _floor(near, mine), other) for mine, other in pairs]
    far = [mine for mine in far if not _is_near_only(mine)]
    rows += [_to_row(subject, size, task_s, LATENCY_MS, mine, _floor(far, mine), mine) for mine in far]
    return [row for row in rows if row.what and (row.round_trips is not None or row.rounds or row.note)]


def _is_near_only(mine: _Samples) -> bool:
    return mine.contestant.near_only


def _measure(stage: Stage, contestants: Sequence[Contestant], rounds: int, *, relayed: bool) -> list[_Samples]:
    samples = [_Samples(contestant, step) for contestant in contestants for step in contestant.steps]
    with ExitStack() as stack:
        asked = [contestant for contestant in contestants if contestant.most_far_rounds or not relayed]
        children = {id(contestant): stack.enter_context(Child("worker", contestant.peer)) for contestant in asked}
        for contestant in asked:  # only now: while they were started, they imported side by side
            warm_up = [step.op for step in contestant.steps] if contestant.warm and not relayed else []
            child = children[id(contestant)]
            stage.connect(child, relayed=relayed, warm_up=warm_up, **contestant.options)
        for number in range(rounds):
            for mine in samples:
                if number < _most_rounds(mine, relayed) and not mine.error:
                    _take(stage.relay, children[id(mine.contestant)], mine)
    return samples


def _most_rounds(mine: _Samples, relayed: bool) -> int:
    contestant = mine.contestant
    return min(contestant.most_rounds, contestant.most_far_rounds) if relayed else contestant.most_rounds


def _take(relay: Relay, child: Child, mine: _Samples) -> None:
    """One step of one contestant."""
    args = dict(mine.step.args)
    relay.delay(0 if _is_near_only(mine) else LATENCY_MS)
    try:
        child.ask(prepare=mine.step.op, args=args)
        if mine.step.before is not None:
            mine.step.before()
        relay.reset()
        result = child.ask(run=mine.step.op, args=args)
    except RuntimeError as error:
        mine.error = str(error)
        return
    mine.seconds.append(result["seconds"])
    mine.peaks.append(result["peak_bytes"])
    mine.found = result["found"]
    mine.counts.append(relay.counts())


def _floor(samples: Sequence[_Samples], mine: _Samples) -> _Samples | None:
    floors = (s for s in samples if s.contestant.is_floor and s.step.compared == mine.step.compared)
    return next(floors, None)


def _to_row(
    subject: str, size: int, task_s: float, latency_ms: float, mine: _Samples, floor: _Samples | None, far: _Samples
) -> Row:
    pairs = zip(mine.seconds, floor.seconds if floor else [], strict=False)
    ratios = [own / other for own, other in pairs]
    counts = far.counts[-1] if far.counts else None
    return Row(
        subject,
        mine.step.label,
        size,
        latency_ms,
        task_s,
        seconds=statistics.median(mine.seconds) if mine.seconds else None,
        ratio=statistics.median(ratios) if ratios else None,
        round_trips=counts.requests if counts else None,
        writes=counts.writes if counts else None,
        bytes=counts.sent + counts.received if counts else None,
        # Later rounds find memory that the first one has freed.
        peak_bytes=max(mine.peaks) if mine.peaks and latency_ms == 0 else None,
        rounds=len(mine.seconds),
        note=mine.error or _shortfall(mine, size),
    )


def _shortfall(mine: _Samples, size: int) -> str:
    """A peer that finds less than there is is not fast."""
    counted = mine.step.op in ("list_cold", "list_again", "list_glob", "create") and mine.found is not None
    return f"found only {mine.found}" if counted and int(mine.found or 0) < size else ""
