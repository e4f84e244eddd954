"""Bulk reads: how many calls they take, and what they make of a session that ended meanwhile."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from pyVmomi import VmomiSupport, vim, vmodl

import libcloud_vsphere_clone.inventory as inventory
from libcloud_vsphere_clone.errors import TaskError, VsphereError
from libcloud_vsphere_clone.guest import readiness as running
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model.vm import NODE_PATHS
from libcloud_vsphere_clone.operations import power as lifecycle
from libcloud_vsphere_clone.plan import clone
from libcloud_vsphere_clone.vcenter import jobs, properties
from libcloud_vsphere_clone.vcenter.pages import read_page
from libcloud_vsphere_clone.vcenter.properties import (
    build_property_specs,
    fetch_row,
    fetch_rows,
    iterate_rows,
    stream,
    supported_paths,
)
from libcloud_vsphere_clone.vcenter.rows import TYPE_KEY, Ref, Row
from libcloud_vsphere_clone.vcenter.session import Session
from libcloud_vsphere_clone.vcenter.stub import stub_version

from .conftest import Connect

PATHS = {"VirtualMachine": ("name",)}
FOLDERS = {"Folder": ("name", "parent")}
NO_VM = Ref("VirtualMachine", "vm-99999")
NEWEST = str(VmomiSupport.GetServiceVersions("vim25")[0])
VERSION_6_5 = str(stub_version("6.5"))


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server sends two objects a page."""
    options = vmodl.query.PropertyCollector.RetrieveOptions
    monkeypatch.setattr(properties._Collector, "RetrieveOptions", lambda: options(maxObjects=2))


def find(rows: dict[Ref, Row], name: str) -> Ref:
    (ref,) = [ref for ref, row in rows.items() if row["name"] == name]
    return ref


def path_constants() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Every constant of property paths in the package, by type."""
    listed = [
        importlib.import_module(f"{inventory.__name__}.{info.name}")
        for info in pkgutil.iter_modules(inventory.__path__)
    ]
    for module in (*listed, running, lifecycle, clone, jobs):
        for name, value in vars(module).items():
            if name.endswith("_PATHS"):
                kind = "Task" if module is jobs else "VirtualMachine"
                for of, paths in (value if isinstance(value, dict) else {kind: value}).items():
                    yield f"{module.__name__}.{name}[{of}]", of, tuple(paths)


CONSTANTS = {where: (kind, paths) for where, kind, paths in path_constants()}


@pytest.mark.parametrize("where", CONSTANTS)
def test_every_path_exists(where: str) -> None:
    kind, paths = CONSTANTS[where]
    assert supported_paths(kind, paths, NEWEST) == list(paths)


def test_the_constants_were_found() -> None:
    assert sum(len(paths) for _, paths in CONSTANTS.values()) > 60
    assert {kind for kind, _ in CONSTANTS.values()} >= {"VirtualMachine", "Folder", "HostSystem", "Datastore", "Task"}


def test_paths_that_an_old_server_lacks_are_left_out() -> None:
    paths = ("name", "config.createDate", 'config.extraConfig["libcloud.id"].value')
    assert supported_paths("VirtualMachine", paths, VERSION_6_5) == [paths[0], paths[2]]
    assert supported_paths("VirtualMachine", paths, NEWEST) == list(paths)


def test_a_path_that_nobody_knows_is_a_mistake() -> None:
    for path in ("nmae", "config.nmae", 'config.extraConfig["x"].nmae'):
        with pytest.raises(AttributeError):
            supported_paths("VirtualMachine", [path], NEWEST)


def test_specs_speak_the_sessions_version(connect: Connect) -> None:
    old = connect(api_version="6.5")
    (spec,) = build_property_specs(old, {"VirtualMachine": NODE_PATHS})
    assert "config.createDate" in NODE_PATHS
    assert "config.createDate" not in spec.pathSet
    assert fetch_rows(old, {"VirtualMachine": NODE_PATHS})


def test_a_listing_is_one_call_with_a_kept_view(calm_lab: Lab, session: Session) -> None:
    fetch_rows(session, {**PATHS, **FOLDERS})
    calm_lab.reset_calls()
    rows = fetch_rows(session, {**FOLDERS, **PATHS})
    assert {ref.kind for ref in rows} >= {"VirtualMachine", "Folder"}
    assert calm_lab.calls().by_method == {"RetrievePropertiesEx": 1}


def test_rows_say_the_same_as_pyvmomi(session: Session) -> None:
    """pyVmomi's deserialiser is the judge, over every VM and every path that a listing reads."""
    rows = fetch_rows(session, {"VirtualMachine": NODE_PATHS})
    collector: Any = session.content.propertyCollector
    spec = vmodl.query.PropertyCollector.FilterSpec(
        objectSet=[vmodl.query.PropertyCollector.ObjectSpec(obj=session.managed(*ref)) for ref in rows],
        propSet=build_property_specs(session, {"VirtualMachine": NODE_PATHS}),
    )
    judged = {content.obj._moId: content for content in collector.RetrieveContents([spec])}
    assert len(judged) == len(rows) >= 7
    for ref, row in rows.items():
        expected = {prop.name: to_plain(prop.val) for prop in judged[ref.moid].propSet}
        assert {path: comparable(value) for path, value in row.items()} == expected


