"""Clusters, hosts, pools, datastores and networks, seen in one read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab

LISTINGS: list[Callable[[VsphereCloneNodeDriver], list[Any]]] = [
    VsphereCloneNodeDriver.list_locations,
    VsphereCloneNodeDriver.ex_list_networks,
    VsphereCloneNodeDriver.ex_list_datastores,
]


@pytest.mark.parametrize("listing", LISTINGS)
def test_each_listing_takes_two_round_trips_and_then_one(
    bare_lab: Lab, listing: Callable[[VsphereCloneNodeDriver], list[Any]]
) -> None:
    with bare_lab.driver() as driver:
        bare_lab.reset_calls()
        assert listing(driver)
        assert bare_lab.calls().total == 2
        listing(driver)
        assert bare_lab.calls().total == 3


def test_sizes_ask_nothing(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    bare_lab.reset_calls()
    assert driver.list_sizes()
    assert bare_lab.calls().total == 0


def test_locations_are_clusters_and_hosts_with_what_they_have(driver: VsphereCloneNodeDriver) -> None:
    drs, no_drs, alone = sorted(driver.list_locations(), key=lambda location: location.name)
    assert [drs.name, no_drs.name, alone.name] == ["cluster-drs", "cluster-nodrs", "esx-alone.lab"]
    assert (drs.extra["drs"], no_drs.extra["drs"], alone.extra["drs"]) == (True, False, False)
    assert (drs.extra["kind"], alone.extra["kind"]) == ("cluster", "host")
    assert drs.extra["resource_pools"] == ["tenants", "tenants/tenant-a"]
    assert drs.extra["hosts"] == ["esx-drs-1.lab", "esx-drs-2.lab"]
    assert ("local-1" in alone.extra["datastores"], "local-1" in drs.extra["datastores"]) == (True, False)
    assert drs.extra["networks"] == ["VM Network", "dvpg-web"]
    json.dumps([drs.extra, no_drs.extra, alone.extra])


def test_networks_are_those_that_adapters_can_be_on(driver: VsphereCloneNodeDriver) -> None:
    kinds = {network.name: network.extra["kind"] for network in driver.ex_list_networks()}
    assert kinds == {"VM Network": "standard", "dvpg-web": "distributed"}


def test_datastores_say_their_pod_and_their_room(driver: VsphereCloneNodeDriver) -> None:
    stores = {store.name: store.extra for store in driver.ex_list_datastores()}
    assert sorted(stores) == ["local-1", "pod-1-a", "pod-1-b", "shared-1", "shared-2"]
    assert (stores["pod-1-a"]["pod"], stores["shared-1"]["pod"]) == ("pod-1", None)
    assert stores["shared-1"]["capacity_bytes"] > stores["shared-1"]["free_bytes"] > 0
    assert (stores["shared-1"]["accessible"], stores["shared-1"]["maintenance"]) == (True, "normal")
    json.dumps(stores)


# By hand
