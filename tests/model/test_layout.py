"""Which folders hold images and nodes, and which datacenter is meant."""

from __future__ import annotations

import pytest

from libcloud_vsphere_clone.errors import AmbiguousNameError, InvalidRequestError, NotFoundError
from libcloud_vsphere_clone.model.layout import (
    FolderNames,
    find_folder,
    find_group_folder,
    find_layout,
    group_name,
    images_folder,
)
from libcloud_vsphere_clone.model.tree import Tree
from libcloud_vsphere_clone.vcenter.rows import Ref, Row
from tests.by_hand import (
    DATACENTER,
    GROUP,
    IMAGES,
    ROOT,
    VM_FOLDER,
    build_folder,
    build_tree,
    build_vm,
)

OTHER = Row(Ref("Datacenter", "datacenter-2"), {"name": "far", "parent": ROOT, "vmFolder": Ref("Folder", "group-v20")})
OTHER_VMS = Row(Ref("Folder", "group-v20"), {"name": "vm", "parent": OTHER.ref})
OTHER_IMAGES = build_folder("group-v21", "jclouds-images", OTHER_VMS.ref)
ORG, ORG_IMAGES = (
    build_folder("group-v30", "org"),
    build_folder("group-v31", "jclouds-images", Ref("Folder", "group-v30")),
)

NAMES = FolderNames()


def test_groups_are_beside_the_images() -> None:
    layout = find_layout(build_tree(), FolderNames())
    assert (layout.datacenter, layout.vm_folder) == (DATACENTER, VM_FOLDER)
    assert (layout.images_folder, layout.nodes_folder) == (IMAGES, VM_FOLDER)


def test_groups_are_beside_images_further_down_as_well() -> None:
    layout = find_layout(build_tree(None, ORG, ORG_IMAGES), FolderNames(images="org/jclouds-images"))
    assert (layout.images_folder, layout.nodes_folder) == (ORG_IMAGES.ref, ORG.ref)


@pytest.mark.parametrize("images", ["jclouds-images/", "/jclouds-images", "//jclouds-images//"])
def test_stray_slashes_change_nothing(images: str) -> None:
    assert find_layout(build_tree(), FolderNames(images=images)) == find_layout(build_tree(), FolderNames())


def test_the_nodes_folder_may_be_named() -> None:
    assert find_layout(build_tree(), FolderNames(nodes="libcloud")).nodes_folder == GROUP
    assert find_layout(build_tree(), FolderNames(nodes="")).nodes_folder == VM_FOLDER
    assert find_layout(build_tree(), FolderNames(nodes="none/such")).nodes_folder is None


@pytest.mark.parametrize("images", ["", "/"])
def test_without_an_images_folder_everything_would_be_an_image(images: str) -> None:
    with pytest.raises(InvalidRequestError, match="ex_images_folder"):
        FolderNames(images=images)


@pytest.mark.parametrize("nodes", ["jclouds-images", "jclouds-images/", "jclouds-images/nodes"])
def test_nodes_among_the_images_would_be_images(nodes: str) -> None:
    with pytest.raises(InvalidRequestError, match="ex_nodes_folder"):
        FolderNames(nodes=nodes)


def test_a_nodes_folder_that_only_begins_like_the_images_folder_is_none_of_it() -> None:
    assert FolderNames(nodes="jclouds-images-2").nodes == "jclouds-images-2"


def test_of_several_datacenters_the_one_with_images() -> None:
    assert find_layout(build_tree(None, OTHER, OTHER_VMS), FolderNames()).datacenter == DATACENTER


def test_several_datacenters_with_images_need_a_name() -> None:
    tree = build_tree(None, OTHER, OTHER_VMS, OTHER_IMAGES)
    with pytest.raises(AmbiguousNameError) as caught:
        find_layout(tree, FolderNames())
    assert set(caught.value.paths) == {"/lab-dc", "/far"}
    assert find_layout(tree, FolderNames("far")).images_folder == OTHER_IMAGES.ref


