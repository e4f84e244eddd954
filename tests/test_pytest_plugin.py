"""The fixtures, as another project's suite uses them, and what they cost one that does not."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import platformdirs
import pytest

ROOT = Path(__file__).parent.parent
CACHE = platformdirs.user_cache_dir()
PLUGIN = "libcloud_vsphere_clone.pytest_plugin"
HEAVY = ("libcloud", "pyVmomi", "paramiko", "click", "rich", "platformdirs", "requests")
LOADED = f"import sys, pytest; before = set(sys.modules); import {PLUGIN}; print(*sorted(set(sys.modules) - before))"


def test_loading_the_plugin_loads_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert PLUGIN in loaded
    assert not [name for name in loaded if name.partition(".")[0] in HEAVY]
    assert len(loaded) < 10, loaded


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.Pytester:
    """A project with the plugin, and a state folder of its own, but the user's cache."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XDG_CACHE_HOME", CACHE)  # pytester moves HOME away
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return pytester


def run(suite: pytest.Pytester, *words: str) -> pytest.RunResult:
    # Where the package is installed, its entry point loads the plugin; a second time would be one too many.
    by_hand = () if entry_points(group="pytest11", name="vsphere_clone") else ("-p", PLUGIN)
    return suite.runpytest_subprocess(*by_hand, "-W", "error", *words)


@pytest.mark.guests
def test_a_suite_gets_a_driver_and_leaves_no_node(suite: pytest.Pytester, tmp_path: Path) -> None:
    suite.makepyfile(
        """
        def test_one(vsphere_driver):
            (image,) = [image for image in vsphere_driver.list_images() if image.name == "debian-12-static"]
            node = vsphere_driver.create_node("left", None, image)
            assert node.name == "left"

        def test_two(vsphere_driver, vsphere_lab):
            assert vsphere_lab.calls().by_method["Destroy_Task"] == 1
            assert not [node for node in vsphere_driver.list_nodes() if node.name == "left"]
        """
    )
    run(suite).assert_outcomes(passed=2)
    assert not list((tmp_path / "state").rglob("lab.json"))


def test_the_fixtures_are_listed_with_what_they_give(suite: pytest.Pytester) -> None:
    shown = run(suite, "--fixtures").stdout.str()
    assert "vsphere_lab" in shown
    assert "A driver connected to the lab" in shown


def test_a_suite_that_uses_nothing_starts_nothing(suite: pytest.Pytester, tmp_path: Path) -> None:
    suite.makepyfile("def test_one(): pass")
    run(suite).assert_outcomes(passed=1)
    assert not (tmp_path / "state").exists()
