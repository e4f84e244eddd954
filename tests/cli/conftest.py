"""The command, run in this process and in one of its own, against the run's labs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import paramiko
import pytest
from click.testing import CliRunner, Result

from libcloud_vsphere_clone.cli import main
from libcloud_vsphere_clone.lab import Lab

Run = Callable[..., Result]
Make = Callable[..., str]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the caller's own vCenter reaches a test."""
    for name in os.environ:
        if name.startswith("VSPHERE_CLONE_") and name != "VSPHERE_CLONE_NO_AUTOREGISTER":
            monkeypatch.delenv(name)


@pytest.fixture
def run() -> Run:
    """Runs ``vsphere-clone`` with these words."""

    def run_it(*words: str, **kwargs: Any) -> Result:
        return CliRunner().invoke(main, words, prog_name="vsphere-clone", **kwargs)

    return run_it


@pytest.fixture
def on_bare(run: Run, bare_lab: Lab) -> Run:
    """Runs a command on the lab without guests; the lab's password is never in what it prints."""
    return _on(run, bare_lab)


@pytest.fixture
def on_guests(run: Run, lab: Lab) -> Run:
    """The same on the lab with guests."""
    return _on(run, lab)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts ``vsphere-clone`` as a process."""
    processes: list[subprocess.Popen[str]] = []

    def start_it(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "libcloud_vsphere_clone.cli", *words]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield start_it
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def bare_cleared(bare_lab: Lab) -> Iterator[Lab]:
    """The lab without guests; faults, delays and nodes are removed after the test."""
    yield bare_lab
    bare_lab.faults.clear()
    bare_lab.delay_tasks({})
    _clear(bare_lab)


@pytest.fixture
def guests_cleared(lab: Lab) -> Iterator[Lab]:
    """The lab with guests; nodes are removed after the test."""
    yield lab
    _clear(lab)


@pytest.fixture
def make(bare_cleared: Lab) -> Make:
    """Makes a node; its id."""

    def make_node(name: str, group: str = "libcloud") -> str:
        with bare_cleared.driver() as driver:
            image = driver.ex_get_image_by_name("debian-12")
            return str(driver.create_node(name, None, image, ex_group=group, ex_power_on=False).id)

    return make_node


@pytest.fixture
def names(on_bare: Run) -> Callable[[], set[str]]:
    """The names of the nodes there are."""
    return lambda: {node["name"] for node in json.loads(on_bare("nodes", "--json").stdout)}


@pytest.fixture(scope="session")
def ssh_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a private key."""
    path = tmp_path_factory.mktemp("ssh") / "id_ecdsa"
    paramiko.ECDSAKey.generate().write_private_key_file(str(path))
    return str(path)


def _on(run: Run, lab: Lab) -> Run:
    def run_it(*words: str, **kwargs: Any) -> Result:
        result = run(*words, f"--lab={lab.name}", **kwargs)
        assert lab.password not in result.output
        return result

    return run_it


def _clear(lab: Lab) -> None:
    with lab.driver() as driver:
        for node in driver.list_nodes():
            if node.extra["managed"]:
                driver.destroy_node(node)