def to_plain(value: Any) -> Any:
    """A pyVmomi value as text, as far as rows keep it."""
    if isinstance(value, VmomiSupport.ManagedObject):
        return (type(value)._wsdlName, value._moId)
    if isinstance(value, list):
        return [to_plain(item) for item in value]
    if isinstance(value, vmodl.DynamicData):
        names = [info.name for info in value._GetPropertyList()]
        fields = {name: to_plain(getattr(value, name)) for name in names if getattr(value, name) not in (None, [])}
        return {name: one[0] if isinstance(one, list) and len(one) == 1 else one for name, one in fields.items()}
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat()[:19]
    return str(value).lower() if isinstance(value, bool) else str(value)


def comparable(value: Any) -> Any:
    """A row's value as text: a row does not tell a field's list of one from its only item."""
    if isinstance(value, Ref):
        return tuple(value)
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, dict):
        return {name: comparable(item) for name, item in value.items() if name != TYPE_KEY and item != ""}
    if isinstance(value, str) and value[10:11] == "T" and value[4:5] == "-":
        return value[:19]
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_objects_are_read_beside_the_types(session: Session) -> None:
    vm = find(fetch_rows(session, PATHS), "debian-12")
    rows = fetch_rows(session, {**PATHS, **FOLDERS}, objects=[vm, NO_VM], everywhere=FOLDERS)
    assert [ref for ref in rows if ref.kind == "VirtualMachine"] == [vm]
    assert len(rows) > 3


def test_a_folder_is_read_with_its_subfolders_only(session: Session) -> None:
    folder = find(fetch_rows(session, FOLDERS), "jclouds-images")
    names = {row["name"] for row in fetch_rows(session, PATHS, below=folder).values()}
    assert names == {"debian-12", "debian-12-static", "debian-11"}


def test_nothing_to_read_is_no_call(calm_lab: Lab, session: Session) -> None:
    calm_lab.reset_calls()
    assert fetch_rows(session, PATHS, objects=[], everywhere=()) == {}
    assert calm_lab.calls().total == 0


def test_one_that_is_gone_has_no_row(session: Session) -> None:
    vm = find(fetch_rows(session, PATHS), "debian-12")
    assert fetch_row(session, vm, ("name",)) == {"name": "debian-12"}
    assert fetch_row(session, NO_VM, ("name",)) is None


def test_pages_are_joined(calm_lab: Lab, session: Session, small_pages: None) -> None:
    paged = fetch_rows(session, FOLDERS)
    assert calm_lab.calls().by_method["ContinueRetrievePropertiesEx"] == (len(paged) - 1) // 2
    view = session.view({"Folder"})
    assert len(paged) == len(view.view)


def test_a_page_whose_reply_is_lost_is_asked_for_again_or_the_read_begins_anew(
    calm_lab: Lab, session: Session, small_pages: None
) -> None:
    whole = fetch_rows(session, FOLDERS)
    calm_lab.faults.add("ContinueRetrievePropertiesEx", when="reset-before")
    assert fetch_rows(session, FOLDERS) == whole


