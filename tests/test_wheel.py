"""What users install: the wheel and the editable install, each in a virtual environment of its own.

Nothing of this work tree is importable in there but what was installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "libcloud_vsphere_clone"
GO_TEST_HELPERS = PACKAGE / "lab" / "go" / "internal" / "labtest"
BESIDE = {"_vsphere_clone_boot.py", "vsphere_clone.pth", "vsphere_clone.start"}
OPT_OUT = "VSPHERE_CLONE_NO_AUTOREGISTER"

KNOWN = """
from libcloud.compute.providers import DRIVERS
from libcloud.compute.types import Provider
print("vsphere_clone" in DRIVERS, getattr(Provider, "VSPHERE_CLONE", None))
"""


class Environment:
    """A virtual environment, and pip from outside it: an empty one is made in a tenth of a second."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        self.folder = folder

    def pip(self, *words: str | Path) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "--quiet", *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, *words: str | Path, **variables: str) -> str:
        """What the environment's interpreter prints; no variable of this process leads it elsewhere."""
        inherited = {name: value for name, value in os.environ.items() if name != OPT_OUT}
        environment = {n: v for n, v in inherited.items() if not n.startswith(("PYTHON", "PYTEST"))} | variables
        command = [str(self.python), *map(str, words)]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run_code(self, code: str, **variables: str) -> str:
        return self.run("-c", code, **variables)

    def site_packages(self) -> set[str]:
        """Every path in there, save what Python compiled."""
        folders = self.folder.glob("lib/python*/site-packages")  # pip removes it when it is empty
        paths = {str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*")}
        return {path for path in paths if "__pycache__" not in path}


def build(target: str, source: Path, folder: Path) -> Path:
    """The ``wheel`` or ``sdist`` of ``source``, made in ``folder``."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [path] = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel with its dependencies, pytest and entrypoints. Tests leave it as it is."""
    environment = Environment(tmp_path_factory.mktemp("installed"))
    environment.pip("install", "--no-compile", f"{wheel}[test]")  # most of it is never imported
    return environment


def test_wheel_holds_the_package_and_what_goes_beside_it(contents: set[str]) -> None:
    top = {name.split("/")[0] for name in contents}
    [metadata] = [name for name in top if name.endswith(".dist-info")]
    assert top == {"libcloud_vsphere_clone", metadata, *BESIDE}
    assert f"{metadata}/licenses/LICENSE" in contents
    assert "libcloud_vsphere_clone/py.typed" in contents


def test_wheel_holds_every_source_file(contents: set[str]) -> None:
    caches = re.compile(r"/(__pycache__|\.\w+_cache)/")
    ours = {path for path in PACKAGE.rglob("*") if path.is_file() and not caches.search(str(path))}
    for_go_tests = {path for path in ours if path.name.endswith("_test.go") or GO_TEST_HELPERS in path.parents}
    beside = {path for path in ours if path.parent.name == "site_packages"}  # laid beside the package instead
    expected = {str(path.relative_to(ROOT)) for path in ours - for_go_tests - beside}
    assert {name for name in contents if name.startswith(f"{PACKAGE.name}/")} == expected - {
        "libcloud_vsphere_clone/lab/go/vsphere-lab"  # what "go build" leaves
    }


def test_wheel_holds_what_the_lab_is_built_from(contents: set[str]) -> None:
    lab = "libcloud_vsphere_clone/lab"
    assert {f"{lab}/go/go.mod", f"{lab}/go/go.sum", f"{lab}/go/cmd/vsphere-lab/main.go"} <= contents
    assert f"{lab}/go/internal/lab/lab.go" in contents
    assert [name for name in contents if name.startswith(f"{lab}/guest/")]


def test_wheel_from_the_sdist_is_the_same(contents: set[str], tmp_path: Path) -> None:
    sdist = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / sdist.name.removesuffix(".tar.gz")
    assert (source / "tests" / "test_wheel.py").is_file()
    assert set(zipfile.ZipFile(build("wheel", source, tmp_path / "wheel")).namelist()) == contents


def test_driver_is_found_without_an_import(installed: Environment) -> None:
    code = "from libcloud.compute.providers import get_driver; print(get_driver('vsphere_clone').__module__)"
    assert installed.run_code(code) == "libcloud_vsphere_clone.driver.compute\n"


def test_provider_constant_is_there_without_an_import(installed: Environment) -> None:
    code = (
        "from libcloud.compute.types import Provider; from libcloud.compute.providers import get_driver\n"
        "print(get_driver(Provider.VSPHERE_CLONE).__name__)"
    )
    assert installed.run_code(code) == "VsphereCloneNodeDriver\n"


def test_opt_out(installed: Environment) -> None:
    assert installed.run_code(KNOWN, **{OPT_OUT: "1"}) == "False None\n"


def test_import_registers_in_spite_of_the_opt_out(installed: Environment) -> None:
    code = f"import libcloud_vsphere_clone{KNOWN}"
    assert installed.run_code(code, **{OPT_OUT: "1"}) == "True vsphere_clone\n"


def test_reload_keeps_the_driver(installed: Environment) -> None:
    code = (
        "import importlib, libcloud.compute.providers, libcloud.compute.types\n"
        "importlib.reload(libcloud.compute.types); importlib.reload(libcloud.compute.providers)"
    )
    assert installed.run_code(code + KNOWN) == "True vsphere_clone\n"


def test_start_of_the_interpreter_loads_the_boot_module_and_nothing_else(
    installed: Environment, tmp_path: Path
) -> None:
    code = "import sys; print(*sys.modules)"
    with_hook = installed.run_code(code).split()
    without_hook = Environment(tmp_path).run_code(code).split()
    assert set(with_hook) - set(without_hook) == {"_vsphere_clone_boot"}


def test_entry_point_is_read_by_a_foreign_consumer(installed: Environment) -> None:
    code = (
        "import entrypoints; from libcloud.compute.providers import get_driver\n"
        "[point] = entrypoints.get_group_all('libcloud.compute.drivers')\n"
        "print(point.name, point.load() is get_driver('vsphere_clone'))"
    )
    assert installed.run_code(code) == "vsphere_clone True\n"


UNRELATED_SUITE = """
def test_nothing_of_ours_is_loaded():
    import sys
    assert "libcloud" not in sys.modules and "pyVmomi" not in sys.modules
"""


def test_unrelated_suite_runs_with_warnings_as_errors(installed: Environment, tmp_path: Path) -> None:
    (tmp_path / "test_unrelated.py").write_text(UNRELATED_SUITE)
    assert "1 passed" in installed.run("-m", "pytest", "-W", "error", tmp_path)


def test_suite_runs_where_libcloud_was_imported_before_pytest(installed: Environment, tmp_path: Path) -> None:
    (tmp_path / "test_late.py").write_text("def test(): pass\n")
    code = f"import libcloud.compute.providers, pytest, sys\nsys.exit(pytest.main(['-W', 'error', {str(tmp_path)!r}]))"
    assert "1 passed" in installed.run_code(code)


def test_command_is_installed(installed: Environment) -> None:
    assert "lab" in installed.run(installed.folder / "bin" / "vsphere-clone", "--help")


def test_uninstall_leaves_nothing(wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    before = environment.site_packages()
    environment.pip("install", "--no-deps", wheel)
    environment.run_code("import libcloud_vsphere_clone")
    assert environment.site_packages() >= BESIDE
    environment.pip("uninstall", "--yes", "libcloud-vsphere-clone")
    assert environment.site_packages() == before


def test_editable_install_registers_too(tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    environment.pip("install", "--no-compile", "apache-libcloud")
    environment.pip("install", "--no-deps", "--editable", ROOT)
    assert environment.run_code(KNOWN) == "True vsphere_clone\n"
    where = environment.run_code("import libcloud_vsphere_clone as p; print(p.__file__)")
    assert where == f"{PACKAGE / '__init__.py'}\n"
    environment.pip("uninstall", "--yes", "libcloud-vsphere-clone")
    assert not BESIDE & environment.site_packages()
