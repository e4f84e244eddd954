"""Checks of single values that callers give. (pure)"""

from __future__ import annotations

from ..errors import InvalidRequestError


def to_seconds(word: str, value: object) -> float:
    """The seconds that a caller gave as ``word``.

    :raises InvalidRequestError: not a positive number.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise InvalidRequestError(f"{word} must be a positive number of seconds, got {value!r}")
    return float(value)
