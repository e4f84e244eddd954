"""The mirror of the inventory, against a second client that changes it."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone.errors import ConnectionFailedError
from libcloud_vsphere_clone.inventory.nodes import LISTING_PATHS
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import mirror as mirror_module
from libcloud_vsphere_clone.vcenter import stub
from libcloud_vsphere_clone.vcenter.mirror import Mirror
from libcloud_vsphere_clone.vcenter.properties import fetch_rows
from libcloud_vsphere_clone.vcenter.rows import Ref, Row, Updates
from libcloud_vsphere_clone.vcenter.session import Session
from tests.direct import Direct

PLACE = "vm/mirrored"


@pytest.fixture
def mirror(session: Session) -> Mirror:
    """A mirror that has subscribed."""
    made = Mirror(session, LISTING_PATHS)
    made.read()
    made.read()
    return made


@pytest.fixture
def other(calm_lab: Lab) -> Iterator[Direct]:
    """A client with a session of its own, and a folder that is gone after the test."""
    client = Direct(calm_lab)
    client.find("vm").CreateFolder("mirrored")
    yield client
    client.close()
    client = Direct(calm_lab)  # the test may have ended its session
    for vm in Hand(client).vms():
        client.destroy(vm)
    client.wait(client.find(PLACE).Destroy_Task())
    client.close()


def truth(session: Session) -> dict[Ref, Row]:
    return fetch_rows(session, LISTING_PATHS)


def assert_true(mirror: Mirror, session: Session) -> None:
    rows, expected = mirror.read(), truth(session)
    assert rows.keys() == expected.keys()
    differing = [(dict(row), expected[ref]) for ref, row in rows.items() if row != expected[ref]]
    assert not [
        {path: (a.get(path), b.get(path)) for path in a | b if a.get(path) != b.get(path)} for a, b in differing
    ]
    assert [rows[ref].unreadable for ref in rows] == [expected[ref].unreadable for ref in rows]
    assert all(row.ref == ref for ref, row in rows.items())


class Hand:
    """Does this and that to VMs and folders, as another client would."""

    def __init__(self, client: Direct, seed: int = 0) -> None:
        self.client = client
        self.dice = random.Random(seed)  # noqa: S311  # not for secrets
        self.made = 0

    def folders(self) -> list[Any]:
        top = self.client.find(PLACE)
        return [top, *(child for child in self.client.read(top, "childEntity") or () if isinstance(child, vim.Folder))]

    def vms(self) -> list[Any]:
        found = []
        for folder in self.folders():
            children = self.client.read(folder, "childEntity") or ()
            found += [child for child in children if isinstance(child, vim.VirtualMachine)]
        return found

    def act(self) -> None:
        vms = self.vms()
        acts = [self.create, self.make_folder]
        if len(vms) > 3:
            acts = [self.create, self.rename, self.move, self.power, self.power, self.reconfigure, self.rename_folder]
        if len(vms) > 8:
            acts += [self.destroy] * 3
        self.dice.choice(acts)()

    def name(self, what: str) -> str:
        self.made += 1
        return f"{what}-{self.made} ä&<"

    def create(self) -> None:
        self.client.clone(self.client.find("vm/jclouds-images/debian-12"), self.folder(), self.name("vm"))

    def rename(self) -> None:
        self.client.wait(self.vm().Rename_Task(self.name("renamed")))

    def move(self) -> None:
        self.client.wait(self.folder().MoveIntoFolder_Task([self.vm()]))

    def power(self) -> None:
        vm = self.vm()
        if self.client.read(vm, "runtime.powerState") == "poweredOn":
            self.client.wait(vm.PowerOffVM_Task())
        else:
            self.client.wait(vm.PowerOnVM_Task(None))

    def reconfigure(self) -> None:
        marks = {"libcloud.id": str(self.made), "libcloud.metadata": json.dumps({"<&>": self.dice.random()})}
        options = [vim.option.OptionValue(key=key, value=value) for key, value in marks.items()]
        spec = vim.vm.ConfigSpec(extraConfig=options)  # the simulator does not tell of CPUs and memory
        self.client.wait(self.vm().ReconfigVM_Task(spec))

    def destroy(self) -> None:
        self.client.destroy(self.vm())

    def make_folder(self) -> None:
        if len(self.folders()) < 4:
            self.client.find(PLACE).CreateFolder(self.name("folder"))

    def rename_folder(self) -> None:
        below = self.folders()[1:]
        if below:
            self.client.wait(self.dice.choice(below).Rename_Task(self.name("folder")))

    def vm(self) -> Any:
        return self.dice.choice(self.vms())

    def folder(self) -> Any:
        return self.dice.choice(self.folders())


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_truth_after_any_change(mirror: Mirror, session: Session, other: Direct, seed: int) -> None:
    hand = Hand(other, seed)
    for _ in range(20):
        for _ in range(hand.dice.randrange(1, 9)):
            hand.act()
        assert_true(mirror, session)


@pytest.mark.parametrize("seed", range(2))
def test_it_is_read_while_others_write(
    calm_lab: Lab, mirror: Mirror, session: Session, other: Direct, seed: int
) -> None:
    """The lab's simulator stopped answering for good here, before it had a property collector of its own."""
    hand = Hand(other, seed)
    for _ in range(5):
        ended = threading.Event()
        with ThreadPoolExecutor(3) as threads:
            readers = [threads.submit(read_until, ended, mirror) for _ in range(2)]
            fresh = threads.submit(read_until, ended, Mirror(session, LISTING_PATHS))
            try:
                for _ in range(25):
                    hand.act()
            finally:
                ended.set()
            assert all(future.result(timeout=120) > 3 for future in [*readers, fresh])
        assert_true(mirror, session)


