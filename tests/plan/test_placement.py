"""Where a clone goes, as a table of places by hand."""

from __future__ import annotations

from typing import Any

import pytest

from libcloud_vsphere_clone.errors import AmbiguousNameError, NoPlacementError, NotFoundError
from libcloud_vsphere_clone.plan.placement import (
    Placement,
    PlacementWish,
    Reservations,
    choose_placement,
    is_drs_automatic,
)
from libcloud_vsphere_clone.vcenter.rows import Ref, Row
from tests.by_hand import (
    ALONE,
    ALONE_POOL,
    DATACENTER,
    DRS,
    DRS_POOL,
    GIB,
    HOST_1,
    HOST_2,
    HOST_3,
    HOST_4,
    HOST_5,
    LOCAL_1,
    NO_DRS,
    NO_DRS_POOL,
    SHARED_1,
    SHARED_2,
    TENANT_A,
    TENANTS,
    VM_NETWORK,
    WEB,
    Changes,
    build_image,
    build_tree,
)

MAINTENANCE = {"runtime.inMaintenanceMode": True}
LOST = {"runtime.connectionState": "notResponding"}
MANUAL = {"configurationEx": {"drsConfig": {"enabled": "true", "defaultVmBehavior": "manual"}}}
PARTIAL = {"configurationEx": {"drsConfig": {"enabled": "true", "defaultVmBehavior": "partiallyAutomated"}}}
BUSY = {"summary.quickStats.overallMemoryUsage": 60 * 1024}
FULL = {"summary.freeSpace": 1 * GIB}
NO_WEB = {"network": [VM_NETWORK]}


def place(wish: PlacementWish | None = None, changes: Changes | None = None, **image: Any) -> Placement:
    return choose_placement(build_tree(changes), DATACENTER, build_image(image), wish or PlacementWish())


