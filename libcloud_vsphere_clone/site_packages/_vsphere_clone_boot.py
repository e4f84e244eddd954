"""Adds this project's drivers to Libcloud's tables when Libcloud is imported, and not before.

Takes the table below; puts a finder on ``sys.meta_path`` that lets Libcloud's own modules load as ever and
then adds our rows. Imports neither Libcloud nor ``libcloud_vsphere_clone``: it runs at every start of the
interpreter, so it costs half a millisecond and no more.

Two files beside it make it run: ``vsphere_clone.pth``, and from Python 3.15 on ``vsphere_clone.start``
(PEP 829). With ``VSPHERE_CLONE_NO_AUTOREGISTER=1`` they do nothing; ``import libcloud_vsphere_clone`` still
registers.

PYTEST_DONT_REWRITE: pytest rewrites the modules of every distribution that has a plugin, and warns about
those that were imported before it started, as this one always is.
"""

import os
import sys
from _thread import get_ident

# For the type checker only; to import typing would cost more than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

OPT_OUT = "VSPHERE_CLONE_NO_AUTOREGISTER"

DRIVERS = (
    # (Libcloud's package, the driver's name there, our module, our class)
    ("compute", "vsphere_clone", "libcloud_vsphere_clone.driver.compute", "VsphereCloneNodeDriver"),
)

_TABLES = frozenset(f"libcloud.{kind}.{table}" for kind, *_ in DRIVERS for table in ("types", "providers"))


def autoregister() -> None:
    """What the start of the interpreter calls: ``install``, unless the user opted out."""
    if not os.environ.get(OPT_OUT):
        install()


def install() -> None:
    """Sees to it that Libcloud knows the drivers, whether it is imported already or later. Twice is once."""
    if not any(getattr(finder, "_adds_vsphere_clone", False) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    for name in _TABLES & sys.modules.keys():
        _add_drivers(sys.modules[name])


def _add_drivers(module: "ModuleType") -> None:
    """Adds our rows to ``libcloud.<kind>.types`` or ``.providers``; what is there already wins.

    A Libcloud of another shape is left as it is: a hook must not break other people's imports.
    """
    for kind, name, *place in DRIVERS:
        if module.__name__ == f"libcloud.{kind}.providers":
            drivers = getattr(module, "DRIVERS", None)
            if isinstance(drivers, dict):
                drivers.setdefault(name, tuple(place))
        elif module.__name__ == f"libcloud.{kind}.types":
            provider = getattr(module, "Provider", None)
            if provider is not None and not hasattr(provider, name.upper()):
                # A plain attribute: an enum takes no new members, and get_driver compares strings.
                setattr(provider, name.upper(), name)


class _Finder:
    """Finds Libcloud's tables through the other finders, and has our rows added once they are loaded.

    It stays on ``sys.meta_path`` after that: ``importlib.reload`` makes the tables anew.
    """

    _adds_vsphere_clone = True  # how it is known again, even by another copy of this module

    def __init__(self) -> None:
        self._asking: set[tuple[str, int]] = set()

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        # Another hook may ask all finders in turn, as this one does: asked again meanwhile, it passes.
        asking = (name, get_ident())
        if name not in _TABLES or asking in self._asking:
            return None
        self._asking.add(asking)
        try:
            spec = _find_elsewhere(name, path, target)
        finally:
            self._asking.discard(asking)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]  # not a subclass, for its cost
        return spec


def _find_elsewhere(name: str, path: "Sequence[str] | None", target: "ModuleType | None") -> "ModuleSpec | None":
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        if find_spec is None or getattr(finder, "_adds_vsphere_clone", False):
            continue
        spec: ModuleSpec | None = find_spec(name, path, target)
        if spec is not None:
            return spec
    return None


class _Loader:
    """Has a module run by its own loader, then adds our rows; the module keeps its own loader."""

    def __init__(self, loader: "Loader") -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> object:
        if name == "_loader":  # a copy is asked before it has one
            raise AttributeError(name)
        return getattr(self._loader, name)

    def exec_module(self, module: "ModuleType") -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _add_drivers(module)
