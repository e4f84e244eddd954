"""What a lab that has ended leaves in the container engine: containers, and commands that are about to make more.

Takes the engine and the lab's id, gives nothing. Never touches what another lab started.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .engine import Engine

LABEL = "vsphere-lab"
"""The lab's program gives every container this label, its value the lab's id."""

SETTLE_S = 30.0
"""For a command to end that was under way: on a busy machine, to start a container takes seconds."""


def remove_remains(engine: Engine, lab_id: str) -> None:
    """Wait for the lab's commands to end, and remove its containers.

    :raises LabError: the engine did not remove its containers.
    """
    deadline = time.monotonic() + SETTLE_S
    while (commands := list(list_commands(lab_id))) and time.monotonic() < deadline:
        for pid, line in commands:
            if " events " in line:  # it waits for ever
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        time.sleep(0.02)
    engine.remove_labelled(f"{LABEL}={lab_id}")


def list_commands(lab_id: str) -> Iterator[tuple[int, str]]:
    """(pid, command line) of what the lab's program has started in the engine and not seen the end of."""
    mark = f"LAB_ID={lab_id}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended, or is another user's
        if mark in environment and ("docker " in line or "podman " in line):
            yield int(folder.name), line