def test_a_session_that_ends_between_two_pages_costs_a_second_read(
    calm_lab: Lab, session: Session, small_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fetch_rows(session, FOLDERS)
    ends = iter([False, True])

    def expire_then_stream(*arguments: Any) -> Any:
        if next(ends, False):
            calm_lab.expire_sessions()
        return stream(*arguments)

    monkeypatch.setattr(properties, "stream", expire_then_stream)
    assert fetch_rows(session, FOLDERS) == whole


def test_an_ended_session_is_no_empty_inventory(calm_lab: Lab, session: Session) -> None:
    vms = fetch_rows(session, PATHS)
    folder = find(fetch_rows(session, FOLDERS), "jclouds-images")
    images = fetch_rows(session, PATHS, below=folder)
    vm = find(vms, "debian-12")
    calm_lab.expire_sessions(silent=True)
    assert fetch_rows(session, PATHS) == vms
    calm_lab.expire_sessions(silent=True)
    assert fetch_rows(session, PATHS, below=folder) == images
    calm_lab.expire_sessions(silent=True)
    assert fetch_row(session, vm, ("name",)) == vms[vm]


def test_a_server_that_says_nothing_at_all_is_asked_whether_the_session_lives(
    calm_lab: Lab, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers leave out even what is missing; the lab never does, so its replies are emptied here."""
    vms = fetch_rows(session, PATHS)
    read = read_page
    generation = session.stub.generation

    def nothing_without_a_session(reply: Any) -> Any:
        page = read(reply)
        return page._replace(rows=[], unauthenticated=False) if session.stub.generation == generation else page

    monkeypatch.setattr(properties, "read_page", nothing_without_a_session)
    calm_lab.expire_sessions(silent=True)
    assert fetch_row(session, find(vms, "debian-12"), ("name",)) == {"name": "debian-12"}
    assert session.stub.generation == generation + 1


def test_an_inventory_that_is_empty_is_asked_for_twice_at_most(calm_lab: Lab, session: Session) -> None:
    session.view({"VirtualApp"})
    calm_lab.reset_calls()
    assert fetch_rows(session, {"VirtualApp": ("name",)}) == {}
    assert calm_lab.calls().by_method == {"RetrievePropertiesEx": 2, "CurrentTime": 1}


def test_no_view_is_left_behind_by_many_reads(calm_lab: Lab, session: Session) -> None:
    for _ in range(5):
        fetch_rows(session, PATHS)
        fetch_row(session, NO_VM, ("name",))
        fetch_rows(session, {"VirtualApp": ("name",)})
    assert calm_lab.control.leftovers().views == 2


def test_a_fault_in_place_of_rows_is_raised(calm_lab: Lab, session: Session) -> None:
    calm_lab.faults.add("RetrievePropertiesEx", fault="InvalidProperty", fields={"name": "nmae"})
    with pytest.raises(
        TaskError, match=r"could not read the inventory of 127\.0\.0\.1:\d+: .*InvalidProperty"
    ) as caught:
        fetch_rows(session, PATHS)
    assert isinstance(caught.value.fault, vmodl.query.InvalidProperty)


def test_a_vm_without_config_has_the_rest(calm_lab: Lab, session: Session) -> None:
    vm = find(fetch_rows(session, PATHS), "legacy-db")
    calm_lab.control.change_vm(vm.moid, {"runtime.connectionState": "orphaned"}, drop_config=True)
    try:
        row = fetch_row(session, vm, NODE_PATHS)
        assert row is not None
        assert row["name"] == "legacy-db"
        assert not [path for path in row if path.startswith("config.")]
    finally:
        calm_lab.control.change_vm(vm.moid, {"runtime.connectionState": "connected"}, drop_config=False)


def test_stream_gives_what_parse_makes(session: Session) -> None:
    spec = vmodl.query.PropertyCollector.FilterSpec(
        objectSet=[vmodl.query.PropertyCollector.ObjectSpec(obj=session.content.rootFolder)],
        propSet=[vmodl.query.PropertyCollector.PropertySpec(type=vim.Folder, pathSet=["name"])],
    )
    arguments = [[spec], vmodl.query.PropertyCollector.RetrieveOptions()]
    page = stream(session, "RetrievePropertiesEx", session.content.propertyCollector, arguments, read_page)
    assert page.rows == [{"name": "Datacenters"}]


# One by one


@pytest.mark.usefixtures("small_pages")
def test_rows_come_one_by_one_over_all_pages(calm_lab: Lab, session: Session) -> None:
    expected = fetch_rows(session, {"VirtualMachine": ("name",)}, everywhere=("VirtualMachine", "Folder"))
    calm_lab.reset_calls()
    rows = list(iterate_rows(session, {"VirtualMachine": ("name",)}, everywhere=("VirtualMachine", "Folder")))
    assert {row.ref: row for row in rows} == expected
    assert len(rows) == len(expected)
    pages = -(-len(rows) // 2)
    assert calm_lab.calls().by_method == {"RetrievePropertiesEx": 1, "ContinueRetrievePropertiesEx": pages - 1}


@pytest.mark.usefixtures("small_pages")
def test_a_page_that_is_lost_with_its_session_is_an_error(calm_lab: Lab, session: Session) -> None:
    rows = iterate_rows(session, FOLDERS, everywhere=FOLDERS)
    next(rows)
    calm_lab.faults.add("ContinueRetrievePropertiesEx", fault="InvalidProperty")
    with pytest.raises(VsphereError, match="read the inventory of"):
        list(rows)
    assert len(list(iterate_rows(session, FOLDERS, everywhere=FOLDERS))) > 5
