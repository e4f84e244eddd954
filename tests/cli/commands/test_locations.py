"""``cli/commands/locations.py``: clusters and hosts."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

Run = Callable[..., Result]


def test_locations(on_bare: Run) -> None:
    lines = on_bare("locations").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["location", "cluster-drs", "cluster-nodrs", "esx-alone.lab"]


def test_locations_as_json(on_bare: Run) -> None:
    places = {place["name"]: place for place in json.loads(on_bare("locations", "--json").stdout)}
    assert places["cluster-drs"]["drs"] is True
    assert places["esx-alone.lab"]["kind"] == "host"
    assert "local-1" in places["esx-alone.lab"]["datastores"]
