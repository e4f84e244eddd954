"""``cli/commands/sizes.py``: the catalogue, without a connection."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

from libcloud_vsphere_clone.lab import Lab

Run = Callable[..., Result]


def test_sizes_need_no_connection(run: Run) -> None:
    shown = run("sizes")
    assert shown.exit_code == 0
    assert ["2cpu-4gib", "2", "4", "GiB"] in [line.split() for line in shown.stdout.splitlines()]


def test_sizes_as_json_are_those_of_the_driver(run: Run, bare_lab: Lab) -> None:
    sizes = json.loads(run("sizes", "--json").stdout)
    with bare_lab.driver() as driver:
        assert [(size["id"], size["cpus"], size["memory_mib"]) for size in sizes] == [
            (size.id, size.extra["cpus"], size.ram) for size in driver.list_sizes()
        ]
