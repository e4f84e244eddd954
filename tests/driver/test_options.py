"""What callers pass, as a request: checked before anything is asked of vCenter."""

from __future__ import annotations

import re
import uuid
from typing import Any, cast, get_type_hints

import pytest
from libcloud.compute.base import NodeAuthPassword, NodeImage, NodeSize

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.driver.options import (
    CLONE_TIMEOUT_S,
    CreateOptions,
    another,
    build_request,
    check_each,
    clone_timeout_s,
    id_of,
    image_id_of,
)
from libcloud_vsphere_clone.errors import InvalidRequestError, NotFoundError
from libcloud_vsphere_clone.model.sizes import Size
from libcloud_vsphere_clone.plan.clone import NodeRequest
from libcloud_vsphere_clone.plan.nics import Nic

SIZES = (Size("small", 2, 4096), Size("disky", 4, 8192, disk_gib=40))
DRIVER: Any = None


def to_size(size_id: str) -> NodeSize:
    """A size as a caller has it; only its id counts."""
    return NodeSize(size_id, size_id, ram=1, disk=1, bandwidth=0, price=0, driver=DRIVER)


def build(size: NodeSize | None = None, auth: Any = None, **options: Any) -> NodeRequest:
    return build_request(SIZES, "web-1", "web", size, None, auth, cast(CreateOptions, options))


def test_options_are_create_nodes_own() -> None:
    taken = set(get_type_hints(VsphereCloneNodeDriver.create_node)) - {"return"}
    extras = {word for word in taken if word.startswith("ex_")}
    assert extras - {"ex_group", "ex_on_progress"} == CreateOptions.__annotations__.keys()


def test_create_node_says_what_each_option_means() -> None:
    said = set(re.findall(r"\bex_\w+", VsphereCloneNodeDriver.create_node.__doc__ or ""))
    assert said - {"ex_group", "ex_on_progress"} == CreateOptions.__annotations__.keys()


def test_each_request_has_an_id_of_its_own() -> None:
    ids = {build().id for _ in range(3)}
    assert len(ids) == 3
    assert all(str(uuid.UUID(node_id)) == node_id for node_id in ids)


def test_each_node_may_have_a_script_of_its_own() -> None:
    options: CreateOptions = {"ex_first_boot_script": lambda name: f"#!/bin/sh\necho {name}\n"}
    first = build_request(SIZES, "web-1", "web", None, None, None, options)
    second = another(first, "web-2", options)
    scripts = [request.customization.first_boot_script for request in (first, second)]
    assert scripts == ["#!/bin/sh\necho web-1\n", "#!/bin/sh\necho web-2\n"]
    shared = another(build(ex_first_boot_script="true"), "web-2", {"ex_first_boot_script": "true"})
    assert shared.customization.first_boot_script == "true"


@pytest.mark.parametrize("wrong", [lambda name: None, lambda name: 4, lambda name: ""])
def test_a_script_that_a_function_does_not_make(wrong: Any) -> None:
    if wrong("x") is None:
        assert build(ex_first_boot_script=wrong).customization.first_boot_script is None
        return
    with pytest.raises(InvalidRequestError, match="ex_first_boot_script"):
        build(ex_first_boot_script=wrong)


def test_nothing_asked_for_keeps_the_images() -> None:
    request = build()
    hardware = request.hardware
    assert (hardware.cpus, hardware.memory_mib, hardware.disk_gib) == (None, None, None)
    assert (request.size_id, request.customization.login, request.metadata, request.power_on) == ("", None, {}, True)


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        ("small", {}, (2, 4096, None)),
        ("disky", {}, (4, 8192, 40)),
        ("disky", {"ex_cpus": 1, "ex_memory_mib": 512, "ex_disk_gib": 50}, (1, 512, 50)),
        ("small", {"ex_disk_gib": 9}, (2, 4096, 9)),
    ],
)
def test_wishes_win_over_the_size(size: str, options: dict[str, int], expected: tuple[int, ...]) -> None:
    hardware = build(to_size(size), **options).hardware
    assert (hardware.cpus, hardware.memory_mib, hardware.disk_gib) == expected


def test_a_size_that_is_not_in_the_catalogue() -> None:
    with pytest.raises(NotFoundError, match="small"):
        build(to_size("m5.large"))


def test_a_password_that_we_made_up_is_known_as_such() -> None:
    assert build(auth=NodeAuthPassword("secret", generated=True)).generated_password
    assert not build(auth=NodeAuthPassword("secret")).generated_password


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"ex_grup": "web", "ex_cpu": 2}, "ex_cpu, ex_grup"),
        ({"ex_networks": "VM Network"}, "ex_networks"),
        ({"ex_networks": Nic("VM Network")}, "ex_networks must be a list"),
        ({"ex_metadata": ["a"]}, "ex_metadata"),
        ({"ex_userdata": 7}, "ex_userdata"),
    ],
)
def test_options_that_cannot_be_right(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        build(**options)


def test_what_is_a_nodes_own_holds_over_what_is_for_all() -> None:
    common = build(ex_hostname="all", ex_networks=["VM Network"], ex_metadata={"tier": 1}, ex_domain="example.com")
    nic = Nic(address="10.0.0.5/24")
    own = another(
        common, "web-2", {}, {"ex_hostname": "two", "ex_networks": ["dvpg-web", nic], "ex_metadata": {"no": 2}}
    )
    wanted = own.customization
    assert (own.name, own.metadata) == ("web-2", {"no": 2})
    assert (wanted.host_name, wanted.domain, wanted.nics) == ("two", "example.com", [Nic("dvpg-web"), nic])
    assert own.id != common.id
    assert another(common, "web-3", {}).customization == common.customization
    assert another(common, "web-4", {}, {"ex_hostname": None, "ex_metadata": None}).customization.host_name is None


def test_each_is_a_mapping_for_each() -> None:
    assert check_each(None, 2) == [{}, {}]
    assert check_each([{}, {"ex_hostname": "b"}], 2) == [{}, {"ex_hostname": "b"}]


@pytest.mark.parametrize(
    ("each", "reason"),
    [
        ([{}], "2 mappings, one for each node"),
        ({"a": {}, "b": {}}, "2 mappings, one for each node"),
        ("ab", "2 mappings, one for each node"),
        (["s3cret", "b"], "2 mappings, one for each node"),
        (
            [{}, {"ex_first_boot_script": "s3cret", "hostname": "a"}],
            "ex_first_boot_script, hostname cannot .*ex_hostname",
        ),
    ],
)
def test_each_that_cannot_be_right(each: Any, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason) as caught:
        check_each(each, 2)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("wrong", [0, -1, True, "60", None, float("nan")])
def test_a_time_out_is_a_positive_number(wrong: Any) -> None:
    with pytest.raises(InvalidRequestError, match="ex_timeout_s"):
        clone_timeout_s({"ex_timeout_s": wrong})


def test_time_outs() -> None:
    assert (clone_timeout_s({}), clone_timeout_s({"ex_timeout_s": 5})) == (CLONE_TIMEOUT_S, 5.0)


def test_things_are_known_by_their_ids() -> None:
    image = NodeImage("uuid-1", "debian-12", DRIVER)
    assert (image_id_of(image), id_of(to_size("small"), NodeSize)) == ("uuid-1", "small")
    assert id_of(None, NodeSize) is None


def test_a_name_is_no_thing() -> None:
    wrong: Any = "debian-12"
    with pytest.raises(InvalidRequestError, match=r"image must be one of list_images\(\), got 'debian-12'"):
        image_id_of(wrong)
    with pytest.raises(InvalidRequestError, match="needs an image"):
        image_id_of(None)
