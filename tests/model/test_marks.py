"""What the marks on a VM prove."""

from __future__ import annotations

import pytest

from libcloud_vsphere_clone.model import marks
from libcloud_vsphere_clone.model.marks import mark_path
from tests.by_hand import build_vm

ID, METADATA = mark_path(marks.ID), mark_path(marks.METADATA)


def test_managed_is_a_mark_that_names_the_vm_itself() -> None:
    assert marks.is_managed(build_vm("vm-9", "web", values={ID: "uuid-of-vm-9"})) is True


def test_the_marks_of_a_clone_by_hand_name_another_vm() -> None:
    assert marks.is_managed(build_vm("vm-9", "web", values={ID: "uuid-of-vm-8"})) is False


def test_no_mark_is_not_managed() -> None:
    assert marks.is_managed(build_vm("vm-9", "web")) is False
    assert marks.is_managed(build_vm("vm-9", "web", values={ID: ""})) is False


@pytest.mark.parametrize("path", [ID, "config.instanceUuid"])
def test_an_unreadable_mark_is_unknown_not_absent(path: str) -> None:
    vm = build_vm("vm-9", "web", values={path: None})
    vm.unreadable = frozenset({path})
    assert marks.is_managed(vm) is None


def test_a_vm_without_config_is_unknown() -> None:
    assert marks.is_managed(build_vm("vm-9", "web", values={"config.instanceUuid": None})) is None


def test_metadata_is_a_json_object_or_nothing() -> None:
    assert marks.read_metadata(build_vm("vm-9", "web", values={METADATA: '{"tier": ["web", 1]}'})) == {
        "tier": ["web", 1]
    }
    assert marks.read_metadata(build_vm("vm-9", "web", values={METADATA: "not JSON"})) == {}
    assert marks.read_metadata(build_vm("vm-9", "web", values={METADATA: "[1]"})) == {}
    assert marks.read_metadata(build_vm("vm-9", "web")) == {}
