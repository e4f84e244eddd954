"""``cli/commands/images.py``: templates as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

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
