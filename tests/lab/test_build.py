from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from libcloud_vsphere_clone.lab import LabError
from libcloud_vsphere_clone.lab.build import ensure_program, find_go

BUILD = (
    "from libcloud_vsphere_clone.lab.build import ensure_program; print(ensure_program(lambda text: print('!', text)))"
)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for the lab, but the user's for Go: only our part is built anew."""
    settings = [find_go().command, "env", "GOCACHE", "GOMODCACHE"]
    go_cache, modules = subprocess.run(settings, capture_output=True, text=True, check=True).stdout.split()
    monkeypatch.setenv("GOCACHE", go_cache)
    monkeypatch.setenv("GOMODCACHE", modules)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_two_processes_at_once_build_once(own_cache: Path) -> None:
    def build(_: int) -> str:
        done = subprocess.run([sys.executable, "-c", BUILD], capture_output=True, text=True, check=True)
        return done.stdout

    with ThreadPoolExecutor() as pool:
        outputs = list(pool.map(build, range(2)))
    assert len({output.splitlines()[-1] for output in outputs}) == 1
    assert "".join(outputs).count("! building the lab's program") == 1
    assert ensure_program(pytest.fail).is_file()


def test_a_go_that_is_too_old_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go1.19.8\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LabError, match=r"too old: Go 1\.19\.8 .* pip install 'libcloud-vsphere-clone\[lab\]'"):
        find_go()


def test_the_go_of_the_extra_is_found_without_an_active_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "go" / "bin"
    wheel.mkdir(parents=True)
    (wheel / "go").write_text("#!/bin/sh\necho go1.99.0\n")
    (wheel / "go").chmod(0o755)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_go().command == str(wheel / "go")


def test_without_go_what_an_earlier_go_built_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    program = ensure_program()
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert ensure_program(pytest.fail) == program
