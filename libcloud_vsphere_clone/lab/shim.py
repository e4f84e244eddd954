"""The folder that stands first on the PATH of the lab's program, with the ``docker`` through which it runs guests.

Takes an engine and a folder, gives the folder filled. The program's simulator calls ``docker`` and nothing else;
what it must not know (podman, the lab's label, a capability) is added on the way.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from .engine import Engine

LABEL = "vsphere-lab"
"""Every container of a lab has this label, its value the lab's id."""

DOCKER = """\
#!/bin/sh
# What the lab's program takes for docker. Adds the label by which this lab's containers are found, and the
# capability that a guest needs to set its host name.
engine={engine}
verb=$1
shift
case $verb in
    volume | network) exit 0 ;; # guests have none; the simulator asks for them whenever one goes
    create | run) set -- --label "{label}=$LAB_ID" --cap-add SYS_ADMIN "$@" ;;
    events) set -- --format '{{{{.ID}}}}' --filter type=container ;;{remove}
esac
exec "$engine" "$verb" "$@"
"""
# The simulator asks for events with quotes around the id, and then never recognises one. Podman, unlike
# docker, lets a container that is removed by force end by itself first.
REMOVE_AT_ONCE = """
    rm) set -- --time 0 "$@" ;;"""


def write_shim(engine: Engine, directory: Path) -> Path:
    """The folder, with ``docker`` in it."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    remove = REMOVE_AT_ONCE if engine.kind == "podman" else ""
    command = directory / "docker"
    command.write_text(DOCKER.format(engine=shlex.quote(engine.command), label=LABEL, remove=remove))
    command.chmod(0o700)
    return directory
