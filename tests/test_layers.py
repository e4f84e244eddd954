"""The arrows between the rooms of the package, kept by reading the imports of every module.

A room is a folder of the package, or a module directly in it. Imports for the type checker only are no arrows.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

import pytest

PACKAGE = "libcloud_vsphere_clone"
FOLDER = Path(__file__).parent.parent / PACKAGE

ARROWS: dict[str, set[str]] = {
    # room: what it may import, a room or one module of it
    "errors": set(),
    "parallel": set(),
    "registration": set(),
    "__init__": {"registration"},
    # towards vCenter and back
    "vcenter": {"errors", "parallel"},
    "model": {"errors", "vcenter.rows"},
    "plan": {"errors", "vcenter.rows", "vcenter.types", "model"},
    "inventory": {"errors", "vcenter", "model"},
    "guest": {"errors", "vcenter", "model"},
    "console": {"errors", "vcenter", "model"},
    "operations": {"errors", "parallel", "vcenter", "model", "plan", "inventory"},
    # into guests
    "sessions": {"errors", "vcenter", "model", "guest", "console", "operations.extra_config"},
    "deploy": {"errors", "parallel", "model", "guest", "sessions"},
    # what Libcloud sees
    "driver": {
        *("errors", "parallel", "vcenter", "model", "inventory", "plan", "guest", "console"),
        *("operations", "sessions", "deploy"),
    },
    # the doors
    "lab": {"errors"},
    "cli": {"__init__", "errors", "parallel", "lab", "driver", "model", "inventory", "plan", "guest", "sessions"},
    "pytest_plugin": {"errors", "lab"},
}

LATER: dict[str, set[str]] = {
    # room: what its functions may import besides, when they are called
    "lab": {"__init__", "driver"},
    "pytest_plugin": {"__init__", "driver"},
}

LIBCLOUD_OBJECTS = (
    "libcloud.compute.base",
    "libcloud.compute.types",
    "libcloud.storage.base",
    "libcloud.storage.types",
)
"""Where Libcloud's own nouns are: Node, NodeImage, Object and so on."""

KNOWS_LIBCLOUD_OBJECTS = {"driver", "deploy", "sessions", "cli"}
"""The command is in it as a caller of the driver, like anyone else's program."""

PURE = (
    *("model", "plan", "driver.convert", "vcenter.rows", "vcenter.types"),
    *(
        "console.keystrokes",
        "console.layouts",
        "sessions.keyboard.shell_lines",
        "sessions.tools.commands",
        "sessions.tools.supervisors",
    ),
)
DOES_IO = {"http", "paramiko", "requests", "select", "socket", "ssl", "subprocess", "urllib"}
MAKES_ROUND_TRIPS = re.compile(r"\.(fetch_|start_|wait_|run_)\w+$|\.Session$")
"""Names say what does I/O, so rooms that do none can take pure functions from a room that does."""

MODULES = sorted(path for path in FOLDER.rglob("*.py") if path.parent.name != "site_packages")
"""What lies in ``site_packages`` is no part of the package: a test of its own says what it may import."""


def room_of(path: Path) -> str:
    """``vcenter`` for vcenter/session.py, ``compute`` for compute.py."""
    return path.relative_to(FOLDER).with_suffix("").parts[0]


def dotted_name(path: Path) -> str:
    """``vcenter.session`` for vcenter/session.py."""
    return ".".join(path.relative_to(FOLDER).with_suffix("").parts)


def imports_of(path: Path, *, deferred: bool = False) -> set[str]:
    """Every module that ``path`` imports, by its absolute name.

    :param deferred: only what functions import when they are called; otherwise only what an import of the
        module itself imports.
    """
    package = ".".join([PACKAGE, *path.relative_to(FOLDER).parts[:-1]])
    return {
        name
        for node, in_function in _run_time_nodes(ast.parse(path.read_text()), in_function=False)
        if in_function is deferred
        for name in _imported(node, package)
    }


def _run_time_nodes(parent: ast.AST, *, in_function: bool) -> Iterator[tuple[ast.AST, bool]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node, in_function
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _run_time_nodes(node, in_function=in_function or function)


def _imported(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    module = resolve_name("." * node.level + (node.module or ""), package)
    # "from package import name": the name may be a module.
    return [f"{module}.{alias.name}" for alias in node.names]


def ours_in(names: set[str]) -> set[str]:
    """What of this package is among imported ``names``, without the package's own name."""
    ours = {name.removeprefix(PACKAGE).strip(".") for name in names if _is_in(name, PACKAGE)}
    return {name if name.split(".")[0] in ARROWS else "__init__" for name in ours}


def strangers(path: Path, names: set[str], allowed: set[str]) -> set[str]:
    """The imports among ``names`` that are neither of the room itself nor in ``allowed``."""
    welcome = {room_of(path), *allowed}
    return {name for name in ours_in(names) if not any(_is_in(name, room) for room in welcome)}


def _is_in(name: str, module: str) -> bool:
    return f"{name}.".startswith(f"{module}.")


def module_id(path: Path) -> str:
    return str(path.relative_to(FOLDER))


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_every_module_is_in_a_room(path: Path) -> None:
    assert room_of(path) in ARROWS, "say in ARROWS what this room may import"


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_arrows(path: Path) -> None:
    allowed = ARROWS[room_of(path)]
    assert not strangers(path, imports_of(path), allowed)
    assert not strangers(path, imports_of(path, deferred=True), allowed | LATER.get(room_of(path), set()))


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_few_rooms_know_libcloud_objects(path: Path) -> None:
    names = imports_of(path) | imports_of(path, deferred=True)
    known = {name for name in names for module in LIBCLOUD_OBJECTS if _is_in(name, module)}
    assert not known or room_of(path) in KNOWS_LIBCLOUD_OBJECTS


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_pure_modules_do_no_io(path: Path) -> None:
    if not any(_is_in(dotted_name(path), pure) for pure in PURE):
        return
    names = imports_of(path) | imports_of(path, deferred=True)
    assert not {name.split(".")[0] for name in names} & DOES_IO
    assert not {name for name in names if _is_in(name, PACKAGE) and MAKES_ROUND_TRIPS.search(name)}


def test_no_two_rooms_import_each_other() -> None:
    for room, below in ARROWS.items():
        assert not {other for other in below if room in ARROWS[other.split(".")[0]]}, room
