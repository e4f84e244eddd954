"""The stand-in for VMware Tools in the guests: it is there whenever the guest is, and keeps nobody waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone.lab import Lab
from tests.lab.conftest import PlainClient

pytestmark = pytest.mark.guests

PASSWORD = "vsphere-lab"
PIPE = "/root/pipe"


@dataclass
class Tools:
    """Guest operations on one VM as one user, by calls of the API only."""

    client: PlainClient
    vm: Any
    password: str = PASSWORD
    username: str = "root"

    @property
    def _auth(self) -> Any:
        return vim.vm.guest.NamePasswordAuthentication(username=self.username, password=self.password)

    @property
    def _operations(self) -> Any:
        return self.client.content.guestOperationsManager

    def validate(self) -> bool:
        self._operations.authManager.ValidateCredentialsInGuest(self.vm, self._auth)
        return True

    def start(self, command: str) -> int:
        spec = vim.vm.guest.ProcessManager.ProgramSpec(programPath="/bin/sh", arguments=f"-c '{command}'")
        return int(self._operations.processManager.StartProgramInGuest(self.vm, self._auth, spec))

    def processes(self, *pids: int) -> list[Any]:
        return list(self._operations.processManager.ListProcessesInGuest(self.vm, self._auth, list(pids)))

    def run(self, command: str) -> int:
        """A command's exit status."""
        pid = self.start(command)
        while (process := self.processes(pid)[0]).endTime is None:
            time.sleep(0.02)
        return int(process.exitCode or 0)  # of 0, the simulator says nothing

    def daemon(self) -> int:
        """The pid of that which all requests come to."""
        return min(int(process.pid) for process in self.processes() if process.name == "vmtoolsd")


def until(succeeds: Callable[[], object]) -> None:
    """Returns when it is true, which no fault of guest operations is."""
    deadline = time.monotonic() + 60
    while True:
        with suppress(vim.fault.GuestOperationsFault):
            if succeeds():
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def tools(lab: Lab) -> Iterator[Tools]:
    client = PlainClient(lab)
    made = Tools(client, client.clone("debian-12-static", "tools", {}))
    yield made
    client.destroy(made.vm)
    client.close()


def test_they_answer_as_soon_as_the_guest_is_on(tools: Tools) -> None:
    tools.validate()
    tools.client.wait(tools.vm.PowerOff())
    with pytest.raises(vim.fault.InvalidPowerState):
        tools.validate()
    tools.client.wait(tools.vm.PowerOn())
    tools.validate()


def test_they_come_again_after_a_reboot_inside(tools: Tools) -> None:
    started = tools.start("sleep 4711")
    with suppress(vim.fault.GuestOperationsUnavailable):  # they may be gone before they have answered
        tools.start("reboot")
    until(lambda: not tools.processes(started))


def test_they_come_again_when_somebody_ends_them(tools: Tools) -> None:
    kept, before = tools.start("sleep 4711"), tools.daemon()
    tools.start(f"kill -KILL {before}")
    until(lambda: tools.daemon() != before)
    assert [process.endTime for process in tools.processes(kept)] == [None]


def test_a_request_does_not_wait_for_another(tools: Tools, connect: Callable[[Lab], PlainClient], lab: Lab) -> None:
    others = [Tools(connect(lab), tools.vm) for _ in range(8)]
    assert tools.run(f"mkfifo {PIPE}") == 0
    with ThreadPoolExecutor(1) as pool:
        # A pipe that nobody writes to holds up who opens it.
        stuck = pool.submit(
            connect(lab).content.guestOperationsManager.fileManager.InitiateFileTransferFromGuest,
            tools.vm,
            tools._auth,
            PIPE,
        )
        with ThreadPoolExecutor(len(others)) as crew:
            assert list(crew.map(lambda each: each.run("exit 3"), others * 5)) == [3] * len(others) * 5
        assert not stuck.done()
        assert tools.run(f": > {PIPE}") == 0
        stuck.result()


def test_the_guests_own_password_counts_from_one_request_to_the_next(tools: Tools) -> None:
    tools.validate()
    changed = Tools(tools.client, tools.vm, "other")
    tools.start("echo root:other | chpasswd")
    until(changed.validate)
    with pytest.raises(vim.fault.InvalidGuestLogin):
        tools.validate()
    changed.start(f"echo root:{PASSWORD} | chpasswd")
    until(tools.validate)


def test_who_started_a_program_learns_how_it_ended(tools: Tools) -> None:
    assert tools.run("useradd -m ann; useradd -m ben; (echo ann:a; echo ben:b) | chpasswd") == 0
    ann, ben = (Tools(tools.client, tools.vm, name[0], name) for name in ("ann", "ben"))
    started = ann.start("exit 5")
    until(lambda: [process.exitCode for process in ann.processes(started)] == [5])
    assert [process.exitCode for process in tools.processes(started)] == [5]
    assert ben.processes(started) == []


def test_programs_are_started_as_from_a_login(tools: Tools) -> None:
    assert tools.run("hostname other") != 0  # only the guest's own boot may name the host
    assert tools.run("kill -PIPE $$") == 128 + 13  # or "yes | head" complains
    assert tools.run('test -z "$(ls -l /proc/self/fd | grep socket)"') == 0
