"""Ctrl-C in each of ``deploy_node``'s stages, in the lab without guests: the door is one that only this test has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from libcloud.compute.base import Node
from libcloud.compute.deployment import Deployment
from libcloud.compute.ssh import BaseSSHClient

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.sessions.access import Access
from libcloud_vsphere_clone.sessions.base import Target, Tell, Transport

STAGES = ("waiting for its guest", "opening", "running the deployment")


class _Session(BaseSSHClient):
    closed = False

    def close(self) -> bool:
        self.closed = True
        return True


@dataclass(frozen=True)
class _Door(Transport):
    """A session that leads nowhere, at once."""

    name: ClassVar[str] = "door"
    awaited: ClassVar[str | None] = None
    sessions: ClassVar[list[_Session]] = []

    def open(self, target: Target, access: Access, *, timeout_s: float, tell: Tell) -> BaseSSHClient:
        tell("opening")
        self.sessions.append(_Session(target.name))
        return self.sessions[-1]


class _Interrupted(Deployment):
    def run(self, node: Node, client: Any) -> Node:
        raise KeyboardInterrupt


@pytest.fixture
def left(driver: VsphereCloneNodeDriver) -> Iterator[None]:
    """The sessions that were opened are closed in the end."""
    _Door.sessions.clear()
    yield
    assert all(session.closed for session in _Door.sessions)


def deploy(driver: VsphereCloneNodeDriver, step: Deployment, stop_at: str = "", **words: Any) -> Node:
    def interrupt(_: Node, what: str) -> None:
        if what == stop_at:
            raise KeyboardInterrupt

    image = driver.ex_get_image_by_name("debian-12")
    usual = {"ex_transport": _Door(), "ex_on_stage": interrupt, "ex_group": "made"}
    return driver.deploy_node(step, name="web", size=None, image=image, **{**usual, **words})


@pytest.mark.usefixtures("unharmed", "left")
@pytest.mark.parametrize("stage", [*STAGES, "the step itself"])
def test_ctrl_c_in_any_stage_leaves_nothing(driver: VsphereCloneNodeDriver, stage: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        deploy(driver, _Interrupted(), stop_at=stage)
    assert driver.list_nodes(ex_group="made") == []


@pytest.mark.usefixtures("left")
def test_a_caller_that_has_seen_to_it_keeps_the_node(driver: VsphereCloneNodeDriver) -> None:
    with pytest.raises(KeyboardInterrupt):
        deploy(driver, _Interrupted(), at_exit_func=lambda **_: None)
    assert [node.name for node in driver.list_nodes(ex_group="made")] == ["web"]


@pytest.mark.usefixtures("left")
def test_a_second_ctrl_c_says_what_may_remain(driver: VsphereCloneNodeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Node) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as caught:
        patch.setattr(driver, "destroy_node", interrupted)
        deploy(driver, _Interrupted())
    [node] = driver.list_nodes(ex_group="made")
    assert caught.value.__notes__ == [f"node 'web' ({node.id}) remains, perhaps"]
