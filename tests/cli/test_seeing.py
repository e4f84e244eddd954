"""``cli/seeing.py``: images, sizes, locations, groups."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

from libcloud_vsphere_clone.cli.seeing import hardware
from libcloud_vsphere_clone.lab import Lab

Run = Callable[..., Result]


def test_images(on_bare: Run) -> None:
    shown = on_bare("images")
    assert (shown.exit_code, shown.stderr) == (0, "")
    first = [line.split()[0] for line in shown.stdout.splitlines()]
    assert first == ["image", "archive/debian-11", "debian-12", "debian-12-static"]


def test_images_as_json(on_bare: Run, bare_lab: Lab) -> None:
    shown = on_bare("images", "--json")
    images = {image["name"]: image for image in json.loads(shown.stdout)}
    with bare_lab.driver() as driver:
        assert {name: image["id"] for name, image in images.items()} == {
            image.name: image.id for image in driver.list_images()
        }
    assert images["debian-11"]["path"] == "archive/debian-11"
    assert images["debian-12"]["cpus"] == 2
    assert images["debian-12-static"]["customization"] == "none"


def test_an_empty_images_folder_says_so(on_bare: Run) -> None:
    shown = on_bare("images", "--images-folder", "libcloud-empty")
    assert shown.exit_code == 1
    assert "no images folder 'libcloud-empty'" in shown.stderr


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


def test_locations(on_bare: Run) -> None:
    lines = on_bare("locations").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["location", "cluster-drs", "cluster-nodrs", "esx-alone.lab"]


def test_locations_as_json(on_bare: Run) -> None:
    places = {place["name"]: place for place in json.loads(on_bare("locations", "--json").stdout)}
    assert places["cluster-drs"]["drs"] is True
    assert places["esx-alone.lab"]["kind"] == "host"
    assert "local-1" in places["esx-alone.lab"]["datastores"]


def test_hardware_in_words() -> None:
    assert hardware({"cpus": 2, "memory_mib": 1536, "disks_gib": [8.0, 0.5]}) == (
        "2 CPU, 1.5 GiB, 8 GiB disk, 0.5 GiB disk"
    )
    assert hardware({"cpus": None, "memory_mib": None}) == ""


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
