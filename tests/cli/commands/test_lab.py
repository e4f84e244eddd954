"""``vsphere-clone lab``, on labs without guests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from libcloud_vsphere_clone.cli import main
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.lab.identity import identity_of
from libcloud_vsphere_clone.lab.process import list_labs, stop
from libcloud_vsphere_clone.lab.record import find_lab

KEYS = {
    "host",
    "port",
    "username",
    "password",
    "ca_cert",
    "datacenter",
    "control_url",
    "control_token",
    "pid",
}
RUN = [
    sys.executable,
    "-c",
    "from libcloud_vsphere_clone.cli import main; main()",
    "lab",
    "run",
    "--no-guests",
    "--json",
]


def vsphere_clone_lab(*words: str) -> Result:
    return CliRunner().invoke(main, ["lab", *words])


@pytest.fixture(autouse=True)
def nothing_remains(private_state: object) -> Iterator[None]:
    yield
    for record in list_labs():
        stop(record)


def test_start_status_stop() -> None:
    started = vsphere_clone_lab("start", "--no-guests")
    assert started.exit_code == 0, started.output
    assert "Lab.attach('default').driver()" in started.stdout
    assert "starting the lab" in started.stderr
    record = find_lab("default")
    assert record
    assert record.password in started.stdout

    status = vsphere_clone_lab("status")
    assert status.exit_code == 0
    assert f"127.0.0.1:{record.connection()['port']}" in status.stdout

    stopped = vsphere_clone_lab("stop")
    assert stopped.stdout == "stopped lab default\n"
    assert find_lab("default") is None


def test_json_is_all_that_is_printed() -> None:
    started = vsphere_clone_lab("start", "--no-guests", "--json", "--name", "one", "--vms", "2")
    assert started.stderr == ""
    connection = json.loads(started.stdout)
    assert set(connection) == KEYS
    assert connection["datacenter"] == "lab-dc"
    (described,) = json.loads(vsphere_clone_lab("status", "--json").stdout)
    assert described == {
        "name": "one",
        "guests_unavailable": "guests are switched off for this lab",
        **connection,
    }
    assert Lab.attach("one").calls().total == 0


def test_a_start_of_what_runs_tells_how_to_connect() -> None:
    first = vsphere_clone_lab("start", "--no-guests", "--json")
    again = vsphere_clone_lab("start", "--no-guests", "--json")
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    other = vsphere_clone_lab("start", "--no-guests", "--vms", "3")
    assert other.exit_code == 1
    assert "runs with other options; stop it, or give --name" in other.stderr


def test_esxi_and_its_version() -> None:
    assert vsphere_clone_lab("start", "--esxi", "--api-version", "7.0.3.0").exit_code == 0
    record = find_lab("default")
    assert record
    assert (record.options.esxi, record.options.api_version) == (True, "7.0.3.0")


def test_nothing_runs() -> None:
    status = vsphere_clone_lab("status")
    assert (status.exit_code, status.stdout) == (1, "no lab runs; start one with: vsphere-clone lab start\n")
    assert vsphere_clone_lab("stop").stdout == "no lab named default runs\n"
    assert vsphere_clone_lab("stop", "--all").stdout == "no lab runs\n"
    assert vsphere_clone_lab("clean").stdout == "no dead lab left anything\n"


def test_clean_removes_dead_labs() -> None:
    pid = json.loads(vsphere_clone_lab("start", "--no-guests", "--json").stdout)["pid"]
    program = identity_of(pid)
    os.kill(pid, signal.SIGKILL)
    while program.is_running():
        pass
    assert vsphere_clone_lab("clean").stdout == "removed default\n"


def test_a_bad_name_is_an_error_in_words() -> None:
    refused = vsphere_clone_lab("start", "--name", "../x")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: '../x' is no name for a lab")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_run_stays_until_it_is_interrupted(sign: signal.Signals) -> None:
    with subprocess.Popen(RUN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        text = ""
        while not text.endswith("}\n"):
            text += process.stdout.readline()
        program = identity_of(json.loads(text)["pid"])
        assert program.is_running()
        process.send_signal(sign)
        _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "stopping the lab\n")
    assert not program.is_running()
    assert list_labs() == []


def test_run_ends_with_its_lab() -> None:
    with subprocess.Popen(RUN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        text = ""
        while not text.endswith("}\n"):
            text += process.stdout.readline()
        os.kill(json.loads(text)["pid"], signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the lab ended by itself" in errors
