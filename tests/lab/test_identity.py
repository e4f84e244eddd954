from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from libcloud_vsphere_clone.lab.identity import identity_of


def test_this_process_runs() -> None:
    assert identity_of(os.getpid()).is_running()


def test_a_process_that_ended_does_not_run_even_before_its_parent_notices() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = identity_of(child.pid)
    assert identity.is_running()
    child.communicate(b"\n")
    assert not identity.is_running()


def test_a_zombie_does_not_run() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not identity_of(pid).is_running()


def test_a_later_process_of_the_same_number_is_another() -> None:
    me = identity_of(os.getpid())
    assert not replace(me, born="an earlier boot").is_running()


def test_one_that_cannot_be_looked_at_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds the owner of a lab dead ends the lab."""
    me = identity_of(os.getpid())

    def fail(*_: object) -> str:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="Too many"):
        patch.setattr(Path, "read_text", fail)
        me.is_running()
