"""Names of the API reference → pyVmomi's types."""

from __future__ import annotations

import pytest
from pyVmomi import vim, vmodl

from libcloud_vsphere_clone.vcenter.rows import Ref
from libcloud_vsphere_clone.vcenter.types import to_fault, to_managed, vim_type


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("VirtualMachine", vim.VirtualMachine),
        ("DistributedVirtualPortgroup", vim.dvs.DistributedVirtualPortgroup),
        ("VmwareDistributedVirtualSwitch", vim.dvs.VmwareDistributedVirtualSwitch),
        ("StoragePod", vim.StoragePod),
        ("Task", vim.Task),
    ],
)
def test_a_type_is_known_by_the_name_in_the_api_reference(name: str, kind: type) -> None:
    assert vim_type(name) is kind


def test_a_type_that_nobody_knows_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        vim_type("VirtualMaschine")


def test_a_reference_becomes_an_object_that_can_stand_in_a_spec() -> None:
    folder = to_managed(Ref("Folder", "group-v1"))
    assert isinstance(folder, vim.Folder)
    assert folder._moId == "group-v1"
    assert vim.vm.RelocateSpec(folder=folder).folder is folder
    assert to_managed(None) is None


def test_a_fault_has_its_type_and_its_text() -> None:
    known = to_fault("NoPermission", "No.")
    assert isinstance(known, vim.fault.NoPermission)
    assert known.msg == "No."
    unknown = to_fault("QuantumFlux", "Too high.")
    assert type(unknown) is vmodl.MethodFault
    assert unknown.msg == "Too high. (QuantumFlux)"
