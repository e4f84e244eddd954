"""``cli/commands/groups.py``: groups with their nodes counted."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

Run = Callable[..., Result]


def test_groups(on_bare: Run, make: Callable[..., str]) -> None:
    make("web-1", "shop")
    make("web-2", "shop")
    shown = on_bare("groups")
    assert (shown.exit_code, shown.stderr) == (0, "")
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert rows[0] == ["group", "nodes", "path"]
    assert ["shop", "2", "shop"] in rows
    found = {group["name"]: group["node_count"] for group in json.loads(on_bare("groups", "--json").stdout)}
    assert found["shop"] == 2
    assert found["legacy"] == 2
