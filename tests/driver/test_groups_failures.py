"""Groups when all goes wrong, or an interrupt comes at any call: the report is exact, and nothing is left over."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from libcloud.compute.base import Node

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import GroupError
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import stub
from libcloud_vsphere_clone.vcenter.stub import VcenterStub
from tests.direct import Direct, writes

Create = Callable[..., list[Node]]

WRONG: tuple[tuple[str, dict[str, Any]], ...] = (
    ("CloneVM_Task", {"when": "reset-before"}),
    ("CloneVM_Task", {"when": "reset-after"}),
    ("CloneVM_Task", {"when": "drop-body"}),
    ("CloneVM_Task", {"when": "task", "fault": "NoDiskSpace"}),
    ("CloneVM_Task", {"when": "task", "fault": "DuplicateName"}),
    ("CloneVM_Task", {"when": "before", "fault": "NotAuthenticated"}),
    ("CreateFolder", {"when": "reset-after"}),
    ("RetrievePropertiesEx", {"when": "reset-after"}),
    ("WaitForUpdatesEx", {"when": "reset-after"}),
    ("WaitForUpdatesEx", {"when": "before", "fault": "InvalidCollectorVersion"}),
    ("CreateFilter", {"when": "reset-before"}),
    ("FindByUuid", {"when": "drop-body"}),
    ("PowerOffVM_Task", {"when": "reset-after"}),
    ("Destroy_Task", {"when": "reset-after"}),
)
"""Method, and how it goes wrong."""


@pytest.fixture
def create(driver: VsphereCloneNodeDriver, monkeypatch: pytest.MonkeyPatch) -> Create:
    """Make nodes of ``debian-12`` in the group ``hard``."""
    monkeypatch.setattr(stub, "REPEAT_DELAYS_S", (0.02, 0.05, 0.1))
    image = driver.ex_get_image_by_name("debian-12")
    return lambda count, **options: driver.ex_create_nodes_in_group("hard", count, None, image, **options)


@pytest.mark.parametrize(("seed", "in_flight"), [(1, 1), (2, 3), (3, 8), (4, 1000), (5, 8), (6, 3)])
def test_in_a_storm_the_report_is_what_is_there(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, seed: int, in_flight: int
) -> None:
    dice = random.Random(seed)  # noqa: S311  # not for secrets
    for method, how in dice.sample(WRONG, 4):
        bare_lab.faults.add(method, **how, every=dice.randint(2, 6), times=dice.randint(1, 4))
    expiry = threading.Timer(dice.random() / 2, bare_lab.control.expire_sessions)
    expiry.start()
    nodes, errors = _outcome(lambda: create(12, ex_max_in_flight=in_flight))
    expiry.cancel()
    expiry.join()
    bare_lab.faults.clear()
    names = sorted(node.name for node in nodes)
    assert len(nodes) + len(errors) == 12
    assert [note for error in errors.values() for note in getattr(error, "__notes__", [])] == []
    direct = Direct(bare_lab)  # only now: the storm ends sessions
    assert direct.children("vm/hard") == names
    direct.close()
    assert {node.id for node in driver.list_nodes(ex_group="hard")} == {node.id for node in nodes}


@pytest.mark.parametrize(("count", "in_flight"), [(40, 1), (200, 1000)])
def test_each_of_many_is_made_once(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, create: Create, direct: Direct, count: int, in_flight: int
) -> None:
    bare_lab.reset_calls()
    bare_lab.faults.add("CloneVM_Task", when="reset-after", every=9, times=3)
    bare_lab.faults.add("CloneVM_Task", when="task", fault="NoDiskSpace", every=7, times=4)
    nodes, errors = _outcome(lambda: create(count, ex_max_in_flight=in_flight, ex_power_on=False))
    assert (len(nodes), len(errors)) == (count - 4, 4)
    assert direct.children("vm/hard") == sorted(node.name for node in nodes)
    assert writes(bare_lab)["CloneVM_Task"] == count
    driver.ex_destroy_group("hard")


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, str], None]]:
    """Interrupt before, or after, the main thread's call of this number, counted from now."""
    perform = VcenterStub.perform
    left: list[tuple[int, str]] = []

    def interrupting(stub: VcenterStub, method: str, attempt: Callable[[], Any]) -> Any:
        if not left or threading.current_thread() is not threading.main_thread():
            return perform(stub, method, attempt)
        number, when = left.pop()
        if number > 1:
            left.append((number - 1, when))
        if (number, when) == (1, "before"):
            raise KeyboardInterrupt
        answer = perform(stub, method, attempt)
        if (number, when) == (1, "after"):
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(VcenterStub, "perform", interrupting)
    yield lambda number, when: left.__setitem__(slice(None), [(number, when)] if number else [])


@pytest.mark.parametrize("way", ["looking", "subscribing"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("count", "in_flight"), [(1, 1), (4, 2)])
def test_an_interrupt_at_any_call_leaves_nothing(
    create: Create,
    direct: Direct,
    interrupt: Callable[[int, str], None],
    count: int,
    in_flight: int,
    when: str,
    way: str,
) -> None:
    options: dict[str, Any] = {"ex_max_in_flight": in_flight, "ex_power_on": False}
    if way == "subscribing":
        options["ex_on_progress"] = lambda name, percent: None
    for number in range(1, 100):
        interrupt(number, when)
        try:
            create(count, **options)
            break
        except KeyboardInterrupt as interrupted:
            interrupt(0, when)
            assert not getattr(interrupted, "__notes__", [])
            assert direct.children("vm/hard") == []
    interrupt(0, when)
    assert number > (7 if way == "subscribing" else 4)
    assert len(direct.children("vm/hard")) == count


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_destroy_that_was_interrupted_at_any_call_can_be_done_again(
    driver: VsphereCloneNodeDriver, create: Create, direct: Direct, interrupt: Callable[[int, str], None], when: str
) -> None:
    for number in range(1, 100):
        create(3)
        interrupt(number, when)
        try:
            driver.ex_destroy_group("hard", ex_max_in_flight=2)
            break
        except KeyboardInterrupt:
            interrupt(0, when)
            driver.ex_destroy_group("hard")
            assert direct.children("vm/hard") == []
    interrupt(0, when)
    assert number > 7
    assert direct.children("vm/hard") == []


def _outcome(create: Callable[[], list[Node]]) -> tuple[list[Node], dict[str, Exception]]:
    try:
        return create(), {}
    except GroupError as partial:
        return partial.nodes, partial.errors
