"""One VM by its id, with and without a hint, and what that costs."""

from __future__ import annotations

import re

import pytest

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.errors import NotFoundError
from libcloud_vsphere_clone.inventory.lookup import find_vm_by_uuid, locate_vm
from libcloud_vsphere_clone.lab import Lab
from tests.direct import Direct


@pytest.mark.parametrize(("hinted", "calls"), [(True, 1), (False, 2)])
def test_a_hint_saves_a_round_trip(
    bare_lab: Lab, driver: VsphereCloneNodeDriver, direct: Direct, hinted: bool, calls: int
) -> None:
    vm = direct.find("vm/legacy/legacy-db")
    uuid: str = direct.read(vm, "config.instanceUuid")
    driver.list_nodes()  # makes the view
    driver.ex_get_node(uuid)
    bare_lab.reset_calls()
    row, tree = find_vm_by_uuid(driver._session, "node", uuid, ("name",), moid=vm._moId if hinted else None)
    assert bare_lab.calls().total == calls
    assert (row.ref.moid, row["name"], tree.rows[row.ref]) == (vm._moId, "legacy-db", row)


@pytest.mark.parametrize("moid", [None, "vm-99999"])
@pytest.mark.parametrize("vm_id", ["00000000-0000-4000-8000-000000004242", "no id at all", "vm-99999"])
def test_an_id_that_nothing_has(driver: VsphereCloneNodeDriver, moid: str | None, vm_id: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        find_vm_by_uuid(driver._session, "node", vm_id, ("name",), moid=moid)
    assert (caught.value.kind, caught.value.name) == ("node", vm_id)


@pytest.mark.parametrize(("what", "verb"), [("node", "ex_get_node(name="), ("image", "ex_get_image_by_name(")])
def test_a_name_in_place_of_an_id(driver: VsphereCloneNodeDriver, what: str, verb: str) -> None:
    with pytest.raises(NotFoundError, match=re.escape(verb)):
        find_vm_by_uuid(driver._session, what, "debian-12", ("name",))


def test_a_vm_is_located_by_its_uuid(driver: VsphereCloneNodeDriver, direct: Direct) -> None:
    vm = direct.find("vm/legacy/legacy-db")
    found = locate_vm(driver._session, str(direct.read(vm, "config.instanceUuid")))
    assert found is not None
    assert found.moid == vm._moId
    assert locate_vm(driver._session, "00000000-0000-4000-8000-000000004242") is None
