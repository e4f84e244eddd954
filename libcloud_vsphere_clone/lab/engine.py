"""The container engine that runs the lab's guests: docker or podman, whichever runs here.

Takes nothing, gives an engine that has run a container, or the reason why there is none and what to install.
Never starts a guest: the lab's program does.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .errors import LabError
from .places import write_private

log = logging.getLogger(__name__)

INSTALL_ENGINE = "apt-get install --no-install-recommends podman runc netavark aardvark-dns iptables mmdebstrap"
QUICK_S = 60.0


@dataclass(frozen=True)
class Engine:
    """A container engine and the environment that its command needs here.

    :param kind: ``docker`` or ``podman``.
    :param command: the path of its command.
    """

    kind: str
    command: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: str, timeout_s: float = QUICK_S, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command; returns its answer, whatever its exit status."""
        return subprocess.run(
            [self.command, *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **self.environment},
        )

    def check(self, what: str, *words: str, timeout_s: float = QUICK_S, cwd: Path | None = None) -> str:
        """Run a command; returns its output.

        :param what: the attempt, to stand after "could not".
        :raises LabError: it failed, with what it said last.
        """
        try:
            answer = self.run(*words, timeout_s=timeout_s, cwd=cwd)
        except subprocess.TimeoutExpired as cause:
            raise LabError(f"could not {what}: {self.kind} took over {timeout_s:.0f} s") from cause
        if answer.returncode:
            raise LabError(f"could not {what}: {_last_line(answer.stderr)}")
        return answer.stdout.strip()

    def has_image(self, image: str) -> bool:
        return self.run("image", "inspect", image).returncode == 0

    def remove_labelled(self, label: str) -> int:
        """Remove the containers with a label, and their volumes; returns how many there were."""
        found = self.run("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={label}").stdout.split()
        if found:
            grace = ("--time", "0") if self.kind == "podman" else ()
            self.check("remove the lab's containers", "rm", "--force", "--volumes", *grace, *found)
        return len(found)


def find_engine() -> Engine:
    """The engine that answers here; docker before podman.

    :raises LabError: none does; says why and which command installs one.
    """
    if not sys.platform.startswith("linux"):
        raise LabError("guests need Linux: elsewhere no route leads to a container's address")
    reasons = []
    for kind, command in _commands():
        engine = Engine(kind, command)
        reason = _unusable(engine)
        if reason is None:
            return engine
        reasons.append(f"{kind}: {reason}")
    seen = f" ({'; '.join(reasons)})" if reasons else ""
    raise LabError(f"no container engine runs here{seen}; on Debian, as root: {INSTALL_ENGINE}")


def proven(engine: Engine, image: str, directory: Path) -> Engine:
    """The engine, in the set-up in which it runs a container of this image on this machine.

    :param directory: where a ``containers.conf`` is kept, if one is needed.
    :raises LabError: no set-up works; the reason is the plain one's.
    """
    failed = engine.run("run", "--rm", "--entrypoint", "true", image)
    if failed.returncode == 0:
        return engine
    if engine.kind == "podman":
        careful = replace(engine, environment={"CONTAINERS_CONF": str(_write_careful_settings(directory))})
        if careful.run("run", "--rm", "--entrypoint", "true", image).returncode == 0:
            log.info("podman runs with reduced settings: plain, %s", _last_line(failed.stderr))
            return careful
    reason = _last_line(failed.stderr)
    raise LabError(f"{engine.kind} cannot run a container here: {reason}; on Debian, as root: {INSTALL_ENGINE}")


def _commands() -> Iterator[tuple[str, str]]:
    docker = shutil.which("docker")
    # Some systems install podman's own wrapper under docker's name.
    if docker and "podman" not in Engine("docker", docker).run("--version").stdout.lower():
        yield "docker", docker
    if podman := shutil.which("podman"):
        yield "podman", podman


def _unusable(engine: Engine) -> str | None:
    # A client without its engine is common: only the engine can say that it runs.
    question = "{{.ServerVersion}}" if engine.kind == "docker" else "{{.Host.OCIRuntime.Name}}"
    try:
        answer = engine.run("info", "--format", question)
    except (OSError, subprocess.TimeoutExpired) as cause:
        return str(cause)
    if answer.returncode or not answer.stdout.strip():
        return _last_line(answer.stderr) or "it does not answer"
    if engine.kind == "podman" and os.geteuid() != 0:
        return "without root its guests have no address that can be reached; run as root"
    return None


def _write_careful_settings(directory: Path) -> Path:
    """Write settings for hosts that forbid raising limits, and for those without systemd; returns their path.

    Podman raises the number of files and processes unless configured otherwise; where that is forbidden, no
    container starts. Limits at or below the present ones may always be set.
    """
    import resource  # not on Windows

    limits = [
        _limit("nofile", 1048576, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        _limit("nproc", 32768, resource.getrlimit(resource.RLIMIT_NPROC)[1]),
    ]
    runtime = ['runtime = "runc"'] if shutil.which("runc") else []
    lines = [
        "[containers]",
        f"default_ulimits = [{', '.join(limits)}]",
        "[engine]",
        'cgroup_manager = "cgroupfs"',
        'events_logger = "file"',
        *runtime,
    ]
    path = directory / "containers.conf"
    write_private(path, "\n".join(lines) + "\n")
    return path


def _limit(name: str, wanted: int, hard: int) -> str:
    value = min(wanted, hard) if hard >= 0 else wanted  # a negative one is infinite
    return f'"{name}={value}:{value}"'


def _last_line(text: str) -> str:
    lines: Sequence[str] = text.strip().splitlines()
    return lines[-1].strip() if lines else "no message"
