"""``cli/commands/configure_image.py``: marks of images."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import Result

from libcloud_vsphere_clone.lab import Lab

Run = Callable[..., Result]


@pytest.fixture
def restored(bare_lab: Lab) -> Iterator[None]:
    """The image's marks are as before afterwards."""
    yield
    with bare_lab.driver() as driver:
        image = driver.ex_get_image_by_name("debian-11")
        driver.ex_configure_image(image, customize="cloud-init", username="", transport="")


@pytest.mark.usefixtures("restored")
def test_marks_are_written_and_listed(on_bare: Run) -> None:
    words = ["--customize", "linux-prep", "--login", "admin", "--transport", "tools", "--json"]
    done = on_bare("configure-image", "archive/debian-11", *words)
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["customization"], facts["login"], facts["transport"]) == ("linux-prep", "admin", "tools")
    shown = on_bare("images").stdout.splitlines()[1].split()
    assert shown[0] == "archive/debian-11"
    assert {"linux-prep", "admin", "tools"} <= set(shown)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ([], 2, "give --customize, --login or --transport"),
        (["--transport", "telepathy"], 1, "transport must be one of ssh, tools, winrm, keyboard, pull"),
        (["--customize", "magic"], 1, "customize must be one of cloud-init"),
    ],
)
def test_wrong_words(on_bare: Run, words: list[str], status: int, said: str) -> None:
    refused = on_bare("configure-image", "debian-11", *words)
    assert refused.exit_code == status
    assert said in refused.stderr
