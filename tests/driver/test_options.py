"""What callers pass, as a request: checked before anything is asked of vCenter."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import uuid
from dataclasses import fields
from typing import Any, get_type_hints

import pytest
from libcloud.compute.base import NodeAuthPassword, NodeImage, NodeSize

from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.driver.options import (
    MEMBER_OPTIONS,
    NodeOptions,
    build_members,
    build_requests,
    id_of,
    image_id_of,
    refuse_unknown,
)
from libcloud_vsphere_clone.errors import InvalidRequestError, NotFoundError
from libcloud_vsphere_clone.model.nics import Nic
from libcloud_vsphere_clone.model.request import NodeRequest
from libcloud_vsphere_clone.model.sizes import Size

SIZES = (Size("small", 2, 4096), Size("disky", 4, 8192, disk_gib=40))
DRIVER: Any = None

CREATE = VsphereCloneNodeDriver.create_node
TAKES_OPTIONS = [
    CREATE,
    VsphereCloneNodeDriver.ex_find_placement,
    VsphereCloneNodeDriver.ex_create_nodes_in_group,
]
FIELDS = {f"ex_{field.name}": field.name for field in fields(NodeOptions)}


def to_size(size_id: str) -> NodeSize:
    """A size as a caller has it; only its id counts."""
    return NodeSize(size_id, size_id, ram=1, disk=1, bandwidth=0, price=0, driver=DRIVER)


def build(size: NodeSize | None = None, auth: Any = None, **options: Any) -> NodeRequest:
    [request] = build_requests(["web-1"], [NodeOptions(**options)], SIZES, size, None, auth)
    return request


# One option, from the verb to the request


def test_options_are_create_nodes_own() -> None:
    assert {word for word in get_type_hints(CREATE) if word.startswith("ex_")} - {"ex_on_progress"} == FIELDS.keys()


@pytest.mark.parametrize("verb", TAKES_OPTIONS, ids=lambda verb: verb.__name__)
def test_a_verb_takes_each_option_as_the_field_is(verb: Any) -> None:
    parameters, hints, types = inspect.signature(verb).parameters, get_type_hints(verb), get_type_hints(NodeOptions)
    for field in fields(NodeOptions):
        option = f"ex_{field.name}"
        if option == "ex_group" and verb is not CREATE:
            assert option not in parameters
            continue
        assert parameters[option].kind is inspect.Parameter.KEYWORD_ONLY
        assert (parameters[option].default, hints[option]) == (field.default, types[field.name])


@pytest.mark.parametrize("verb", TAKES_OPTIONS, ids=lambda verb: verb.__name__)
def test_a_verb_hands_on_each_option_as_its_field(verb: Any) -> None:
    tree = ast.parse(textwrap.dedent(inspect.getsource(verb)))
    [made] = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "NodeOptions"]
    handed = {keyword.arg: ast.unparse(keyword.value) for keyword in made.keywords if keyword.arg}
    assert handed.keys() == set(FIELDS.values())
    assert {field for field, value in handed.items() if value != f"ex_{field}"} <= {"group"}


def test_create_node_says_what_each_option_means() -> None:
    said = set(re.findall(r"\bex_\w+", CREATE.__doc__ or ""))
    assert said - {"ex_on_progress"} == FIELDS.keys()


def test_an_option_that_no_verb_has() -> None:
    refuse_unknown({})
    with pytest.raises(InvalidRequestError, match="unknown options ex_cpu, ex_grup; check the spelling"):
        refuse_unknown({"ex_grup": "web", "ex_cpu": 2})


# Requests


def test_each_request_has_an_id_of_its_own() -> None:
    ids = {build().id for _ in range(3)}
    assert len(ids) == 3
    assert all(str(uuid.UUID(node_id)) == node_id for node_id in ids)


def test_each_node_may_have_a_script_of_its_own() -> None:
    options = NodeOptions(first_boot_script=lambda name: f"#!/bin/sh\necho {name}\n")
    requests = build_requests(["web-1", "web-2"], [options, options], SIZES, None, None, None)
    scripts = [request.first_boot_script for request in requests]
    assert scripts == ["#!/bin/sh\necho web-1\n", "#!/bin/sh\necho web-2\n"]
    assert build(first_boot_script="true").first_boot_script == "true"


@pytest.mark.parametrize("wrong", [lambda name: None, lambda name: 4, lambda name: ""])
def test_a_script_that_a_function_does_not_make(wrong: Any) -> None:
    if wrong("x") is None:
        assert build(first_boot_script=wrong).first_boot_script is None
        return
    with pytest.raises(InvalidRequestError, match="ex_first_boot_script"):
        build(first_boot_script=wrong)


def test_nothing_asked_for_keeps_the_images() -> None:
    request = build()
    hardware = request.hardware
    assert (hardware.cpus, hardware.memory_mib, hardware.disk_gib) == (None, None, None)
    assert (request.size_id, request.login, request.options) == ("", None, NodeOptions())


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        ("small", {}, (2, 4096, None)),
        ("disky", {}, (4, 8192, 40)),
        ("disky", {"cpus": 1, "memory_mib": 512, "disk_gib": 50}, (1, 512, 50)),
        ("small", {"disk_gib": 9}, (2, 4096, 9)),
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
        ({"networks": "VM Network"}, "ex_networks"),
        ({"networks": Nic("VM Network")}, "ex_networks must be a list"),
        ({"metadata": ["a"]}, "ex_metadata"),
        ({"userdata": 7}, "ex_userdata"),
        ({"memory_mib": 6}, "ex_memory_mib"),
    ],
)
def test_options_that_cannot_be_right(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        build(**options)


# Members of a group


def test_what_is_a_members_own_holds_over_what_is_for_all() -> None:
    common = NodeOptions(hostname="all", networks=["VM Network"], metadata={"tier": 1}, domain="example.com")
    nic = Nic(address="10.0.0.5/24")
    own = {"ex_hostname": "two", "ex_networks": ["dvpg-web", nic], "ex_metadata": {"no": 2}, "ex_userdata": "#!/bin/sh"}
    cleared = {"ex_hostname": None, "ex_metadata": None}
    second, third, fourth = build_members(common, [own, {}, cleared], 3)
    assert (second.hostname, second.domain, second.metadata) == ("two", "example.com", {"no": 2})
    assert (second.nics, second.userdata) == ([Nic("dvpg-web"), nic], "#!/bin/sh")
    assert third == common
    assert (fourth.hostname, fourth.metadata, fourth.nics) == (None, None, common.nics)


def test_each_option_that_a_member_can_have_is_taken() -> None:
    values: dict[str, Any] = {"ex_hostname": "a", "ex_networks": ["b"], "ex_userdata": "#!c", "ex_metadata": {"d": 1}}
    assert values.keys() == set(MEMBER_OPTIONS)
    [member] = build_members(NodeOptions(), [values], 1)
    assert member == NodeOptions(**{FIELDS[option]: value for option, value in values.items()})


def test_nodes_of_a_group_share_the_login_and_no_id() -> None:
    first, second = build_requests(["a", "b"], [NodeOptions()] * 2, SIZES, None, None, NodeAuthPassword("secret"))
    assert first.login is second.login  # whose hash takes time
    assert first.id != second.id
    assert first.host_keys is not second.host_keys


def test_without_each_all_are_alike() -> None:
    options = NodeOptions(hostname="a")
    assert build_members(options, None, 2) == [options, options]


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
        build_members(NodeOptions(), each, 2)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("wrong", [0, -1, True, "60", None, float("nan")])
def test_a_time_out_is_a_positive_number(wrong: Any) -> None:
    with pytest.raises(InvalidRequestError, match="ex_timeout_s must be a positive number"):
        NodeOptions(timeout_s=wrong)


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
