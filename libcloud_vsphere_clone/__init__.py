"""An Apache Libcloud driver for VMware vSphere: templates are images, clones are nodes, folders are groups.

Importing this package registers its drivers with Libcloud and loads nothing else: the names below are loaded
when they are first used.

    from libcloud.compute.providers import get_driver
    driver = get_driver("vsphere_clone")("user@vsphere.local", "password", host="vcenter.example.com")

The code, in the order in which it is best read:

1. ``compute``    Libcloud's verbs; each unpacks, calls one of the rooms below, and converts the answer;
                  beside it ``connect``, its constructor's parameters, ``request``, ``create_node``'s words, and the
                  verbs that only look (``seeing``, ``listing``), for many nodes (``group``), for images (``images``)
2. ``reaching``   the verbs that go into guests: wait, open a session, deploy; with ``access``, who logs in,
                  ``transports``, the doors, ``deployment``, a node's steps in order, and ``scripts``, those of many
3. ``inventory``  what is there: images, nodes, groups, locations, found in rows; marks
4. ``plan``       what to ask for: placement, hardware, adapters, what the guest is told, as vim specs; pure
5. ``provision``  plans become running nodes, one or many; what failed is undone
6. ``clones``, ``lifecycle``  one clone's life; nodes are started, stopped, rebooted, destroyed
7. ``vcenter``    the only code with a socket to vCenter: session, TLS, bulk reads, tasks, events
8. ``guest``      what happens inside a node: addresses, the end of a customization, and a session by SSH, VMware
                  Tools, WinRM or the keyboard, or the report of a guest that nothing connects to
9. ``convert``    rows become Node, NodeImage, NodeSize, NodeLocation; pure
10. ``errors``    the error tree, and the only place that maps vSphere faults to it
11. ``lab``       a vCenter with real guests on your own machine, for demos and tests
12. ``cli``, ``pytest_plugin``, ``registration``  the doors: a command, fixtures, Libcloud's tables
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
        NameInUseError,
        NoPlacementError,
        NotFoundError,
        NotPermittedError,
        TaskError,
        TaskTimeoutError,
        VsphereError,
    )
    from .guest.callback import CallbackReceiver
    from .lab import Lab, LabError
    from .plan.nics import Nic, Route
    from .plan.windows import Windows
    from .scripts import ScriptResult
    from .transports import SSH, Keyboard, Pull, Tools, WinRM

__all__ = [
    "SSH",
    "AmbiguousNameError",
    "AuthenticationError",
    "CallbackReceiver",
    "ConnectionFailedError",
    "GroupError",
    "InvalidRequestError",
    "Keyboard",
    "Lab",
    "LabError",
    "NameInUseError",
    "Nic",
    "NoPlacementError",
    "NotFoundError",
    "NotPermittedError",
    "Pull",
    "Route",
    "ScriptResult",
    "TaskError",
    "TaskTimeoutError",
    "Tools",
    "VsphereCloneNodeDriver",
    "VsphereError",
    "WinRM",
    "Windows",
    "__version__",
]

__version__ = "0.1.0"

_HOMES = {
    "CallbackReceiver": ".guest.callback",
    "Keyboard": ".transports",
    "Lab": ".lab",
    "LabError": ".lab",
    "Nic": ".plan.nics",
    "Pull": ".transports",
    "Route": ".plan.nics",
    "SSH": ".transports",
    "ScriptResult": ".scripts",
    "Tools": ".transports",
    "VsphereCloneNodeDriver": ".compute",
    "WinRM": ".transports",
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