def read_until(ended: threading.Event, mirror: Mirror) -> int:
    """How often it was read; each time what it said hung together."""
    count = 0
    while not ended.is_set():
        count += 1
        rows = mirror.read()
        assert all(row.ref == ref for ref, row in rows.items())
        assert sum(ref.kind == "Datacenter" for ref in rows) == 1
    return count


def test_what_is_read_once_is_not_subscribed_and_then_one_call_suffices(calm_lab: Lab, session: Session) -> None:
    mirror = Mirror(session, LISTING_PATHS)
    calm_lab.reset_calls()
    first = mirror.read()
    assert calm_lab.calls().by_method == {"CreateContainerView": 1, "RetrievePropertiesEx": 1}
    assert mirror.read() == first
    for _ in range(3):
        calm_lab.reset_calls()
        assert mirror.read() == first
        assert calm_lab.calls().by_method == {"WaitForUpdatesEx": 1}
        assert calm_lab.calls().bytes_out < 1000


@pytest.mark.parametrize("fault", ["MethodNotFound", "NotSupported"])
def test_a_server_that_does_not_tell_all_at_once_tells_it_in_pages(
    calm_lab: Lab, session: Session, other: Direct, fault: str
) -> None:
    calm_lab.faults.add("CheckForUpdates", fault=fault, times=0)
    mirror, hand = Mirror(session, LISTING_PATHS), Hand(other)
    mirror.read()
    hand.create()
    calm_lab.reset_calls()
    assert_true(mirror, session)
    calls = calm_lab.calls().by_method
    assert (calls["CheckForUpdates"], calls["WaitForUpdatesEx"], calls["CreatePropertyCollector"]) == (1, 1, 1)
    hand.create()
    assert_true(mirror, session)


@pytest.mark.parametrize("when", ["reset-before", "reset-after", "drop-body"])
def test_a_first_answer_that_is_lost_is_asked_for_again(
    calm_lab: Lab, session: Session, other: Direct, when: str
) -> None:
    mirror = Mirror(session, LISTING_PATHS)
    mirror.read()
    Hand(other).create()
    calm_lab.faults.add("CheckForUpdates", when=when, times=2)
    assert_true(mirror, session)
    assert calm_lab.control.leftovers().collectors == 1


def test_a_newcomer_is_told_of_alone(calm_lab: Lab, mirror: Mirror, session: Session, other: Direct) -> None:
    Hand(other).create()
    calm_lab.reset_calls()
    mirror.read()
    assert calm_lab.calls().by_method == {"WaitForUpdatesEx": 1}
    assert calm_lab.calls().bytes_out < 10_000
    assert_true(mirror, session)


