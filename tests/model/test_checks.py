from __future__ import annotations

import math

import pytest

from libcloud_vsphere_clone.errors import InvalidRequestError
from libcloud_vsphere_clone.model.checks import check_count, check_keywords, check_seconds, to_seconds


def test_unknown_keywords_are_refused_and_a_frameworks_own_are_not() -> None:
    check_keywords({"__libcloud": 1, "retry_delay": 2}, "the constructor", ignored=("retry_delay",))
    with pytest.raises(InvalidRequestError, match="the constructor does not take ex_datacentre"):
        check_keywords({"ex_datacentre": "dc"}, "the constructor")


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "3", None])
def test_a_count_is_a_positive_whole_number(number: object) -> None:
    assert check_count("count", 1) == 1
    with pytest.raises(InvalidRequestError, match="count must be a positive whole number, got"):
        check_count("count", number)


@pytest.mark.parametrize("value", [0, -1, True, math.nan, "3", None])
def test_a_duration_is_a_positive_number_of_seconds(value: object) -> None:
    assert to_seconds("ex_timeout_s", 3) == 3.0
    with pytest.raises(InvalidRequestError, match="ex_timeout_s must be a positive number of seconds, got"):
        to_seconds("ex_timeout_s", value)


@pytest.mark.parametrize("value", [True, math.nan, "3"])
def test_the_end_of_a_watch_is_a_number_of_seconds(value: float) -> None:
    assert check_seconds(-1, "timeout_s") == -1
    with pytest.raises(InvalidRequestError, match="timeout_s must be a number of seconds, got"):
        check_seconds(value, "timeout_s")
