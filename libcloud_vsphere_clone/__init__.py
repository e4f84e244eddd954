"""An Apache Libcloud driver for VMware vSphere: templates are images, clones are nodes, folders are groups.

Importing this package registers its drivers with Libcloud and loads nothing else: the names below are loaded
when they are first used.

    from libcloud.compute.providers import get_driver
    driver = get_driver("vsphere_clone")("user@vsphere.local", "password", host="vcenter.example.com")

The code, in the order in which it is best read:

1. ``compute``    Libcloud's verbs; each unpacks, calls one of the rooms below, and converts the answer;
                  beside it ``connect``, its constructor's parameters, ``group``, the verbs for many nodes,
                  ``images``, what images tell, and ``deployment``, ``scripts``, what runs in one node and in many
2. ``inventory``  what is there: images, nodes, groups, locations, found in rows
3. ``plan``       what to ask for: placement, hardware, networks, cloud-init, as vim specs; pure
4. ``provision``  plans become running nodes, one or many; what failed is undone
5. ``clones``, ``lifecycle``  one clone's life; nodes are started, stopped, rebooted, destroyed
6. ``vcenter``    the only code with a socket to vCenter: session, TLS, bulk reads, tasks
7. ``guest``      what happens inside a node: keys, addresses, SSH
8. ``convert``    rows become Node, NodeImage, NodeSize, NodeLocation; pure
9. ``errors``     the error tree, and the only place that maps vSphere faults to it
10. ``lab``       a vCenter with real guests on your own machine, for demos and tests
11. ``cli``, ``pytest_plugin``, ``registration``  the doors: a command, fixtures, Libcloud's tables
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .registration import register_drivers

if TYPE_CHECKING:
    from .compute import VsphereCloneNodeDriver
    from .errors import (
        AmbiguousNameError,
        AuthenticationError,
        ConnectionFailedError,
        GroupError,
        InvalidRequestError,
        LabError,
        NameInUseError,
        NoPlacementError,
        NotFoundError,
        NotPermittedError,
        TaskError,
        TaskTimeoutError,
        VsphereError,
    )
    from .lab import Lab
    from .plan.nics import Nic, Route
    from .plan.windows import Windows
    from .scripts import ScriptResult

__all__ = [
    "AmbiguousNameError",
    "AuthenticationError",
    "ConnectionFailedError",
    "GroupError",
    "InvalidRequestError",
    "Lab",
    "LabError",
    "NameInUseError",
    "Nic",
    "NoPlacementError",
    "NotFoundError",
    "NotPermittedError",
    "Route",
    "ScriptResult",
    "TaskError",
    "TaskTimeoutError",
    "VsphereCloneNodeDriver",
    "VsphereError",
    "Windows",
    "__version__",
]

__version__ = "0.1.0"

_HOMES = {
    "Lab": ".lab",
    "Nic": ".plan.nics",
    "Route": ".plan.nics",
    "ScriptResult": ".scripts",
    "VsphereCloneNodeDriver": ".compute",
    "Windows": ".plan.windows",
}
"""{public name: its module}; the rest are errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, ".errors"), __name__), name)
    globals()[name] = value  # the next use finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_drivers()