def test_what_is_told_anew_is_read_anew(mirror: Mirror, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake: govmomi's own simulator tells of all when one comes, and forgets what has left."""
    known, gone = next(iter(mirror.read())), Ref("VirtualMachine", "vm-gone")
    mirror._rows[gone] = Row(gone, {"name": "gone"})
    told = Updates("9", [Row(known, {"name": "told anew"})], [], False, frozenset({known}))
    assert mirror._subscription is not None
    monkeypatch.setattr(mirror._subscription, "read", lambda wait_s: iter([told]))
    assert mirror.read() == truth(session)


def test_what_was_handed_out_stays_as_it_is(mirror: Mirror, session: Session, other: Direct) -> None:
    hand = Hand(other)
    hand.create()
    before = mirror.read()
    copies = {ref: dict(row) for ref, row in before.items()}
    hand.power()
    after = mirror.read()
    hand.destroy()
    assert_true(mirror, session)
    assert {ref: dict(row) for ref, row in before.items()} == copies
    (vm,) = (ref for ref, row in after.items() if row != before[ref])
    assert after[vm]["runtime.powerState"] == "poweredOn"


@pytest.mark.parametrize("silent", [False, True], ids=["", "silent"])
def test_it_outlives_its_session(calm_lab: Lab, mirror: Mirror, session: Session, other: Direct, silent: bool) -> None:
    Hand(other).create()
    calm_lab.control.expire_sessions(silent=silent)
    assert_true(mirror, session)
    calm_lab.reset_calls()
    mirror.read()
    assert calm_lab.calls().by_method == {"WaitForUpdatesEx": 1}


def lose_collector(lab: Lab, mirror: Mirror) -> None:
    assert mirror._subscription is not None
    mirror._subscription._collector.DestroyPropertyCollector()


def lose_view(lab: Lab, mirror: Mirror) -> None:
    lose_collector(lab, mirror)
    mirror._session.view(LISTING_PATHS).DestroyView()


LOSSES: dict[str, Callable[[Lab, Mirror], object]] = {
    "the collector": lose_collector,
    "collector and view": lose_view,
    "the version": lambda lab, _: lab.faults.add("WaitForUpdatesEx", fault="InvalidCollectorVersion"),
    "the request": lambda lab, _: lab.faults.add("WaitForUpdatesEx", when="reset-before"),
    "the reply": lambda lab, _: lab.faults.add("WaitForUpdatesEx", when="reset-after"),
    "half the reply": lambda lab, _: lab.faults.add("WaitForUpdatesEx", when="drop-body"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_made_good(calm_lab: Lab, mirror: Mirror, session: Session, other: Direct, loss: str) -> None:
    Hand(other).create()
    LOSSES[loss](calm_lab, mirror)
    assert_true(mirror, session)
    assert calm_lab.control.leftovers().collectors == 1


def test_what_does_not_pass_is_told_and_then_it_goes_on(calm_lab: Lab, mirror: Mirror, session: Session) -> None:
    for method in ("WaitForUpdatesEx", "CheckForUpdates"):
        calm_lab.faults.add(method, when="reset-before", times=0)
    with pytest.raises(ConnectionFailedError, match="read what changed in the inventory of"):
        mirror.read()
    calm_lab.faults.clear()
    assert_true(mirror, session)


def test_a_server_that_is_gone_is_given_up_soon(
    calm_lab: Lab, mirror: Mirror, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("WaitForUpdatesEx", "CreatePropertyCollector", "DestroyPropertyCollector"):
        calm_lab.faults.add(method, when="reset-before", times=0)
    monkeypatch.setattr(stub, "REPEAT_DELAYS_S", (0.01,))
    calm_lab.reset_calls()
    with pytest.raises(ConnectionFailedError, match="subscribe to the inventory of"):
        mirror.read()
    assert calm_lab.calls().total == 1 + 2 + 2
    calm_lab.faults.clear()
    assert_true(mirror, session)


def test_an_interrupt_half_way_loses_nothing(
    mirror: Mirror, session: Session, other: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    Hand(other).create()
    with monkeypatch.context() as patched:
        patched.setattr(mirror_module, "apply_updates", interrupt)
        with pytest.raises(KeyboardInterrupt):
            mirror.read()
    assert_true(mirror, session)


def test_threads_share_it(
    mirror: Mirror, session: Session, other: Direct, together: Callable[[Callable[[], Any]], list[Future[Any]]]
) -> None:
    hand = Hand(other)
    for _ in range(3):
        hand.create()
        results = [future.result() for future in together(mirror.read)]
        assert all(rows == results[0] for rows in results)
        assert_true(mirror, session)


def test_a_forked_child_has_one_of_its_own(mirror: Mirror, session: Session, other: Direct) -> None:
    Hand(other).create()
    with mirror._lock:  # as if another thread were reading
        child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            mirror.read()
            assert_true(mirror, session)
            session.close()
            os._exit(7)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert_true(mirror, session)


def test_closed_it_leaves_nothing_and_can_begin_anew(calm_lab: Lab, mirror: Mirror, session: Session) -> None:
    mirror.close()
    mirror.close()
    assert calm_lab.control.leftovers().collectors == 0
    assert_true(mirror, session)
    session.close()
    mirror.close()  # nothing is sent
