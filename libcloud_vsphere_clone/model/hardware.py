"""The hardware that a node shall have. (pure)"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidRequestError
from ..option_names import option


@dataclass(frozen=True)
class Hardware:
    """What the node shall have; None keeps the image's.

    :param disk_gib: the root disk's capacity; it can only grow.
    """

    cpus: int | None = None
    memory_mib: int | None = None
    disk_gib: int | None = None

    def __post_init__(self) -> None:
        for field, value in (("cpus", self.cpus), ("memory_mib", self.memory_mib), ("disk_gib", self.disk_gib)):
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value <= 0):
                raise InvalidRequestError(f"{option(field)} must be a positive whole number, got {value!r}")
        if self.memory_mib is not None and self.memory_mib % 4:
            raise InvalidRequestError(f"{option('memory_mib')} must be a multiple of 4, got {self.memory_mib}")
