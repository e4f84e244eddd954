"""Rooms whose modules load when they are first named, so that a driver that only lists loads little.

The driver goes through every room. It names a room and the module in it, as in ``operations.power.stop_vm(...)``: the
import is a plain attribute of a package, which type checkers and ``typing.get_type_hints`` follow, and which loads
the module when it is reached, once, under the interpreter's own import lock.

Source: PEP 562; Scientific Python's SPEC 1, "Lazy loading of submodules and functions".
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from importlib import import_module
from types import ModuleType


def load_on_use(room: str, modules: Collection[str]) -> Callable[[str], ModuleType]:
    """Make a package's ``__getattr__``, which imports one of its modules when that is first named.

    :param room: the package's ``__name__``.
    :param modules: the names that it answers to.
    """

    def load(name: str) -> ModuleType:
        if name not in modules:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return import_module(f".{name}", room)

    return load
