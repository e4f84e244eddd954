"""What the document of privileges says is so: its rows are the calls that are made, and what these need."""

from __future__ import annotations

import re
from typing import Any

import pytest
from libcloud.compute.base import NodeAuthPassword
from libcloud.compute.ssh import SSHCommandTimeoutError
from pyVmomi import VmomiSupport, vim, vmodl

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab
from tests.direct import Direct
from tests.documents import ROOT

PRIVILEGES = ROOT / "contrib/privileges.md"


def table_rows(width: int) -> list[list[str]]:
    """The rows of this many columns in the privileges document, without headings and their rules."""
    lines = [line for line in PRIVILEGES.read_text().splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if len(row) == width and any("`" in cell for cell in row)]


CHANGES = [[re.sub("`", "", cell) for cell in row] for row in table_rows(5)]
"""[call, API method, privilege, object, condition] of all that changes something."""

READS = {method for row in table_rows(3) for method in re.findall(r"`(\w+)`", row[2])}
"""The API methods that every call may use."""


def test_privilege_ids_exist(direct: Direct) -> None:
    roles = direct.read(direct.content.authorizationManager, "roleList")
    known = {privilege for role in roles for privilege in role.privilege}
    named = set(re.findall(r"`([A-Z]\w+(?:\.[A-Z]\w+)+)`", PRIVILEGES.read_text()))
    assert len(named) > 20
    assert named - known == set()


def test_the_roles_have_what_the_tables_say() -> None:
    text = PRIVILEGES.read_text().replace("\\\n", " ")
    roles = {line.split()[2]: line.split()[3:] for line in text.splitlines() if line.startswith("govc role.create ")}
    on_vcenter = {row[2] for row in CHANGES if row[3] == "the vCenter"}
    assert roles["libcloud-vcenter"] == sorted(on_vcenter)
    assert roles["libcloud-nodes"] == sorted({row[2] for row in CHANGES} - on_vcenter)


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: f"{row[0]}-{row[2]}")
def test_privilege_is_the_one_that_pyvmomi_knows(row: list[str]) -> None:
    """pyVmomi carries the reference's privileges, where they are fixed for the method or its parameters."""
    call, method, privilege, *_ = row
    assert hasattr(VsphereCloneNodeDriver, call)
    info = api_method(method)
    fixed = {info.privId, *(parameter.privId for parameter in info.params)} - {None, "System.View", "System.Read"}
    assert not fixed or privilege in fixed


def api_method(name: str) -> Any:
    """pyVmomi's description of the method of this name on the wire."""
    inside = (vim.vm.guest.AuthManager, vim.vm.guest.FileManager, vim.vm.guest.ProcessManager)
    beside = (vim.ManagedEntity, vim.Folder, vim.Datacenter, vim.Task, vim.CustomizationSpecManager)
    for kind in (vim.VirtualMachine, *beside, *inside):
        for info in methods_of(kind):
            if info.wsdlName == name:
                return info
    raise AssertionError(f"no API method {name}")


def methods_of(kind: Any) -> list[Any]:
    """pyVmomi's descriptions of a type's own methods; it loads a type when it is asked for by name."""
    return list(VmomiSupport.GetVmodlType(kind.__name__)._methodInfo.values())


def test_every_call_that_changes_something_has_its_row(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    sent = {}
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    node = driver.create_node("privileged", None, image, ex_group="a group that is new", ex_power_on=False)
    for call in ("create_node", "start_node", "reboot_node", "stop_node", "destroy_node"):
        if call != "create_node":
            getattr(driver, call)(node)
        sent[call] = set(bare_lab.calls().by_method) - READS
        bare_lab.reset_calls()
    listed = {call: {row[1] for row in CHANGES if row[0] == call} for call in sent}
    assert {call: methods - listed[call] for call, methods in sent.items() if methods - listed[call]} == {}


def test_every_call_for_groups_has_its_row(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    listed = {call: {row[1] for row in CHANGES if row[0] == call} for call in {row[0] for row in CHANGES}}
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    driver.ex_create_nodes_in_group("privileged", 3, None, image, ex_max_in_flight=1)
    sent = set(bare_lab.calls().by_method) - READS
    assert sent <= listed["create_node"] | listed["ex_create_nodes_in_group"]
    bare_lab.reset_calls()
    driver.ex_destroy_group("privileged", ex_remove_folder=True)
    assert set(bare_lab.calls().by_method) - READS <= listed["ex_destroy_group"]


def test_configuring_an_image_has_its_rows(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    driver.ex_configure_image(image, username="")
    listed = {row[1] for row in CHANGES if row[0] == "ex_configure_image"}
    assert set(bare_lab.calls().by_method) - READS == listed


def test_typing_has_its_rows(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    node = driver.create_node("typed", None, driver.ex_get_image_by_name("debian-12"))
    bare_lab.reset_calls()
    driver.ex_open_session(node, "keyboard").run("true")
    listed = {row[1] for row in CHANGES if row[0] == "ex_open_session"}
    assert set(bare_lab.calls().by_method) - READS <= listed


@pytest.mark.guests
def test_guest_operations_have_their_rows(tidy_lab: Lab) -> None:
    listed = {row[1] for row in CHANGES if row[0] == "ex_open_session"}
    password = NodeAuthPassword("vsphere-lab")
    with tidy_lab.driver() as driver:
        node = driver.create_node("asked", None, driver.ex_get_image_by_name("debian-12-static"))
        tidy_lab.reset_calls()
        session = driver.ex_open_session(node, "tools", auth=password)
        path = session.put("new folder/file", "text")
        with pytest.raises(SSHCommandTimeoutError):
            session.run("sleep 30", timeout=0.5)
        session.delete(path)
        assert set(tidy_lab.calls().by_method) - READS <= listed
        driver.destroy_node(node)


def test_reads_need_what_the_document_says(bare_lab: Lab) -> None:
    bare_lab.reset_calls()
    with bare_lab.driver() as driver:
        for listing in (driver.list_images, driver.list_nodes, driver.list_locations, driver.ex_list_groups):
            listing()
    assert set(bare_lab.calls().by_method) - READS == set()


def test_reading_privileges_are_those_that_pyvmomi_knows() -> None:
    kinds = (vmodl.query.PropertyCollector, vim.SearchIndex, vim.view.View, vim.view.ViewManager)
    others = (vim.view.ListView, vim.SessionManager, vim.ServiceInstance, vim.event.EventManager, vim.HistoryCollector)
    known = {info.wsdlName: info.privId for kind in (*kinds, *others) for info in methods_of(kind)}
    listed = {method: row[0].strip("`") for row in table_rows(3) for method in re.findall(r"`(\w+)`", row[2])}
    assert len(listed) > 10
    assert known["ResetListView"] is None  # pyVmomi says nothing of it; the reference does
    assert {method: known[method] or "System.View" for method in listed} == listed
