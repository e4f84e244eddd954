"""The documents' code runs: their Python, the commands of the README, the examples."""

from __future__ import annotations

import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab
from tests.documents import BLOCK, DOCUMENTS, ROOT, block_commands, document_id

EXAMPLES = sorted(ROOT.glob("contrib/examples/*.py"))
COUNTS = ROOT / "contrib/examples/count_round_trips.py"
WITHOUT_GUESTS = {"console.py", "windows_winrm.py"}
TOLD = {"same_script_anywhere.py", COUNTS.name}
"""Examples with a test of their own."""
SUITE = ROOT / "contrib/examples/pytest_suite"


def python_of(document: Path) -> list[str]:
    return [block["text"] for block in BLOCK.finditer(document.read_text()) if block["language"] == "python"]


RUNNABLE = [document for document in DOCUMENTS if python_of(document)]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id_ed25519"], check=True)
    return tmp_path / "id_ed25519"


def for_lab(code: str, lab: Lab, key_file: Path) -> str:
    """The code with the lab's in place of the reader's own names."""
    for theirs, ours in {
        '("vcenter.example.com", 443)': repr((lab.host, lab.port)),
        'host="vcenter.example.com"': f"host={lab.host!r}, port={lab.port}",
        '"me@vsphere.local", "password"': f"{lab.username!r}, {lab.password!r}",
        '"ca.pem"': repr(lab.ca_cert),
        '"id_ed25519"': repr(str(key_file)),
        '"id_ed25519.pub"': repr(f"{key_file}.pub"),
    }.items():
        code = code.replace(theirs, ours)
    return code


@pytest.fixture
def quiet_again() -> Iterator[None]:
    """What a document's code has logged is not logged in later tests."""
    logger = logging.getLogger("libcloud_vsphere_clone")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.mark.guests
@pytest.mark.usefixtures("quiet_again")
@pytest.mark.parametrize("document", RUNNABLE, ids=document_id)
def test_python_runs(document: Path, tidy_lab: Lab, key_file: Path) -> None:
    names: dict[str, Any] = {}
    for code in python_of(document):
        exec(compile(for_lab(code, tidy_lab, key_file), str(document), "exec"), names)  # noqa: S102
    for value in names.values():
        if isinstance(value, VsphereCloneNodeDriver):
            value.close()


def test_every_example_is_named_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [path.name for path in [*EXAMPLES, SUITE] if f"contrib/examples/{path.name}" not in readme] == []


def test_same_script_runs_on_the_lab(private_state: Path) -> None:
    run_example(str(ROOT / "contrib/examples/same_script_anywhere.py"))


def test_calls_are_as_many_as_the_readme_says(private_state: Path) -> None:
    (line,) = (line for line in run_example(str(COUNTS)).splitlines() if "list_nodes" in line)
    ours, _, theirs, found = re.findall(r"\d+", line)
    said = " ".join((ROOT / "README.md").read_text().split())
    assert f"counts {theirs} calls there for {found} nodes, and {ours} here" in said


@pytest.mark.parametrize("example", [path for path in EXAMPLES if path.name in WITHOUT_GUESTS], ids=document_id)
def test_example_without_guests_runs(example: Path, private_state: Path) -> None:
    run_example(str(example))


@pytest.mark.guests
@pytest.mark.parametrize(
    "example", [path for path in EXAMPLES if path.name not in WITHOUT_GUESTS | TOLD], ids=document_id
)
def test_example_with_guests_runs(example: Path, private_state: Path) -> None:
    run_example(str(example))


def test_same_script_runs_elsewhere() -> None:
    run_example(str(ROOT / "contrib/examples/same_script_anywhere.py"), "dummy")


def test_example_suite_passes(private_state: Path) -> None:
    # Where the package is installed, its entry point loads the plugin; a second time would be one too many.
    installed = entry_points(group="pytest11", name="vsphere_clone")
    plugin = () if installed else ("-p", "libcloud_vsphere_clone.pytest_plugin")
    run_example("-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, str(SUITE))


def run_example(*words: str) -> str:
    """What it printed; it must end well."""
    command, environment = [sys.executable, *words], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.guests
def test_commands_of_the_readme_run(private_state: Path) -> None:
    command = ("-m", "libcloud_vsphere_clone.cli")
    try:
        for line in block_commands((ROOT / "README.md").read_text()):
            run_example(*command, *shlex.split(line, comments=True)[1:])
    finally:
        run_example(*command, "lab", "stop", "--all")
