"""Everything measured, on labs that it starts itself: see ``docs/performance.md`` for what the figures mean."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from .children import ROOT
from .demands import judge
from .deploy import measure_deployments
from .govc_program import ensure_govc
from .groups import Load, measure_groups
from .listing import measure_listings, measure_lookups
from .measure import Row
from .nodes import measure_nodes
from .report import show, write_json, write_markdown
from .startup import measure_start_up

JSON = ROOT / "build" / "bench.json"
SIZES = (300, 1000, 3000)
QUICK_LOADS = (
    Load(1, 0, rounds=3, builtin=True, govc_parallel=False),
    Load(10, 0, rounds=2, govc_serial=False),
    Load(50, 0, rounds=2, govc_serial=False, govc_parallel=False),
    Load(50, 3, rounds=1, govc_serial=False, govc_parallel=False),
)
LOADS = (
    Load(1, 0, rounds=5, builtin=True, builtin_far=True),
    Load(10, 0, rounds=5, builtin=True),
    Load(50, 0, rounds=5),
    Load(100, 0, rounds=5),
    Load(1, 3, rounds=3, builtin=True),
    Load(10, 3, rounds=3, builtin=True),
    Load(50, 3, rounds=3),
    Load(100, 3, rounds=2, govc_serial=False),
)

Subject = Callable[[bool, str | None], Iterator[Row]]
SUBJECTS: dict[str, Subject] = {
    "start-up": lambda quick, _: measure_start_up(10 if quick else 60),
    "listing": lambda quick, govc: measure_listings(
        SIZES[: 2 if quick else 3], 4 if quick else 9, govc, patient=not quick
    ),
    "lookups": lambda quick, govc: measure_lookups(SIZES[0 if quick else 1], 5 if quick else 9, govc),
    "nodes": lambda quick, _: measure_nodes(15 if quick else 25),
    "groups": lambda quick, govc: measure_groups(QUICK_LOADS if quick else LOADS, govc),
    "deploy": lambda quick, _: measure_deployments(2 if quick else 9),
}


def main() -> int:
    arguments = _parse()
    govc = ensure_govc() if {"listing", "lookups", "groups"} & set(arguments.only) else None
    rows: list[Row] = []
    is_whole = True
    for name in arguments.only:
        begin = time.monotonic()
        try:
            for row in SUBJECTS[name](arguments.quick, govc):
                rows.append(row)
        except Exception:  # whatever it is, the other subjects' rows shall come, and those that are there
            traceback.print_exc()
            is_whole = False
        print(f"{name}: {time.monotonic() - begin:.0f} s", flush=True)
        _write(arguments, rows)
    verdicts = judge(rows)
    show(rows, verdicts)
    print(f"figures: {arguments.json}")
    return 0 if is_whole and all(verdict.is_met for verdict in verdicts) else 1


def _write(arguments: argparse.Namespace, rows: list[Row]) -> None:
    """After each subject: the whole takes half an hour."""
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(arguments.json, rows, judge(rows))
    if arguments.markdown:
        write_markdown(arguments.markdown, rows)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="contrib/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller inventories and groups; under three minutes")
    parser.add_argument("--json", type=Path, default=JSON, metavar="FILE", help="where the figures go for programs")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables of docs/performance.md here")
    parser.add_argument("--only", type=_subjects, default=list(SUBJECTS), help=f"some of: {','.join(SUBJECTS)}")
    return parser.parse_args()


def _subjects(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(SUBJECTS):
        raise argparse.ArgumentTypeError(f"there is no {', '.join(sorted(unknown))}; there is {', '.join(SUBJECTS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