def test_of_two_datacenters_of_one_name_each_has_its_path() -> None:
    east = build_folder("group-d2", "east", ROOT)
    twin = Row(OTHER.ref, {**OTHER, "name": "lab-dc", "parent": east.ref})
    tree = build_tree(None, east, twin, OTHER_VMS, OTHER_IMAGES)
    with pytest.raises(AmbiguousNameError) as caught:
        find_layout(tree, FolderNames("lab-dc"))
    assert set(caught.value.paths) == {"/lab-dc", "/east/lab-dc"}
    found = [find_layout(tree, FolderNames(path)).datacenter for path in (*caught.value.paths, "east/lab-dc")]
    assert set(found[:2]) == {DATACENTER, OTHER.ref}
    assert found[2] == OTHER.ref


def test_a_datacenter_that_is_not_there() -> None:
    with pytest.raises(NotFoundError, match="lab-dc"):
        find_layout(build_tree(), FolderNames("nowhere"))
    with pytest.raises(NotFoundError, match="none is visible"):
        find_layout(Tree({}), FolderNames())


def test_no_images_folder_is_said_when_it_is_needed() -> None:
    names = FolderNames(images="none")
    with pytest.raises(NotFoundError, match="ex_images_folder"):
        images_folder(find_layout(build_tree(), names), names)


def test_a_folder_with_a_slash_in_its_name() -> None:
    slash, inner = build_folder("group-v9", "a%2fb"), build_folder("group-v10", "c", Ref("Folder", "group-v9"))
    tree = build_tree(None, slash, inner)
    assert find_folder(tree, VM_FOLDER, "a%2fb/c") == inner.ref
    assert find_folder(tree, VM_FOLDER, "a/b/c") is None


def test_a_group_is_the_folder_of_a_node() -> None:
    tree = build_tree(None, slash := build_folder("group-v9", "a%2fb"))
    layout = find_layout(tree, FolderNames())
    assert group_name(tree, layout, build_vm("vm-9", "web")) == "libcloud"
    assert group_name(tree, layout, build_vm("vm-9", "web", slash.ref)) == "a/b"
    assert group_name(tree, layout, build_vm("vm-9", "web", VM_FOLDER)) is None


def test_a_folder_further_down_is_no_group_of_its_name() -> None:
    old = build_folder("group-v9", "old%2f")
    twin = build_folder("group-v10", "libcloud", old.ref)
    tree = build_tree(None, old, twin)
    layout = find_layout(tree, FolderNames())
    assert group_name(tree, layout, build_vm("vm-9", "web", twin.ref)) == "old%2f/libcloud"
    layout = find_layout(tree, FolderNames(nodes="old%2f"))
    assert group_name(tree, layout, build_vm("vm-9", "web", twin.ref)) == "libcloud"


def test_a_group_is_found_by_its_name_as_people_write_it() -> None:
    tree = build_tree(None, slash := build_folder("group-v9", "a%2fb"))
    layout = find_layout(tree, NAMES)
    assert find_group_folder(tree, layout, "libcloud") == GROUP
    assert find_group_folder(tree, layout, "a/b") == slash.ref
    assert find_group_folder(tree, layout, "a%2fb") is None
    assert find_group_folder(tree, layout, "none") is None


def test_the_images_folder_is_no_group() -> None:
    tree = build_tree()
    with pytest.raises(InvalidRequestError, match="is the images folder"):
        find_group_folder(tree, find_layout(tree, NAMES), "jclouds-images")


@pytest.mark.parametrize("name", ["", "x" * 81])
def test_a_group_needs_a_name_that_vcenter_takes(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="group"):
        find_group_folder(build_tree(), find_layout(build_tree(), NAMES), name)


def test_the_layouts_folder_is_the_vm_folder() -> None:
    assert find_layout(build_tree(), NAMES).nodes_folder == VM_FOLDER
