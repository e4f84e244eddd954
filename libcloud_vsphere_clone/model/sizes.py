"""Sizes: the catalogue of named CPU and memory, and what a caller makes of it. (pure)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InvalidRequestError, NotFoundError
from ..option_names import option

_SIZES = option("sizes")


@dataclass(frozen=True)
class Size:
    """Named hardware.

    :param id: what a script names it by, e.g. ``2cpu-4gib``.
    :param disk_gib: the root disk; 0 keeps the image's.
    """

    id: str
    cpus: int
    memory_mib: int
    disk_gib: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        if not self.id or not isinstance(self.id, str):
            raise InvalidRequestError(f"a size in {_SIZES} needs an id that is text, got {self.id!r}")
        for field in ("cpus", "memory_mib", "disk_gib"):
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or value < (field != "disk_gib"):
                raise InvalidRequestError(f"size {self.id!r}: {field} must be a positive whole number, got {value!r}")
        if self.memory_mib % 4:
            raise InvalidRequestError(f"size {self.id!r}: memory_mib must be a multiple of 4, got {self.memory_mib}")


def _catalogue(*shapes: tuple[int, int]) -> tuple[Size, ...]:
    return tuple(
        Size(f"{cpus}cpu-{gib}gib", cpus, gib * 1024, name=f"{cpus} CPU{'s' * (cpus > 1)}, {gib} GiB")
        for cpus, gib in shapes
    )


DEFAULT_SIZES = _catalogue(
    (1, 1), (1, 2), (2, 2), (2, 4), (2, 8), (4, 8), (4, 16), (8, 16), (8, 32), (16, 32), (16, 64), (32, 64), (32, 128)
)  # fmt: skip
"""From 1 CPU, 1 GiB to 32 CPUs, 128 GiB; every disk is the image's."""

SizeLike = Size | Mapping[str, Any]


def build_sizes(given: Iterable[SizeLike] | Mapping[str, SizeLike] | None) -> tuple[Size, ...]:
    """The catalogue in use.

    :param given: a list replaces the catalogue; a mapping ``{id: size}`` adds to it, and replaces equal ids. A size
        is a ``Size`` or a mapping with ``id`` (in a list), ``cpus``, ``memory_mib`` and, if wanted, ``disk_gib``,
        ``name``.
    :raises InvalidRequestError: a size is incomplete, or two have one id.
    """
    if given is None:
        return DEFAULT_SIZES
    if isinstance(given, Mapping):
        added = {key: _to_size(value, key) for key, value in given.items()}
        return tuple({**{size.id: size for size in DEFAULT_SIZES}, **added}.values())
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidRequestError(f"{_SIZES} must be a list of sizes or a mapping of them, got {given!r}")
    sizes = tuple(_to_size(value) for value in given)
    if len({size.id for size in sizes}) < len(sizes) or not sizes:
        raise InvalidRequestError(f"{_SIZES} must hold at least one size, and no id twice")
    return sizes


def find_size(sizes: Iterable[Size], size_id: str) -> Size:
    """The size with this id.

    :raises NotFoundError: none has it.
    """
    known = {size.id: size for size in sizes}
    if size_id not in known:
        raise NotFoundError("size", size_id, f"there are: {', '.join(known)}")
    return known[size_id]


def _to_size(given: SizeLike, key: str | None = None) -> Size:
    if isinstance(given, Size):
        return given if key is None else replace(given, id=key)
    if not isinstance(given, Mapping):
        raise InvalidRequestError(f"size {key or given!r} in {_SIZES} must be a Size or a mapping, got {given!r}")
    words = dict(given) if key is None else {**given, "id": key}
    unknown = words.keys() - {"id", "cpus", "memory_mib", "disk_gib", "name"}
    missing = {"id", "cpus", "memory_mib"} - words.keys()
    if unknown or missing:
        wrong = f"unknown {sorted(unknown)}" if unknown else f"missing {sorted(missing)}"
        raise InvalidRequestError(f"a size in {_SIZES} has {wrong}; it takes id, cpus, memory_mib, disk_gib, name")
    return Size(**words)
