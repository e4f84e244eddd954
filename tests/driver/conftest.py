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
from libcloud_vsphere_clone.operations.clone import Clone

CreateGroup = Callable[..., list[Node]]
PASSWORD = NodeAuthPassword("secret-1")


@pytest.fixture
def create_group(driver: VsphereCloneNodeDriver) -> CreateGroup:
    """Makes nodes of ``debian-12`` in the group ``web`` that stay off, unless told otherwise."""
    image = driver.ex_get_image_by_name("debian-12")

    def create(count: int, location: Any = None, group: str = "web", **options: Any) -> list[Node]:
        words = {"ex_power_on": False, **options}
        return driver.ex_create_nodes_in_group(group, count, None, image, location, **words)

    return create


def names_of(nodes: list[Node]) -> list[str]:
    return [node.name for node in nodes]


def notes_of(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", []))


@pytest.fixture
def on_start(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], None], Callable[[], None]], None]:
    """Does things just before and just after the clone of the node of this name is sent; no other is sent meanwhile."""
    start, one_at_a_time = Clone._start, threading.Lock()

    def steer(name: str, before: Callable[[], None], after: Callable[[], None]) -> None:
        def steered(clone: Clone) -> Any:
            with one_at_a_time:
                if clone.name != name:
                    return start(clone)
                before()
                try:
                    return start(clone)
                finally:
                    after()

        monkeypatch.setattr(Clone, "_start", steered)

    return steer


@pytest.fixture
def small_stores(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> Iterator[Callable[[dict[str, int]], None]]:
    """Sets datastores' free space; undone after the test."""
    stores = {store.name: store for store in driver.ex_list_datastores()}

    def change(free_bytes: dict[str, int]) -> None:
        for name, free in free_bytes.items():
            path = f"/v1/objects/{stores[name].id}"
            bare_lab.control.request("POST", path, {"set": {"summary.freeSpace": free}})

    yield change
    change({name: store.extra["free_bytes"] for name, store in stores.items()})


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Draws these endings of names, and the last one for ever."""

    def draw_these(*endings: str) -> None:
        left = list(endings)
        monkeypatch.setattr(
            model_names,
            "draw_hex",
            lambda _: left.pop(0) if len(left) > 1 else left[0],
        )

    return draw_these
