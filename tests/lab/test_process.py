"""Labs are launched, found, stopped, and cleared away when something killed them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from libcloud_vsphere_clone.lab import Lab, LabError
from libcloud_vsphere_clone.lab.identity import identity_of
from libcloud_vsphere_clone.lab.process import clear_cache, clear_dead_labs, launch, list_labs, stop
from libcloud_vsphere_clone.lab.record import LabOptions, LabRecord, find_lab

pytestmark = pytest.mark.usefixtures("private_state")

BARE = LabOptions(guests=False)
LAUNCH_AND_WAIT = """
import sys
from libcloud_vsphere_clone.lab import Lab
lab = Lab(guests=False, name="orphan").start()
print(lab.pid, flush=True)
sys.stdin.read()
"""


def running(name: str) -> LabRecord:
    found = find_lab(name)
    assert found is not None
    return found


def kill(record: LabRecord) -> None:
    assert record.process
    os.kill(record.process.pid, signal.SIGKILL)
    while record.is_running():
        pass


def test_a_lab_stays_until_it_is_stopped() -> None:
    launched = launch("one", BARE)
    try:
        assert running("one") == launched
        assert [record.name for record in list_labs()] == ["one"]
        assert launched.owner is None
    finally:
        stop(launched)
    assert find_lab("one") is None
    assert not launched.directory.exists()


def test_a_second_lab_of_the_same_name_is_refused() -> None:
    first = launch("one", BARE)
    try:
        with pytest.raises(LabError, match="a lab named 'one' runs already"):
            launch("one", BARE)
        assert running("one") == first
    finally:
        stop(first)


def test_two_labs_do_not_meet() -> None:
    with Lab(guests=False) as one, Lab(guests=False) as two:
        assert one.port != two.port
        assert one.control_url != two.control_url
        assert one.password != two.password
        assert Path(one.ca_cert).read_text() != Path(two.ca_cert).read_text()
        two.stop()
        assert one.control.calls().total == 0


def test_secrets_are_in_no_command_line_and_in_no_file_of_others() -> None:
    record = launch("one", BARE)
    try:
        assert record.process
        words = Path(f"/proc/{record.process.pid}/cmdline").read_text()
        assert record.password not in words
        assert record.control_token not in words
        for path in record.directory.iterdir():
            if path.is_file() and record.password in path.read_text():
                assert path.stat().st_mode & 0o077 == 0, path
        assert record.directory.stat().st_mode & 0o777 == 0o700
    finally:
        stop(record)


def test_a_killed_lab_is_not_in_the_way_of_the_next() -> None:
    kill(launch("one", BARE))
    assert find_lab("one") is None
    again = launch("one", BARE)
    stop(again)


def test_dead_labs_leave_nothing() -> None:
    dead, alive = launch("dead", BARE), launch("alive", BARE)
    kill(dead)
    (dead.directory.parent / "half-made").mkdir()
    try:
        assert clear_dead_labs() == ["dead", "half-made"]
        assert [path.name for path in dead.directory.parent.iterdir()] == ["alive"]
    finally:
        stop(alive)


def test_a_lab_whose_python_process_was_killed_is_cleared() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LAUNCH_AND_WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        program = identity_of(int(process.stdout.readline()))
        process.kill()
        process.wait()
    assert program.is_running()  # nobody was there to stop it
    assert clear_dead_labs() == ["orphan"]
    assert not program.is_running()


def test_a_lab_ends_with_its_python_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH_AND_WAIT], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    assert not identity_of(int(done.stdout)).is_running()
    assert not list_labs()
    assert not clear_dead_labs()


def test_a_port_that_is_taken_is_named(bare_lab: Lab) -> None:
    with pytest.raises(LabError, match=rf"the lab ended while it started: .*{bare_lab.port}.*address already in use"):
        launch("one", LabOptions(guests=False, port=bare_lab.port))
    assert not clear_dead_labs()


def test_the_cache_stays_while_a_lab_runs_from_it() -> None:
    record = launch("one", BARE)
    try:
        with pytest.raises(LabError, match="labs run from the cache: one; stop them first"):
            clear_cache()
    finally:
        stop(record)
