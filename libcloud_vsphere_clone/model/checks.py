"""Checks of single values that callers give. (pure)"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import InvalidRequestError


def to_seconds(word: str, value: object) -> float:
    """The seconds that a caller gave as ``word``.

    :raises InvalidRequestError: not a positive number.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise InvalidRequestError(f"{word} must be a positive number of seconds, got {value!r}")
    return float(value)


def check_keywords(words: Mapping[str, Any], where: str, *, ignored: Iterable[str] = ()) -> None:
    """Refuse unknown keyword arguments. What starts with ``__`` is the caller's framework talking to itself.

    :raises InvalidRequestError: names the words.
    """
    unknown = [word for word in words if not word.startswith("__") and word not in ignored]
    if unknown:
        raise InvalidRequestError(f"{where} does not take {', '.join(unknown)}; check the spelling")


def check_seconds(seconds: float, word: str) -> float:
    """The seconds themselves; none are as good as less than none.

    :raises InvalidRequestError: no number.
    """
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or math.isnan(seconds):
        raise InvalidRequestError(f"{word} must be a number of seconds, got {seconds!r}")
    return seconds


def check_count(word: str, number: object) -> int:
    """The number itself.

    :raises InvalidRequestError: not a positive whole number.
    """
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise InvalidRequestError(f"{word} must be a positive whole number, got {number!r}")
    return number
