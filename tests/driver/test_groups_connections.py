"""Groups that are made while replies are lost, sessions end or vCenter goes away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from libcloud_vsphere_clone.errors import (
    ConnectionFailedError,
    GroupError,
)
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.operations import provision
from libcloud_vsphere_clone.operations.clone import Clone
from libcloud_vsphere_clone.vcenter import stub
from tests.direct import Direct, writes
from tests.driver.conftest import CloneCalls, CreateGroup, names_of, notes_of


def test_a_session_that_ends_midway_is_renewed(bare_lab: Lab, create_group: CreateGroup, direct: Direct) -> None:
    bare_lab.delay_tasks({"CloneVM": 500})
    with ThreadPoolExecutor(1) as pool:
        made = pool.submit(create_group, 6, ex_max_in_flight=2)
        for _ in range(2):
            time.sleep(0.6)
            bare_lab.expire_sessions()
        nodes = made.result()
    with bare_lab.driver() as fresh:
        assert {node.id for node in fresh.list_nodes(ex_group="web")} == {node.id for node in nodes}


@pytest.mark.parametrize("when", ["reset-after", "drop-body"])
def test_lost_replies_make_no_second_clone(bare_lab: Lab, create_group: CreateGroup, direct: Direct, when: str) -> None:
    bare_lab.faults.add("CloneVM_Task", when=when, every=3, times=0)
    bare_lab.reset_calls()
    nodes = create_group(9, ex_max_in_flight=4, ex_power_on=True)
    assert writes(bare_lab)["CloneVM_Task"] == 9
    assert direct.children("vm/web") == sorted(names_of(nodes))
    assert all(node.extra["managed"] for node in nodes)


def test_lost_requests_are_told_apart(
    bare_lab: Lab, create_group: CreateGroup, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, three = Clone._search, threading.Barrier(3)

    def search_together(clone: Clone, timeout_s: float) -> Any:
        three.wait(timeout=60)  # none goes on before three of them are here: they are made side by side
        return search(clone, timeout_s)

    monkeypatch.setattr(Clone, "_search", search_together)
    bare_lab.faults.add("CloneVM_Task", when="reset-before", every=3, times=0)
    with pytest.raises(GroupError) as caught:
        create_group(9, ex_names=[f"n-{number}" for number in range(9)])
    assert len(caught.value.errors) == 3
    assert {type(error) for error in caught.value.errors.values()} == {ConnectionFailedError}
    assert all("safe to try again" in str(error) for error in caught.value.errors.values())
    assert direct.children("vm/web") == names_of(caught.value.nodes)


def test_a_stalled_reply_is_recovered(bare_lab: Lab, direct: Direct) -> None:
    bare_lab.faults.add("CloneVM_Task", when="stall", delay_ms=5000, every=2)
    bare_lab.reset_calls()
    with bare_lab.driver(timeout=2) as impatient:
        image = impatient.ex_get_image_by_name("debian-12")
        nodes = impatient.ex_create_nodes_in_group("web", 3, None, image, ex_power_on=False)
        assert writes(bare_lab)["CloneVM_Task"] == 3
        assert direct.children("vm/web") == sorted(names_of(nodes))
        assert impatient.ex_destroy_group("web")


def test_a_vcenter_that_is_lost_midway_is_told_what_may_remain(
    bare_lab: Lab, create_group: CreateGroup, direct: Direct, monkeypatch: pytest.MonkeyPatch, clone_calls: CloneCalls
) -> None:
    monkeypatch.setattr(stub, "REPEAT_DELAYS_S", ())  # the waits have tests of their own
    methods = ("CloneVM_Task", "RetrievePropertiesEx", "FindByUuid", "CurrentTime", "WaitForUpdatesEx", "CancelTask")
    more = ("CreatePropertyCollector", "CreateFilter", "CreateListView", "ResetListView", "DestroyPropertyCollector")

    def lose() -> None:
        for method in (*methods, *more, "PowerOffVM_Task", "Destroy_Task"):
            bare_lab.faults.add(method, when="reset-before", times=0)

    bare_lab.delay_tasks({"CloneVM": 200})
    names = [f"n-{number}" for number in range(9)]
    clone_calls.surround("n-5", before=lose)
    bare_lab.reset_calls()
    with pytest.raises(GroupError, match="9 of 9") as caught:
        create_group(9, ex_names=names, ex_max_in_flight=4)
    bare_lab.faults.clear()
    errors = caught.value.errors
    assert list(errors) == names
    assert {type(error) for error in errors.values()} == {ConnectionFailedError}
    assert all(repr(name) in str(error) for name, error in errors.items())
    told = [name for name, error in errors.items() if notes_of(error)]
    assert {*names[:4], "n-5"} <= set(told) <= set(names[:8])  # the others were never sent
    for name in told:
        [note] = notes_of(errors[name])
        assert f"VM {name!r} with instanceUuid" in note
        assert "may remain" in note
    assert writes(bare_lab)["CloneVM_Task"] == len(told)
    direct.await_clones()  # what vCenter goes on to make
    assert set(direct.children("vm/web")) <= set(told)


def test_a_vcenter_that_is_lost_at_the_end_is_told_what_may_remain(
    bare_lab: Lab, create_group: CreateGroup, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stub, "REPEAT_DELAYS_S", ())
    monkeypatch.setattr(provision, "fetch_some", failing(ConnectionResetError("the last read is lost")))
    for method in ("PowerOffVM_Task", "Destroy_Task"):
        bare_lab.faults.add(method, when="reset-before", times=0)
    with pytest.raises(GroupError, match="the last read is lost") as caught:
        create_group(2, ex_names=["a", "b"])
    assert ["may remain" in note for error in caught.value.errors.values() for note in notes_of(error)] == [True, True]
    assert direct.children("vm/web") == ["a", "b"]


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail
