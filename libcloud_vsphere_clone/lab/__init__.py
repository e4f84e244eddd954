"""A vCenter with real guests on your own machine, for demos, examples and tests.

    from libcloud_vsphere_clone.lab import Lab

    with Lab() as lab:
        driver = lab.driver()

The code, in the order in which it is best read:

1. ``embedded``     Lab: what users hold
2. ``process``      the detached program behind it: launch, find, stop, clear away what died
3. ``build``        the program, compiled from ``go/`` into the user's cache
4. ``engine``       the container engine that runs the guests
5. ``guest_image``  the guests' images, built from ``guest/``
6. ``control``      what tests steer it with: delays, dead sessions, and ``faults``
7. ``record``, ``identity``, ``places``  what is written down about a lab, which process is which, where it is kept
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .control import LabControl
    from .embedded import Lab
    from .errors import LabError

__all__ = ["Lab", "LabControl", "LabError"]

_HOMES = {"Lab": ".embedded", "LabControl": ".control", "LabError": ".errors"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
