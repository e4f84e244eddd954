"""One lab per run, on a port of its own; tests that break a lab make a fresh one."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from libcloud.compute.base import Node

from libcloud_vsphere_clone.console.keyboard import TypingSpeed
from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.sessions.keyboard.client import KeyboardClient
from libcloud_vsphere_clone.vcenter.rows import Ref
from tests.direct import Create, Direct
from tests.interrupts import Interrupted, interrupted_programs, noticing

pytest_plugins = ["pytester"]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "guests: needs guests in the lab's containers")


LONG = {"test_wheel.py", "test_groups_failures.py", "test_groups.py", "test_provision_failures.py", "test_mirror.py"}
"""Files without guests that take longest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the most tests of guests come first, then others that take long: no worker should end with one."""
    guests = Counter(item.path for item in items if item.get_closest_marker("guests"))
    items.sort(key=lambda item: (-guests[item.path], item.path.name not in LONG))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The run's lab; with guests, where they can run."""
    with Lab() as running:
        yield running


@pytest.fixture(scope="session")
def bare_lab() -> Iterator[Lab]:
    """A lab without guests: no container is started, so nothing in it takes long."""
    with Lab(guests=False) as running:
        yield running


@pytest.fixture
def tidy_lab(lab: Lab) -> Iterator[Lab]:
    """The lab with guests; what the test left in it is gone after the test."""
    yield lab
    lab.faults.clear()
    lab.delay_tasks({})
    with lab.driver() as driver:
        for node in driver.list_nodes():
            if node.extra["managed"]:
                driver.destroy_node(node)


@pytest.fixture
def private_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder in which no other lab is."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def driver(bare_lab: Lab) -> Iterator[VsphereCloneNodeDriver]:
    """A driver connected to the lab without guests; what the test made, broke and delayed is gone after it."""
    with bare_lab.driver() as made:
        yield made
        bare_lab.faults.clear()
        bare_lab.delay_tasks({})
        for node in made.list_nodes():
            if node.extra["managed"]:
                made.destroy_node(node)


@pytest.fixture
def create(driver: VsphereCloneNodeDriver) -> Create:
    """Make a node of ``debian-12`` in the group ``made`` that stays off, unless told otherwise."""
    image = driver.ex_get_image_by_name("debian-12")
    asked = {"ex_power_on": False, "ex_group": "made"}
    return lambda name, size=None, **kwargs: driver.create_node(name, size, image, **{**asked, **kwargs})


@pytest.fixture
def late_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look at a short task is too early, however busy the machine: calls can be counted."""
    for name, value in (("SPARE_S", 0.3), ("FIRST_LOOK_S", 0.3), ("FIRST_LOOKS_S", {})):
        monkeypatch.setattr(f"libcloud_vsphere_clone.vcenter.pace.{name}", value)


@pytest.fixture
def unharmed(driver: VsphereCloneNodeDriver, direct: Direct) -> Iterator[None]:
    """After the test all VMs are there that were there before it, and no other is on its way."""
    before = direct.all_vms()
    yield
    direct.await_clones()
    assert direct.all_vms() == before


@pytest.fixture
def direct(bare_lab: Lab) -> Iterator[Direct]:
    """pyVmomi and nothing else, logged in to the lab without guests: what is really in vCenter."""
    client = Direct(bare_lab)
    yield client
    client.close()


@pytest.fixture
def interrupted(bare_lab: Lab) -> Iterator[Interrupted]:
    """Start programs on the lab without guests that are interrupted; they have ended after the test."""
    with interrupted_programs(bare_lab) as start:
        yield start


@pytest.fixture
def noticed() -> Iterator[threading.Event]:
    """Set when the main thread has noticed an interrupt."""
    with noticing() as event:
        yield event


@pytest.fixture
def console_node(driver: VsphereCloneNodeDriver, create: Create) -> Node:
    """A node that is on, in the lab without guests: what is typed on its console can be read."""
    made: Node = create("web-1", ex_power_on=True)
    return made


@pytest.fixture
def keyboard(driver: VsphereCloneNodeDriver, console_node: Node) -> Callable[..., KeyboardClient]:
    """Make a keyboard at a node's console; it types as fast as it can, unless told otherwise."""
    vm = Ref("VirtualMachine", console_node.extra["moid"])
    swift = {"name": "web-1", "pace": TypingSpeed(pause_s=0)}
    return lambda **words: KeyboardClient(driver._session, vm, **{**swift, **words})


@pytest.fixture(autouse=True)
def _guests_if_marked(request: pytest.FixtureRequest) -> None:
    """Skip tests marked ``guests`` where none can run; with CI=true nothing may be skipped, so they fail."""
    if request.node.get_closest_marker("guests") is None:
        return
    reason = request.getfixturevalue("lab").guests_unavailable
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"guests cannot run, and with CI=true no lab test may be skipped: {reason}")
    if reason:
        pytest.skip(reason)
