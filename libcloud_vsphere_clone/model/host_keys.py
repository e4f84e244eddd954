"""A guest's own SSH host keys. (pure)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class HostKeys:
    """Host keys made for one guest, before it exists.

    :param mark: their fingerprints, as the node's mark has them.
    :param install: cloud-config by which the guest takes them; it has their private halves.
    :param publish: cloud-config by which a guest that makes its own tells which.
    """

    mark: str
    install: Mapping[str, Any] = field(repr=False)
    publish: Mapping[str, Any] = field(repr=False)
