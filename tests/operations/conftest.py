"""Nodes in the group ``kept``, what was sent to vCenter for them, and questions that wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter import jobs
from tests.direct import Direct

POWER = ("PowerOnMultiVM_Task", "PowerOffVM_Task", "ShutdownGuest", "RebootGuest", "ResetVM_Task", "Destroy_Task")
QUESTION = {"runtime.question": {"id": "q1", "text": "retry or cancel?", "choice": {}}}
Create = Callable[..., Any]


@pytest.fixture
def create_kept(driver: VsphereCloneNodeDriver) -> Create:
    """Make a node of ``debian-12`` in the group ``kept``."""
    image = driver.ex_get_image_by_name("debian-12")
    return lambda name, **kwargs: driver.create_node(name, None, image, ex_group="kept", **kwargs)


@pytest.fixture
def short_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a question count as unanswered after half a second."""
    monkeypatch.setattr(jobs, "QUESTION_S", 0.5)


def sent(lab: Lab) -> dict[str, int]:
    """The writes since the last reset."""
    return {method: count for method, count in lab.calls().by_method.items() if method in (*POWER, "ReconfigVM_Task")}


def state(direct: Direct, node: Any) -> str:
    return str(direct.read(direct.vm(node.extra["moid"]), "runtime.powerState"))
