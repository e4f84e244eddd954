"""Groups of nodes in the lab without guests, and what befalls them while they are made."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from libcloud.compute.base import Node, NodeAuthPassword

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model import names as model_names
from libcloud_vsphere_clone.vcenter.stub import VcenterStub

CreateGroup = Callable[..., list[Node]]
PASSWORD = NodeAuthPassword("secret-1")


@pytest.fixture
def create_group(driver: VsphereCloneNodeDriver) -> CreateGroup:
    """Make nodes of ``debian-12`` in the group ``web`` that stay off, unless told otherwise."""
    image = driver.ex_get_image_by_name("debian-12")

    def create(count: int, location: Any = None, group: str = "web", **options: Any) -> list[Node]:
        words = {"ex_power_on": False, **options}
        return driver.ex_create_nodes_in_group(group, count, None, image, location, **words)

    return create


def names_of(nodes: list[Node]) -> list[str]:
    return [node.name for node in nodes]


def notes_of(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


def nothing() -> None:
    """Do nothing."""


class CloneCalls:
    """The calls that start clones; what is to be done before and after that of one node is done while no other is sent.

    :param monkeypatch: of the test, after which all is as before.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch, self._one_at_a_time = monkeypatch, threading.Lock()

    def surround(self, name: str, *, before: Callable[[], None] = nothing, after: Callable[[], None] = nothing) -> None:
        """Have these done just before and just after the clone of the node of this name is sent."""
        call = VcenterStub.call

        def surrounded(stub: VcenterStub, target: Any, info: Any, args: Any, *rest: Any, **options: Any) -> Any:
            if info.wsdlName != "CloneVM_Task":
                return call(stub, target, info, args, *rest, **options)
            _, clone_name, _ = args
            with self._one_at_a_time:
                if clone_name != name:
                    return call(stub, target, info, args, *rest, **options)
                before()
                try:
                    return call(stub, target, info, args, *rest, **options)
                finally:
                    after()

        self._monkeypatch.setattr(VcenterStub, "call", surrounded)


@pytest.fixture
def clone_calls(monkeypatch: pytest.MonkeyPatch) -> CloneCalls:
    return CloneCalls(monkeypatch)


@pytest.fixture
def small_stores(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> Iterator[Callable[[dict[str, int]], None]]:
    """Set datastores' free space; undone after the test."""
    stores = {store.name: store for store in driver.ex_list_datastores()}

    def change(free_bytes: dict[str, int]) -> None:
        for name, free in free_bytes.items():
            path = f"/v1/objects/{stores[name].id}"
            bare_lab.control.request("POST", path, {"set": {"summary.freeSpace": free}})

    yield change
    change({name: store.extra["free_bytes"] for name, store in stores.items()})


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have these endings of names drawn, and the last one for ever."""

    def draw_these(*endings: str) -> None:
        left = list(endings)
        monkeypatch.setattr(
            model_names,
            "draw_hex",
            lambda _: left.pop(0) if len(left) > 1 else left[0],
        )

    return draw_these