CHOICES: dict[str, tuple[PlacementWish, Changes, Placement]] = {
    "no wish: the image's cluster and datastore, DRS chooses the host": (
        PlacementWish(), {}, Placement(DRS, DRS_POOL, SHARED_1, None),
    ),
    "one host of a DRS cluster in maintenance changes nothing": (
        PlacementWish(), {HOST_1: MAINTENANCE}, Placement(DRS, DRS_POOL, SHARED_1, None),
    ),
    "partial automation places new VMs by itself": (
        PlacementWish(), {DRS: PARTIAL}, Placement(DRS, DRS_POOL, SHARED_1, None),
    ),
    "manual DRS only recommends, so a host is chosen": (
        PlacementWish(), {DRS: MANUAL, HOST_1: BUSY}, Placement(DRS, DRS_POOL, SHARED_1, HOST_2),
    ),
    "without DRS the host with most free memory": (
        PlacementWish("cluster-nodrs"), {HOST_3: BUSY}, Placement(NO_DRS, NO_DRS_POOL, SHARED_1, HOST_4),
    ),
    "without DRS a host in maintenance is none": (
        PlacementWish("cluster-nodrs"), {HOST_4: {**MAINTENANCE}, HOST_3: BUSY},
        Placement(NO_DRS, NO_DRS_POOL, SHARED_1, HOST_3),
    ),
    "without DRS a lost host is none": (
        PlacementWish("cluster-nodrs"), {HOST_3: LOST}, Placement(NO_DRS, NO_DRS_POOL, SHARED_1, HOST_4),
    ),
    "without DRS a host without the network is none": (
        PlacementWish("cluster-nodrs", networks=(WEB,)), {HOST_3: NO_WEB},
        Placement(NO_DRS, NO_DRS_POOL, SHARED_1, HOST_4),
    ),
    "without DRS the chosen host reaches the chosen datastore": (
        PlacementWish("cluster-nodrs", datastore="shared-2"), {HOST_3: {"datastore": [SHARED_1]}},
        Placement(NO_DRS, NO_DRS_POOL, SHARED_2, HOST_4),
    ),
    "a stand-alone host needs no host": (
        PlacementWish("esx-alone.lab"), {}, Placement(ALONE, ALONE_POOL, SHARED_1, None),
    ),
    "a stand-alone host's own datastore": (
        PlacementWish("esx-alone.lab", datastore="local-1"), {}, Placement(ALONE, ALONE_POOL, LOCAL_1, None),
    ),
    "a location by its id": (
        PlacementWish("domain-s1"), {}, Placement(ALONE, ALONE_POOL, SHARED_1, None),
    ),
    "a location by its path": (
        PlacementWish("lab-dc/host/cluster-drs"), {}, Placement(DRS, DRS_POOL, SHARED_1, None),
    ),
    "a full datastore gives way to the one with most room": (
        PlacementWish(needed_bytes=2 * GIB), {SHARED_1: FULL}, Placement(DRS, DRS_POOL, SHARED_2, None),
    ),
    "a datastore in maintenance gives way": (
        PlacementWish(), {SHARED_1: {"summary.maintenanceMode": "enteringMaintenance"}},
        Placement(DRS, DRS_POOL, SHARED_2, None),
    ),
    "an inaccessible datastore gives way": (
        PlacementWish(), {SHARED_1: {"summary.accessible": False}}, Placement(DRS, DRS_POOL, SHARED_2, None),
    ),
    "a pool by its name": (
        PlacementWish(resource_pool="tenant-a"), {}, Placement(DRS, TENANT_A, SHARED_1, None),
    ),
    "a pool by its path": (
        PlacementWish(resource_pool="tenants/tenant-a"), {}, Placement(DRS, TENANT_A, SHARED_1, None),
    ),
    "a pool of a name that other clusters have too": (
        PlacementWish("cluster-drs", resource_pool="tenants"), {}, Placement(DRS, TENANTS, SHARED_1, None),
    ),
    "a pool by its id": (
        PlacementWish(resource_pool="resgroup-12"), {}, Placement(DRS, TENANT_A, SHARED_1, None),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("wish", "changes", "expected"), CHOICES.values(), ids=CHOICES)
def test_choice(wish: PlacementWish, changes: Changes, expected: Placement) -> None:
    assert place(wish, changes) == expected


def test_what_was_passed_over_says_why() -> None:
    placement = place(changes={HOST_2: LOST, SHARED_1: {"summary.accessible": False}})
    assert placement.rejected == (
        ("host-2.lab", "it is not connected"),
        ("local-1", "no usable host of the location reaches it"),
        ("shared-1", "it is not accessible"),
    )


NOTHING_FITS: dict[str, tuple[PlacementWish, Changes, dict[str, str]]] = {
    "all hosts in maintenance or lost": (
        PlacementWish(), {HOST_1: MAINTENANCE, HOST_2: LOST},
        {"host-1.lab": "maintenance", "host-2.lab": "not connected"},
    ),
    "the only host in maintenance": (
        PlacementWish("esx-alone.lab"), {HOST_5: MAINTENANCE}, {"host-5.lab": "maintenance"},
    ),
    "no host has the network": (
        PlacementWish(networks=(WEB,)), {HOST_1: NO_WEB, HOST_2: NO_WEB},
        {"host-1.lab": "dvpg-web", "host-2.lab": "dvpg-web"},
    ),
    "the datastore asked for is full": (
        PlacementWish(datastore="shared-1", needed_bytes=3 * GIB), {SHARED_1: FULL}, {"shared-1": "less than 3.0 GiB"},
    ),
    "the datastore asked for is another host's": (
        PlacementWish(datastore="local-1"), {}, {"local-1": "no usable host"},
    ),
    "every datastore has a reason": (
        PlacementWish(needed_bytes=2 * GIB), {SHARED_1: FULL, SHARED_2: {"summary.maintenanceMode": "inMaintenance"}},
        {"shared-1": "less than 2.0 GiB", "shared-2": "maintenance", "local-1": "no usable host"},
    ),
    "the only host that reaches the datastore is in maintenance": (
        PlacementWish("cluster-nodrs", datastore="shared-2"),
        {HOST_3: {"datastore": [SHARED_1]}, HOST_4: MAINTENANCE}, {"shared-2": "no usable host"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("wish", "changes", "reasons"), NOTHING_FITS.values(), ids=NOTHING_FITS)
def test_nothing_fits_and_every_candidate_says_why(
    wish: PlacementWish, changes: Changes, reasons: dict[str, str]
) -> None:
    with pytest.raises(NoPlacementError) as caught:
        place(wish, changes)
    rejected = dict(caught.value.rejected)
    assert rejected.keys() == reasons.keys()
    for candidate, reason in reasons.items():
        assert reason in rejected[candidate]
        assert candidate in str(caught.value)


@pytest.mark.parametrize(
    ("wish", "known"),
    [
        (PlacementWish("cluster-x"), "cluster-drs, cluster-nodrs, esx-alone.lab"),
        (PlacementWish(datastore="shared-9"), "local-1, shared-1, shared-2"),
        (PlacementWish(resource_pool="tenant-x"), "tenant-a, tenants"),
        (PlacementWish("esx-alone.lab", resource_pool="tenants"), "none"),
        (PlacementWish(resource_pool="resgroup-21"), "tenant-a, tenants"),
    ],
)
def test_a_name_that_is_not_there_says_what_is(wish: PlacementWish, known: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        place(wish)
    assert f"there are: {known}" in str(caught.value)


def test_a_pool_name_twice_in_one_cluster_needs_its_path() -> None:
    guests = Row(Ref("ResourcePool", "resgroup-13"), {"name": "guests", "parent": DRS_POOL, "owner": DRS})
    twin = Row(Ref("ResourcePool", "resgroup-14"), {"name": "tenant-a", "parent": guests.ref, "owner": DRS})
    tree = build_tree(None, guests, twin)
    with pytest.raises(AmbiguousNameError) as caught:
        choose_placement(tree, DATACENTER, build_image(), PlacementWish(resource_pool="tenant-a"))
    assert [path.partition("Resources/")[2] for path in caught.value.paths] == ["guests/tenant-a", "tenants/tenant-a"]
    by_path = choose_placement(tree, DATACENTER, build_image(), PlacementWish(resource_pool="guests/tenant-a"))
    assert by_path.resource_pool == twin.ref


def test_an_image_on_a_host_out_of_sight_needs_a_location() -> None:
    with pytest.raises(NotFoundError, match="location="):
        place(None, None, **{"runtime.host": Ref("HostSystem", "host-404")})
    assert place(PlacementWish("cluster-nodrs"), None, **{"runtime.host": None}).cluster == NO_DRS


def test_a_root_pool_out_of_sight_needs_a_pool() -> None:
    with pytest.raises(NotFoundError, match="ex_resource_pool="):
        place(None, {DRS: {"resourcePool": None}})
    assert place(PlacementWish(resource_pool="tenant-a"), {DRS: {"resourcePool": None}}).resource_pool == TENANT_A


def test_a_place_in_another_datacenter_is_none() -> None:
    elsewhere = Ref("Folder", "group-h2")
    with pytest.raises(NotFoundError):
        place(PlacementWish("cluster-nodrs"), {NO_DRS: {"parent": elsewhere}})


@pytest.mark.parametrize(
    ("drs", "automatic"),
    [
        ({"enabled": "true", "defaultVmBehavior": "fullyAutomated"}, True),
        ({"enabled": "true", "defaultVmBehavior": "aiDriven"}, True),
        ({"enabled": "true", "defaultVmBehavior": "manual"}, False),
        ({"enabled": "false", "defaultVmBehavior": "fullyAutomated"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_drs_is_automatic_when_it_is_on_and_not_manual(drs: dict[str, str] | None, automatic: bool) -> None:
    assert is_drs_automatic(Row(DRS, {"configurationEx": {"drsConfig": drs}})) is automatic


# Several of one request


def place_all(count: int, wish: PlacementWish, changes: Changes | None = None) -> tuple[list[Placement], Reservations]:
    reserved = Reservations()
    tree, image = build_tree(changes), build_image()
    return [choose_placement(tree, DATACENTER, image, wish, reserved) for _ in range(count)], reserved


def test_each_knows_what_those_before_it_take_of_a_datastore() -> None:
    room = {SHARED_1: {"summary.freeSpace": 5 * GIB}, SHARED_2: {"summary.freeSpace": 3 * GIB}}
    made, reserved = place_all(3, PlacementWish(needed_bytes=2 * GIB), room)
    assert [placement.datastore for placement in made] == [SHARED_1, SHARED_1, SHARED_2]
    assert reserved == {SHARED_1: 4 * GIB, SHARED_2: 2 * GIB}
    with pytest.raises(NoPlacementError, match="less than 2"):
        place_all(4, PlacementWish(needed_bytes=2 * GIB), room)


def test_without_drs_hosts_fill_up_evenly() -> None:
    wish = PlacementWish("cluster-nodrs", memory_bytes=4 * GIB)
    made, reserved = place_all(4, wish)
    assert sorted(str(placement.host) for placement in made) == sorted(map(str, (HOST_3, HOST_4, HOST_3, HOST_4)))
    assert (reserved[HOST_3], reserved[HOST_4]) == (8 * GIB, 8 * GIB)


def test_without_drs_the_emptier_host_is_filled_first() -> None:
    wish = PlacementWish("cluster-nodrs", memory_bytes=4 * GIB)
    made, _ = place_all(4, wish, {HOST_3: {"summary.quickStats.overallMemoryUsage": 20 * 1024}})
    hosts = [placement.host for placement in made]
    assert hosts[:3] == [HOST_4] * 3
    assert made[0].cluster == NO_DRS


def test_with_drs_no_host_is_counted() -> None:
    _, reserved = place_all(2, PlacementWish(needed_bytes=1 * GIB, memory_bytes=4 * GIB))
    assert reserved.keys() == {SHARED_1}


def test_what_is_refused_takes_nothing() -> None:
    reserved = Reservations()
    with pytest.raises(NoPlacementError):
        choose_placement(build_tree(), DATACENTER, build_image(), PlacementWish(needed_bytes=10**15), reserved)
    assert not +reserved
