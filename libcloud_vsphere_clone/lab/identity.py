"""Processes distinguished even when the system gives a number out again.

Takes a process id, gives an identity that can be written down, and asked later whether it still runs.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessIdentity:
    """One process.

    :param born: when it was started, as the kernel counts, with the kernel's own boot; empty where there is no
        ``/proc`` to say it.
    """

    pid: int
    born: str

    def is_running(self) -> bool:
        """Whether this process, and not a later one of its number, runs."""
        _reap(self.pid)
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return _born(self.pid) == self.born


def identity_of(pid: int) -> ProcessIdentity:
    """The identity of a process that runs now."""
    return ProcessIdentity(pid, _born(pid) or "")


def _born(pid: int) -> str | None:
    """As in an identity; None when the process has ended, even if its parent has not waited for it yet."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except FileNotFoundError:
        return ""
    try:
        # The command's name comes first, in brackets, and may hold anything; the start is field 22.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # whatever else hinders a look says nothing of the process
        return None
    return None if fields[0] in "ZX" else f"{boot} {fields[19]}"


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):  # not ours: its parent does it
        os.waitpid(pid, os.WNOHANG)
