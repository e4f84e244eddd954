from __future__ import annotations

import os
from pathlib import Path

import pytest

from libcloud_vsphere_clone.lab import LabError
from libcloud_vsphere_clone.lab.engine import INSTALL_ENGINE, Engine, find_engine, proven


def command(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def only_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but what the test puts there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_without_an_engine_the_error_says_how_to_install_one(only_path: Path) -> None:
    with pytest.raises(LabError, match="no container engine runs here") as caught:
        find_engine()
    assert INSTALL_ENGINE in str(caught.value)


def test_a_docker_client_without_its_engine_is_not_chosen(only_path: Path) -> None:
    command(only_path, "docker", 'echo "Cannot connect to the Docker daemon" >&2; exit 1')
    with pytest.raises(LabError, match="docker: Cannot connect to the Docker daemon"):
        find_engine()


def test_docker_is_chosen_when_its_engine_answers(only_path: Path) -> None:
    docker = command(only_path, "docker", "echo 27.0")
    assert find_engine() == Engine("docker", docker)


def test_podman_under_dockers_name_is_podman(only_path: Path) -> None:
    command(only_path, "docker", "echo podman version 5")
    podman = command(only_path, "podman", "echo crun")
    if os.geteuid() == 0:
        assert find_engine() == Engine("podman", podman)
    else:
        with pytest.raises(LabError, match="run as root"):
            find_engine()


def test_limits_are_reduced_only_where_a_plain_run_fails(tmp_path: Path) -> None:
    plain = Engine("podman", command(tmp_path, "podman", "exit 0"))
    assert proven(plain, "image", tmp_path) == plain
    strict = Engine("podman", command(tmp_path, "strict", '[ -n "$CONTAINERS_CONF" ]'))
    careful = proven(strict, "image", tmp_path)
    settings = Path(careful.environment["CONTAINERS_CONF"]).read_text()
    assert 'default_ulimits = ["nofile=' in settings


def test_an_engine_that_runs_nothing_says_why(tmp_path: Path) -> None:
    broken = Engine("podman", command(tmp_path, "podman", 'echo "Error: no netavark" >&2; exit 126'))
    with pytest.raises(LabError, match=r"podman cannot run a container here: Error: no netavark; on Debian"):
        proven(broken, "image", tmp_path)
