"""An Apache Libcloud driver for VMware vSphere: templates are images, clones are nodes, folders are groups.

Importing this package registers its drivers with Libcloud and loads nothing else: the names below are loaded
when they are first used.

    from libcloud.compute.providers import get_driver
    driver = get_driver("vsphere_clone")("user@vsphere.local", "password", host="vcenter.example.com")

The code, in the order in which it is best read. Each room imports only rooms that come later:

1. ``driver``      Libcloud's verbs by noun: each unpacks, calls one of the rooms below, and converts the answer;
                   ``compute`` is the class, ``connect`` its constructor's parameters, ``convert`` rows to objects
2. ``deploy``      a deployment's steps over a guest session, on one node or on many
3. ``sessions``    ways into a guest, a folder for each: SSH, VMware Tools, WinRM, keyboard, pull
4. ``operations``  what writes to vCenter: nodes made, started, stopped, destroyed; what failed is undone
5. ``plan``        what to ask for: placement, hardware, adapters, what the guest is told, as vim specs; pure
6. ``inventory``   what is there: images, nodes, groups, places, found in rows
7. ``guest``, ``console``  whether a guest is ready, and at which address; keys typed on a VM's console
8. ``model``       the words that all of them use: folders, names, marks, sizes, what a VM is; pure
9. ``vcenter``     the only code with a socket to vCenter: session, TLS, bulk reads, tasks, events
10. ``errors``     the error tree, and the only place that maps vSphere faults to it

Beside them ``lab``, a vCenter with real guests on your own machine, for demos and tests, and the doors: ``cli``,
``pytest_plugin``, ``registration``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .registration import register_drivers

if TYPE_CHECKING:
    from .deploy.many_nodes import ScriptResult
    from .driver.compute import VsphereCloneNodeDriver
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
    from .lab import Lab, LabError
    from .model.nics import Nic, Route
    from .model.windows import Windows
    from .sessions.keyboard.transport import Keyboard
    from .sessions.pull.callback import CallbackReceiver
    from .sessions.pull.transport import Pull
    from .sessions.ssh.transport import SSH
    from .sessions.tools.transport import Tools
    from .sessions.winrm.transport import WinRM

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
    "CallbackReceiver": ".sessions.pull.callback",
    "Keyboard": ".sessions.keyboard.transport",
    "Lab": ".lab",
    "LabError": ".lab",
    "Nic": ".model.nics",
    "Pull": ".sessions.pull.transport",
    "Route": ".model.nics",
    "SSH": ".sessions.ssh.transport",
    "ScriptResult": ".deploy.many_nodes",
    "Tools": ".sessions.tools.transport",
    "VsphereCloneNodeDriver": ".driver.compute",
    "WinRM": ".sessions.winrm.transport",
    "Windows": ".model.windows",
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
