"""``cli/commands/nodes.py``: nodes listed and watched."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable

from click.testing import Result

from libcloud_vsphere_clone.lab import Lab
from tests.direct import await_calls

Run = Callable[..., Result]
Make = Callable[..., str]
Start = Callable[..., "subprocess.Popen[str]"]


def test_nodes(on_bare: Run, make: Make) -> None:
    node_id = make("web-1", "shop")
    shown = on_bare("nodes")
    assert (shown.exit_code, shown.stderr) == (0, "")
    rows = [line.split() for line in shown.stdout.splitlines()]
    assert rows[0] == ["node", "group", "state", "addresses", "hardware", "managed", "id"]
    assert ["web-1", "shop", "stopped", "2", "CPU,", "2", "GiB", "yes", node_id] in rows


def test_nodes_of_a_group(on_bare: Run, make: Make) -> None:
    make("web-1", "shop")
    make("web-2", "other")
    listed = json.loads(on_bare("nodes", "--group", "shop", "--json").stdout)
    assert [node["name"] for node in listed] == ["web-1"]
    assert on_bare("nodes", "--group", "nowhere").stdout == "no node\n"


def test_nodes_as_json(on_bare: Run, make: Make) -> None:
    make("web-1", "shop")
    [node] = json.loads(on_bare("nodes", "--group", "shop", "--json").stdout)
    stable = {"id", "name", "state", "public_ips", "private_ips", "created_at", "group", "image", "size", "managed"}
    assert stable <= node.keys()
    assert (node["state"], node["managed"]) == ("stopped", True)


def test_nodes_by_pattern(on_bare: Run, make: Make) -> None:
    make("web-1", "shop")
    make("db-1", "shop")
    listed = json.loads(on_bare("nodes", "--filter", "web-*", "--json").stdout)
    assert [node["name"] for node in listed] == ["web-1"]
    assert on_bare("nodes", "--filter", "db-*", "--group", "nowhere").stdout == "no node\n"


def test_a_watch_that_ends_by_itself(on_bare: Run) -> None:
    watched = on_bare("nodes", "--watch", "--watch-timeout", "0.3")
    assert (watched.exit_code, watched.output) == (0, "")


def test_a_time_limit_is_for_a_watch(on_bare: Run) -> None:
    refused = on_bare("nodes", "--watch-timeout", "1")
    assert refused.exit_code == 2
    assert "--watch-timeout is for --watch" in refused.stderr


def test_changes_are_lines_until_ctrl_c(start: Start, on_bare: Run, make: Make, bare_lab: Lab) -> None:
    bare_lab.reset_calls()
    process = start("nodes", "--watch", "--filter", "web-*", f"--lab={bare_lab.name}")
    await_calls(bare_lab, "WaitForUpdatesEx", 1)  # until it has subscribed, and waits
    make("db-1")
    node_id = make("web-1")
    assert process.stdout
    added = process.stdout.readline().split(maxsplit=1)[1]
    assert added == "added web-1 (group libcloud, stopped)\n"
    on_bare("destroy", node_id, "--yes")
    removed = process.stdout.readline().split(maxsplit=1)[1]
    assert removed.startswith("removed web-1 (group libcloud, ")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=120) == ("", "no longer watching\n")
    assert process.returncode == 0


def test_changes_as_lines_of_json(start: Start, make: Make, bare_lab: Lab) -> None:
    bare_lab.reset_calls()
    process = start("nodes", "--watch", "--group", "shop", "--json", f"--lab={bare_lab.name}")
    await_calls(bare_lab, "WaitForUpdatesEx", 1)  # until it has subscribed, and waits
    make("web-0", "other")
    node_id = make("web-1", "shop")
    assert process.stdout
    change = json.loads(process.stdout.readline())
    assert (change["event"], change["node"]["id"], change["node"]["state"]) == ("added", node_id, "stopped")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 0
