"""Checks of single values that callers give. (pure)"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InvalidRequestError


def to_seconds(word: str, value: object) -> float:
    """Check that a number of seconds is positive, and give it back as a float.

    :param word: the option that it was given as, for the error.

    :raises InvalidRequestError: not a positive number.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise InvalidRequestError(f"{word} must be a positive number of seconds, got {value!r}")
    return float(value)


def check_keywords(words: Mapping[str, Any], where: str, *, ignored: Iterable[str] = ()) -> None:
    """Refuse unknown keyword arguments. Those that start with ``__`` are of the caller's framework, and pass.

    :raises InvalidRequestError: names the words.
    """
    unknown = [word for word in words if not word.startswith("__") and word not in ignored]
    if unknown:
        raise InvalidRequestError(f"{where} does not take {', '.join(unknown)}; check the spelling")


def check_seconds(seconds: float, word: str) -> float:
    """Check that a number of seconds is a number, and give it back; zero and less mean no time at all.

    :raises InvalidRequestError: no number.
    """
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or math.isnan(seconds):
        raise InvalidRequestError(f"{word} must be a number of seconds, got {seconds!r}")
    return seconds


def check_count(word: str, number: object) -> int:
    """Check that a number is whole and positive, and give it back.

    :raises InvalidRequestError: not a positive whole number.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise InvalidRequestError(f"{word} must be a positive whole number, got {number!r}")
    return number
