"""Libcloud finds the drivers: by the boot module at start-up, or by an import of the package.

Each case runs in an interpreter of its own, started with the opt-out set, so that no installed hook helps.
"""

from __future__ import annotations

import ast
import os
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import _vsphere_clone_boot as boot
import pytest

ROOT = Path(__file__).parent.parent
SITE_PACKAGES = ROOT / "libcloud_vsphere_clone" / "site_packages"

REGISTERED = """
from libcloud.compute.providers import DRIVERS
from libcloud.compute.types import Provider
assert DRIVERS["vsphere_clone"] == ("libcloud_vsphere_clone.driver.compute", "VsphereCloneNodeDriver"), DRIVERS
assert Provider.VSPHERE_CLONE == "vsphere_clone"
"""


def run_python(code: str, **variables: str) -> str:
    """What ``code`` prints in a new interpreter that finds the package in this work tree."""
    environment = {**os.environ, boot.OPT_OUT: "1", **variables}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_of_the_package_registers() -> None:
    run_python("import libcloud_vsphere_clone" + REGISTERED)


def test_import_of_the_package_does_not_import_libcloud() -> None:
    assert run_python("import libcloud_vsphere_clone, sys; print('libcloud' in sys.modules)") == "False\n"


def test_explicit_registration() -> None:
    run_python("from libcloud_vsphere_clone.registration import register_drivers; register_drivers()" + REGISTERED)


def test_libcloud_that_is_imported_already_is_patched() -> None:
    run_python("import libcloud.compute.providers, libcloud_vsphere_clone" + REGISTERED)


def test_reload_of_libcloud_keeps_the_driver() -> None:
    run_python(
        "import importlib, _vsphere_clone_boot as boot; boot.install()\n"
        "import libcloud.compute.providers, libcloud.compute.types\n"
        "importlib.reload(libcloud.compute.types); importlib.reload(libcloud.compute.providers)" + REGISTERED
    )


def test_a_second_registration_changes_nothing() -> None:
    run_python(
        "import sys, _vsphere_clone_boot as boot; boot.install()\n"
        "del sys.modules['_vsphere_clone_boot']\n"
        "import _vsphere_clone_boot as another; another.install(); another.install()\n"
        "assert another is not boot\n"
        "finders = [f for f in sys.meta_path if getattr(f, '_adds_vsphere_clone', False)]\n"
        "assert len(finders) == 1, finders" + REGISTERED
    )


def test_a_driver_that_is_registered_already_wins() -> None:
    run_python(
        "from libcloud.compute.providers import DRIVERS\n"
        "DRIVERS['vsphere_clone'] = ('theirs', 'Theirs')\n"
        "import libcloud_vsphere_clone\n"
        "assert DRIVERS['vsphere_clone'] == ('theirs', 'Theirs')"
    )


def test_the_start_up_line_registers() -> None:
    line = (SITE_PACKAGES / "vsphere_clone.pth").read_text()
    # site runs it once, or twice in virtual environments
    run_python(f"exec({line!r}); exec({line!r})" + REGISTERED, **{boot.OPT_OUT: ""})


def test_the_start_up_line_obeys_the_opt_out() -> None:
    line = (SITE_PACKAGES / "vsphere_clone.pth").read_text()
    run_python(
        f"exec({line!r})\n"
        "from libcloud.compute.providers import DRIVERS\n"
        "from libcloud.compute.types import Provider\n"
        "assert 'vsphere_clone' not in DRIVERS and not hasattr(Provider, 'VSPHERE_CLONE')"
    )


def test_start_up_files_are_one_line_that_names_the_opt_out() -> None:
    pth = (SITE_PACKAGES / "vsphere_clone.pth").read_text()
    assert pth.count("\n") == 1
    assert pth.isascii()
    assert boot.OPT_OUT in pth
    # PEP 829: Python 3.15 and later resolve each line like this, and call the result
    start = (SITE_PACKAGES / "vsphere_clone.start").read_text()
    assert start.count("\n") == 1
    assert pkgutil.resolve_name(start.strip()) is boot.autoregister


def test_libcloud_modules_keep_their_own_loader() -> None:
    code = (
        "import _vsphere_clone_boot as boot; boot.install()\n"
        "import inspect, libcloud.compute.providers as p\n"
        "assert inspect.getsource(p)\n"
        "print(type(p.__loader__).__name__, type(p.__spec__.loader).__name__)"
    )
    assert run_python(code) == "SourceFileLoader SourceFileLoader\n"


@pytest.mark.parametrize("position", [0, 1])  # before ours, after ours
def test_a_hook_that_asks_all_finders_does_not_recurse(position: int) -> None:
    run_python(
        "import sys, _vsphere_clone_boot as boot\n"
        "class Scanner:\n"
        "    def find_spec(self, *asked):\n"
        "        specs = (f.find_spec(*asked) for f in sys.meta_path if f is not self)\n"
        "        return next((spec for spec in specs if spec), None)\n"
        f"boot.install(); sys.meta_path.insert({position}, Scanner())" + REGISTERED
    )


@pytest.mark.parametrize("name", ["libcloud.compute.providers", "libcloud.compute.types"])
def test_a_libcloud_of_another_shape_is_left_alone(name: str) -> None:
    module = ModuleType(name)
    before = dict(vars(module))
    boot._add_drivers(module)
    assert vars(module) == before


def test_boot_module_imports_next_to_nothing() -> None:
    tree = ast.parse((SITE_PACKAGES / "_vsphere_clone_boot.py").read_text())
    imported = {
        name
        for node in tree.body  # not under TYPE_CHECKING
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported == {"os", "sys", "_thread"}


def test_entry_points_say_the_same_as_the_table() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        (group.split(".")[1], name, *value.split(":"))
        for group, points in project["entry-points"].items()
        if group.startswith("libcloud.")
        for name, value in points.items()
    }
    assert declared == set(boot.DRIVERS)
