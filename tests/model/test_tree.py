"""Names, paths and parents in a tree of rows."""

from __future__ import annotations

from libcloud_vsphere_clone.vcenter.rows import Ref, Row
from tests.by_hand import DRS, GROUP, HOST_1, IMAGES, ROOT, VM_FOLDER, build_folder, build_tree, build_vm, changed

APP = Row(Ref("VirtualApp", "resgroup-v9"), {"name": "shop", "parentFolder": GROUP})


def test_paths_have_vcenters_escapes_and_names_have_none() -> None:
    slash = build_folder("group-v9", "a%2fb")
    vm = build_vm("vm-9", "50%25", slash.ref)
    tree = build_tree(None, slash)
    assert tree.path(vm) == "lab-dc/vm/a%2fb/50%25"
    assert tree.path(vm, VM_FOLDER) == "a%2fb/50%25"
    assert tree.name(slash.ref) == "a/b"


def test_what_is_not_visible_has_no_name() -> None:
    assert build_tree().name(None) is None
    assert build_tree().name(Ref("Folder", "group-v404")) is None


def test_a_path_ends_where_the_user_sees_no_further() -> None:
    hidden = build_folder("group-v9", "mine", Ref("Folder", "group-v404"))
    assert build_tree(None, hidden).path(build_vm("vm-9", "web", hidden.ref)) == "mine/web"


def test_below_is_at_any_depth_and_not_the_folder_itself() -> None:
    archive = build_folder("group-v9", "archive", IMAGES)
    tree = build_tree(None, archive)
    vm = build_vm("vm-9", "old", archive.ref)
    assert tree.is_below(vm, IMAGES)
    assert tree.is_below(vm, ROOT)
    assert not tree.is_below(vm, GROUP)
    assert not tree.is_below(vm, None)
    assert not tree.is_below(tree.rows[IMAGES], IMAGES)


def test_a_vm_in_a_vapp_is_where_its_vapp_is() -> None:
    vm = changed(build_vm("vm-9", "web"), {"parent": None, "parentVApp": APP.ref})
    tree = build_tree(None, APP)
    assert tree.parent(vm) == GROUP
    assert tree.path(vm) == "lab-dc/vm/libcloud/web"


def test_a_vapp_that_also_is_read_as_a_pool_stays_in_its_folder() -> None:
    both = changed(APP, {"parent": Ref("ResourcePool", "resgroup-1")})
    vm = changed(build_vm("vm-9", "web"), {"parent": None, "parentVApp": APP.ref})
    assert build_tree(None, both).parent(vm) == GROUP


def test_a_vapp_in_a_vapp_is_where_the_outer_one_is() -> None:
    inner = Row(Ref("VirtualApp", "resgroup-v10"), {"name": "db", "parentVApp": APP.ref})
    vm = changed(build_vm("vm-9", "web"), {"parent": None, "parentVApp": inner.ref})
    assert build_tree(None, APP, inner).is_below(vm, GROUP)


def test_the_cluster_of_a_host() -> None:
    assert build_tree().cluster(HOST_1) == DRS
    assert build_tree().cluster(None) is None
    assert build_tree().cluster(Ref("HostSystem", "host-404")) is None


def test_children_are_of_one_type_and_direct() -> None:
    deeper = build_folder("group-v9", "archive", IMAGES)
    assert [row.ref for row in build_tree(None, deeper).children(VM_FOLDER, "Folder")] == [IMAGES, GROUP]
