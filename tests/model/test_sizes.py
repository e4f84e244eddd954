"""The catalogue of sizes, and what ex_sizes makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError, NotFoundError
from libcloud_vsphere_clone.model.sizes import DEFAULT_SIZES, Size, build_sizes, find_size


def test_the_catalogue_reads_well() -> None:
    assert (DEFAULT_SIZES[0].id, DEFAULT_SIZES[0].name) == ("1cpu-1gib", "1 CPU, 1 GiB")
    assert (DEFAULT_SIZES[-1].id, DEFAULT_SIZES[-1].name) == ("32cpu-128gib", "32 CPUs, 128 GiB")
    assert (DEFAULT_SIZES[-1].cpus, DEFAULT_SIZES[-1].memory_mib) == (32, 128 * 1024)
    assert {size.disk_gib for size in DEFAULT_SIZES} == {0}
    assert len({size.id for size in DEFAULT_SIZES}) == len(DEFAULT_SIZES)
    assert list(DEFAULT_SIZES) == sorted(DEFAULT_SIZES, key=lambda size: (size.cpus, size.memory_mib))
    assert build_sizes(None) == DEFAULT_SIZES


def test_a_list_replaces_the_catalogue() -> None:
    tiny = {"id": "tiny", "cpus": 1, "memory_mib": 512, "disk_gib": 10, "name": "Tiny"}
    assert build_sizes([tiny, Size("big", 8, 8192)]) == (Size("tiny", 1, 512, 10, "Tiny"), Size("big", 8, 8192))


def test_a_mapping_extends_it_and_replaces_equal_ids() -> None:
    sizes = build_sizes({"tiny": {"cpus": 1, "memory_mib": 512}, "1cpu-1gib": {"cpus": 1, "memory_mib": 1028}})
    assert find_size(sizes, "tiny") == Size("tiny", 1, 512)
    assert find_size(sizes, "1cpu-1gib").memory_mib == 1028
    assert len(sizes) == len(DEFAULT_SIZES) + 1


def test_the_key_of_a_mapping_is_the_id() -> None:
    sizes = build_sizes({"tiny": Size("2cpu-2gib", 1, 512)})
    assert find_size(sizes, "tiny") == Size("tiny", 1, 512)
    assert len({size.id for size in sizes}) == len(sizes)


@pytest.mark.parametrize(
    ("junk", "reason"),
    [
        ([], "at least one"),
        ([Size("a", 1, 512), Size("a", 2, 512)], "no id twice"),
        ([{"id": "a", "cpus": 1}], "missing .'memory_mib'"),
        ([{"id": "a", "cpus": 1, "memory_mib": 4, "ram": 4}], "unknown .'ram'"),
        ([{"id": "a", "cpus": 0, "memory_mib": 4}], "cpus"),
        ([{"id": "a", "cpus": True, "memory_mib": 4}], "cpus"),
        ([{"id": "a", "cpus": "2", "memory_mib": 4}], "cpus"),
        ([{"id": "a", "cpus": 1, "memory_mib": 1.5}], "memory_mib"),
        ([{"id": "a", "cpus": 1, "memory_mib": 513}], "multiple of 4"),
        ([{"id": "a", "cpus": 1, "memory_mib": 4, "disk_gib": -1}], "disk_gib"),
        ([{"id": "", "cpus": 1, "memory_mib": 4}], "id"),
        ([{"id": 7, "cpus": 1, "memory_mib": 4}], "id"),
        (["tiny"], "tiny"),
        ("tiny", "ex_sizes"),
        (7, "ex_sizes"),
        ({"tiny": None}, "tiny"),
    ],
)
def test_junk_is_refused_and_named(junk: Any, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        build_sizes(junk)


def test_an_unknown_size_says_which_there_are() -> None:
    with pytest.raises(NotFoundError, match="1cpu-1gib, 1cpu-2gib"):
        find_size(DEFAULT_SIZES, "m5.large")
