"""What the package shows: all of it, sorted, and loaded no sooner than it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import libcloud_vsphere_clone
from libcloud_vsphere_clone import errors
from libcloud_vsphere_clone.sessions.transports import TRANSPORTS

ROOT = Path(__file__).parent.parent

HEAVY = {"click", "cryptography", "libcloud", "paramiko", "passlib", "pyVmomi", "requests", "rich"}


def test_all_is_sorted() -> None:
    # As the linter sorts: what is all capitals comes first.
    names = libcloud_vsphere_clone.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))


@pytest.mark.parametrize("name", TRANSPORTS.values())
def test_every_transport_is_public(name: str) -> None:
    assert name in libcloud_vsphere_clone.__all__


@pytest.mark.parametrize("name", libcloud_vsphere_clone.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(libcloud_vsphere_clone, name) is not None


def test_every_error_is_public() -> None:
    tree = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.VsphereError)
    }
    assert tree <= set(libcloud_vsphere_clone.__all__)
    assert tree <= set(errors.__all__)


@pytest.mark.parametrize("module", ["errors", "lab"])
def test_names_of_a_public_module_are_sorted(module: str) -> None:
    names = import_module(f"libcloud_vsphere_clone.{module}").__all__
    assert list(names) == sorted(names)


def test_dir_shows_every_public_name() -> None:
    assert set(libcloud_vsphere_clone.__all__) <= set(dir(libcloud_vsphere_clone))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Typo'"):
        libcloud_vsphere_clone.Typo  # noqa: B018


@pytest.mark.parametrize("module", ["", ".lab", ".pytest_plugin", ".registration"])
def test_import_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, libcloud_vsphere_clone{module}; print(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", code]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_version_is_in_the_changelog() -> None:
    headings = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert libcloud_vsphere_clone.__version__ in headings
