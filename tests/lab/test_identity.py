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


def test_a_zombie_that_is_anothers_child_does_not_run() -> None:
    parent = "import os, time; print(os.posix_spawn('/bin/true', ['true'], {}), flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        try:
            while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                pass
            assert not identity_of(pid).is_running()
        finally:
            process.kill()


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
