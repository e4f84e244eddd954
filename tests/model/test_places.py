"""Clusters, pools, datastores and networks: listed, named by their paths, and found one at a time."""

from __future__ import annotations

import pytest

from libcloud_vsphere_clone.errors import AmbiguousNameError, NotFoundError
from libcloud_vsphere_clone.model.places import (
    PLACE_PATHS,
    find_one,
    list_clusters,
    list_networks,
    list_resource_pools,
    pool_path,
)
from libcloud_vsphere_clone.vcenter.properties import supported_paths
from libcloud_vsphere_clone.vcenter.rows import Ref, Row
from tests.by_hand import (
    ALONE,
    DATACENTER,
    DRS,
    NETWORK_FOLDER,
    NO_DRS,
    SHARED_1,
    SHARED_2,
    VM_NETWORK,
    WEB,
    build_tree,
)


def test_lists_are_of_one_datacenter_and_in_order() -> None:
    elsewhere = Row(Ref("Network", "network-9"), {"name": "VM Network", "parent": Ref("Folder", "group-n9")})
    tree = build_tree(None, elsewhere)
    assert [row.ref for row in list_clusters(tree, DATACENTER)] == [DRS, NO_DRS, ALONE]
    assert [row.ref for row in list_networks(tree, DATACENTER)] == [VM_NETWORK, WEB]


def test_pools_are_named_by_their_path_below_the_root_pool() -> None:
    tree = build_tree()
    assert [pool_path(tree, pool) for pool in list_resource_pools(tree, DRS)] == ["tenants", "tenants/tenant-a"]
    assert list_resource_pools(tree, ALONE) == []


def test_one_by_id_name_escaped_name_or_path() -> None:
    slash = Row(Ref("Network", "network-9"), {"name": "dmz%2f1", "parent": NETWORK_FOLDER})
    tree = build_tree(None, slash)
    rows = list_networks(tree, DATACENTER)
    for wanted in ("network-9", "dmz/1", "dmz%2f1", "lab-dc/network/dmz%2f1"):
        assert find_one(tree, "network", wanted, rows) is slash


def test_none_and_many_are_two_errors_and_each_says_what_there_is() -> None:
    twin = Row(Ref("Network", "network-9"), {"name": "dvpg-web", "parent": NETWORK_FOLDER})
    tree = build_tree(None, twin)
    rows = list_networks(tree, DATACENTER)
    with pytest.raises(NotFoundError, match="VM Network, dvpg-web") as none:
        find_one(tree, "network", "dmz", rows)
    assert (none.value.kind, none.value.name) == ("network", "dmz")
    with pytest.raises(AmbiguousNameError) as many:
        find_one(tree, "network", "dvpg-web", rows)
    assert {"network-9" in path or "dvportgroup-1" in path for path in many.value.paths} == {True}
    assert find_one(tree, "network", "dvportgroup-1", rows).ref == WEB
    with pytest.raises(NotFoundError, match="none"):
        find_one(tree, "network", "dmz", [])


def test_datastores_of_equal_names_in_two_folders_are_told_by_path() -> None:
    deeper = Row(Ref("Folder", "group-s2"), {"name": "old", "parent": Ref("Folder", "group-s1")})
    tree = build_tree({SHARED_2: {"name": "shared-1", "parent": deeper.ref}}, deeper)
    rows = [tree.rows[SHARED_1], tree.rows[SHARED_2]]
    with pytest.raises(AmbiguousNameError) as caught:
        find_one(tree, "datastore", "shared-1", rows)
    assert set(caught.value.paths) == {"lab-dc/datastore/shared-1", "lab-dc/datastore/old/shared-1"}
    assert find_one(tree, "datastore", "lab-dc/datastore/old/shared-1", rows).ref == SHARED_2


@pytest.mark.parametrize("kind", PLACE_PATHS)
def test_every_path_exists_in_the_api(kind: str) -> None:
    if kind == "ComputeResource":
        assert "configurationEx" in supported_paths(kind, PLACE_PATHS[kind], "vim.version.v8_0_3_0")
    assert list(PLACE_PATHS[kind]) == supported_paths(kind, PLACE_PATHS[kind], "vim.version.v8_0_3_0")
