"""The lab's program, compiled from the Go sources in this package into the user's cache.

Takes nothing, gives the path of an executable. Builds at most once per version of the sources and of Go.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .places import cache_directory, locked

log = logging.getLogger(__name__)

Progress = Callable[[str], None]

SOURCES = Path(__file__).parent / "go"
PROGRAM = "./cmd/vsphere-lab"
TESTS_ONLY = SOURCES / "internal" / "labtest"
"""What only tests of the program need: like those, it is not installed."""
BUILD_TIMEOUT_S = 900.0
INSTALL_GO = "install Go with: pip install 'libcloud-vsphere-clone[lab]'"


@dataclass(frozen=True)
class GoToolchain:
    """A ``go`` command and the version that it reports."""

    command: str
    version: tuple[int, ...]

    @property
    def number(self) -> str:
        return ".".join(map(str, self.version))

    def __str__(self) -> str:
        return f"Go {self.number} ({self.command})"


def ensure_program(on_progress: Progress = log.info) -> Path:
    """The lab's program, built first if the cache has none from these sources and this Go.

    Without any Go, one that an earlier Go built from these sources will do.

    :raises LabError: no Go that is new enough, or the build failed; says what to install.
    """
    name = f"vsphere-lab-{_fingerprint()}"
    try:
        go = find_go()
    except LabError:
        if earlier := sorted(cache_directory().glob(f"{name}-go*")):
            return earlier[-1]
        raise
    program = cache_directory() / f"{name}-go{go.number}"
    if not program.exists():
        with locked("build"):
            if not program.exists():  # another process may have built it while we waited
                _build(go, program, on_progress)
    return program


def find_go() -> GoToolchain:
    """The first Go that can build the lab: the one on PATH, else the one from the extra ``lab``.

    :raises LabError: there is none.
    """
    needed = _version(re.search(r"^go (\S+)", (SOURCES / "go.mod").read_text(), re.MULTILINE))
    too_old = []
    for command in _go_commands():
        go = GoToolchain(command, _go_version(command))
        if go.version >= needed:
            return go
        too_old.append(str(go))
    found = f"; too old: {', '.join(too_old)}" if too_old else ""
    wanted = ".".join(map(str, needed))
    raise LabError(f"could not build the lab: it needs Go {wanted} or later{found}; {INSTALL_GO}")


def _go_commands() -> Iterator[str]:
    if on_path := shutil.which("go"):
        yield on_path
    # The wheel is a package named ``go`` with the toolchain inside: found even where its venv is not active.
    wheel = importlib.util.find_spec("go")
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        command = Path(folder) / "bin" / "go"
        if command.exists():
            yield str(command)


def _go_version(command: str) -> tuple[int, ...]:
    answer = subprocess.run(
        [command, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=_go_environment()
    )
    return _version(re.search(r"go(\S+)", answer.stdout))


def _version(match: re.Match[str] | None) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", match[1])[:3]) if match else ()


def _go_environment() -> dict[str, str]:
    # The Go that was found builds, or nothing does: it must not fetch another one, nor obey an outer workspace.
    fixed = {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly", "CGO_ENABLED": "0"}
    return {**os.environ, **fixed}


def _fingerprint() -> str:
    digest = hashlib.sha256(f"{platform.system()} {platform.machine()}".encode())
    for path in sorted(SOURCES.rglob("*")):
        if path.is_file() and not path.name.endswith("_test.go") and TESTS_ONLY not in path.parents:
            digest.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _build(go: GoToolchain, program: Path, on_progress: Progress) -> None:
    on_progress(f"building the lab's program with {go}")
    draft = program.with_name(f".{program.name}.{os.getpid()}")
    command = [go.command, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(draft), PROGRAM]
    began = time.monotonic()
    try:
        subprocess.run(
            command,
            cwd=SOURCES,
            env=_go_environment(),
            check=True,
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
        )
        draft.replace(program)
    except subprocess.CalledProcessError as cause:
        raise LabError(f"could not build the lab with {go}: {cause.stderr.strip()[-2000:]}") from cause
    except subprocess.TimeoutExpired as cause:
        message = f"could not build the lab: {go} took over {BUILD_TIMEOUT_S:.0f} s"
        raise LabError(f"{message}; is its module proxy reachable?") from cause
    finally:
        draft.unlink(missing_ok=True)
    on_progress(f"built the lab's program in {time.monotonic() - began:.0f} s")
