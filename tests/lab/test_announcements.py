"""Watchers are told of what the simulator itself changes without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyVmomi import vim

from libcloud_vsphere_clone import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.vcenter.rows import Ref, Row
from libcloud_vsphere_clone.vcenter.updates import watch_rows
from tests.direct import Direct

PATHS = (
    *("name", "config.hardware.numCPU", "config.hardware.memoryMB", "config.instanceUuid", "config.template"),
    *("config.managedBy", "config.annotation"),
)
MANAGER = vim.ext.ManagedByInfo(extensionKey="org.example", type="test")

Await = Callable[[Callable[[], object], str, object], None]


@pytest.fixture
def vm(direct: Direct) -> Iterator[Any]:
    made = direct.clone(direct.find("vm/jclouds-images/debian-12"), direct.find("vm"), "watched")
    yield made
    direct.destroy(made)


@pytest.fixture
def await_change(driver: VsphereCloneNodeDriver, vm: Any) -> Await:
    """Does it, and waits until a watcher is told."""
    ref = Ref("VirtualMachine", vm._moId)

    def change(work: Callable[[], object], path: str, expected: object) -> None:
        watching = watch_rows(driver._session, {ref: PATHS}, timeout_s=20)
        before = next(watching)[ref]
        assert before is not None and before.get(path) != expected
        work()
        told: list[Row | None] = [rows[ref] for rows in watching if _is_told(rows[ref], path, expected, watching)]
        assert told, "nobody was told"

    return change


def _is_told(row: Row | None, path: str, expected: object, watching: Any) -> bool:
    value = row.get(path) if row is not None else None
    if isinstance(value, dict):
        value = value.get("extensionKey")
    if value != expected:
        return False
    watching.close()
    return True


@pytest.mark.parametrize(
    ("spec", "path", "expected"),
    [
        (vim.vm.ConfigSpec(numCPUs=7), "config.hardware.numCPU", 7),
        (vim.vm.ConfigSpec(memoryMB=4096), "config.hardware.memoryMB", 4096),
        (vim.vm.ConfigSpec(name="renamed"), "name", "renamed"),
        (vim.vm.ConfigSpec(instanceUuid="11111111-2222-3333-4444-555555555555"), "config.instanceUuid", None),
        (vim.vm.ConfigSpec(annotation="hello"), "config.annotation", "hello"),
        (vim.vm.ConfigSpec(managedBy=MANAGER), "config.managedBy", "org.example"),
    ],
    ids=["CPUs", "memory", "name", "instanceUuid", "annotation", "managedBy"],
)
def test_a_reconfiguration(
    direct: Direct, vm: Any, await_change: Await, spec: Any, path: str, expected: object
) -> None:
    expected = expected or spec.instanceUuid
    await_change(lambda: direct.wait(vm.ReconfigVM_Task(spec)), path, expected)


def test_a_template_and_back(direct: Direct, vm: Any, await_change: Await) -> None:
    await_change(vm.MarkAsTemplate, "config.template", True)
    pool = direct.find("host/cluster-drs/Resources")
    await_change(lambda: vm.MarkAsVirtualMachine(pool=pool), "config.template", False)


def test_a_config_that_goes_and_comes(bare_lab: Lab, direct: Direct, vm: Any, await_change: Await) -> None:
    uuid = direct.read(vm, "config.instanceUuid")
    await_change(lambda: bare_lab.control.change_vm(vm._moId, drop_config=True), "config.instanceUuid", None)
    await_change(lambda: bare_lab.control.change_vm(vm._moId, drop_config=False), "config.instanceUuid", uuid)
