"""``cli/order.py``: what the driver's verbs are given for an order."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

from libcloud_vsphere_clone.cli.order import Order, find_words
from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model.options import NodeOptions

GIVEN: dict[str, Any] = {
    "datastore": "shared-1",
    "resource_pool": "tenants",
    "networks": ["VM Network"],
    "cpus": 2,
    "memory_mib": 1024,
    "disk_gib": 20,
    "metadata": {"a": "b"},
    "username": "joe",
    "hostname": "web",
    "domain": "example.com",
    "dns": ["10.0.0.2"],
    "dns_search": ["example.com"],
    "timezone": "UTC",
    "userdata": "#!/bin/sh\n",
    "first_boot_script": "date",
    "customize": "cloud-init",
    "customization_spec": "std",
    "annotation": "ours",
    "power_on": False,
    "timeout_s": 60,
}


def test_each_option_of_an_order_reaches_the_verb(bare_lab: Lab) -> None:
    with bare_lab.driver() as driver:
        words = find_words(driver, Order("debian-12", NodeOptions(group="web", **GIVEN)))
    assert {word: value for word, value in words.items() if word.startswith("ex_")} == {
        f"ex_{name}": value for name, value in GIVEN.items()
    }
    assert words.keys() <= inspect.signature(VsphereCloneNodeDriver.create_node).parameters.keys()
    assert GIVEN.keys() == {field.name for field in fields(NodeOptions)} - {"group", "windows"}


def test_an_option_that_is_not_given_is_left_to_the_driver(bare_lab: Lab) -> None:
    with bare_lab.driver() as driver:
        assert find_words(driver, Order("debian-12", NodeOptions())).keys() == {"size", "image", "location"}
