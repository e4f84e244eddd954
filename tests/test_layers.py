"""The arrows between the rooms of the package, and no circle of modules: kept by reading the imports of every module.

A room is a folder of the package, or a module directly in it. Imports for the type checker only are no arrows.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path
from typing import get_type_hints

import pytest

from tests.modules import FOLDER, MODULES, PACKAGE, dotted_name, module_id

EVERYWHERE = {"errors", "parallel", "option_names", "loading"}
"""What every room but the doors may import: it knows nothing of vSphere, or turns its faults into errors."""

ARROWS: dict[str, set[str]] = {
    # room: what it may import, a room or, where not all of it, single modules
    "option_names": set(),
    "errors": {"option_names"},
    "parallel": set(),
    "registration": set(),
    "loading": set(),
    "__init__": {"registration"},
    # towards vCenter and back
    "vcenter": EVERYWHERE,
    "model": {*EVERYWHERE, "vcenter.rows"},
    "plan": {*EVERYWHERE, "model", "vcenter.rows", "vcenter.types"},
    "inventory": {*EVERYWHERE, "model", "vcenter"},
    "guest": {*EVERYWHERE, "model", "vcenter"},
    "console": {*EVERYWHERE, "model", "vcenter"},
    "operations": {*EVERYWHERE, "model", "vcenter", "plan", "inventory"},
    # into guests
    "sessions": {*EVERYWHERE, "model", "vcenter", "guest", "console", "operations.extra_config"},
    "deploy": {*EVERYWHERE, "model", "sessions"},
    # what Libcloud sees
    "driver": {
        *(*EVERYWHERE, "model", "vcenter", "plan", "inventory", "guest", "console"),
        *("operations", "sessions", "deploy"),
    },
    # the doors
    "lab": set(),
    "cli": {
        *(*EVERYWHERE, "__init__", "model", "driver", "lab"),
        *("plan.guest.user_data", "sessions.ssh.keys", "sessions.streaming", "sessions.transports"),
    },
    "pytest_plugin": set(),
}

LATER: dict[str, set[str]] = {
    # room: what its functions may import besides, when they are called
    "lab": {"__init__"},
    "pytest_plugin": {"lab"},
}

TESTS = sorted(Path(__file__).parent.rglob("test_*.py"))

LIBCLOUD_OBJECTS = (
    "libcloud.compute.base",
    "libcloud.compute.types",
    "libcloud.storage.base",
    "libcloud.storage.types",
)
"""Where Libcloud's own nouns are: Node, NodeImage, Object and so on."""

KNOWS_LIBCLOUD_OBJECTS = {"driver", "deploy", "sessions", "cli"}
"""The command is in it as a caller of the driver, like any other program."""

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

ACROSS_MODULES = {
    # tests of a room's modules together
    *("sessions/test_alike.py", "deploy/test_interrupts.py", "vcenter/test_expiry.py", "vcenter/test_interrupts.py"),
    *("inventory/test_failures.py", "guest/test_customized_guests.py", "driver/test_calls.py"),
    "plan/guest/test_host_keys.py",
    # what the lab's Go program does
    *(
        "lab/test_announcements.py",
        "lab/test_customization.py",
        "lab/test_guest_operations.py",
        "lab/test_guestinfo.py",
    ),
}

NOT_YET: set[str] = set()

NAMES = {dotted_name(path) for path in MODULES}


def room_of(path: Path) -> str:
    """``vcenter`` for vcenter/session.py, ``errors`` for errors.py."""
    return dotted_name(path).split(".")[0]


@cache
def imports_of(path: Path, *, deferred: bool = False) -> set[str]:
    """Every module that ``path`` imports, by its absolute name; of ``from module import name`` both, as one name.

    :param deferred: only what functions import when they are called, and what loads when a room's module is named;
        otherwise only what an import of the module itself imports.
    """
    package = ".".join([PACKAGE, *path.relative_to(FOLDER).parts[:-1]])
    tree = ast.parse(path.read_text())
    names = {
        name
        for node, in_function in _run_time_nodes(tree, in_function=False)
        if in_function is deferred
        for name in _imported(node, package)
    }
    return names | _named_in_rooms(tree, package) if deferred else names


def _named_in_rooms(tree: ast.Module, package: str) -> set[str]:
    """``operations.power.stop_vm`` where the file has ``from .. import operations``."""
    rooms = {
        alias.asname or alias.name: resolve_name("." * node.level, package) + f".{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.level and node.module is None
        for alias in node.names
    }
    chains = (ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    split = (chain.partition(".") for chain in chains)
    return {f"{rooms[root]}.{rest}" for root, _, rest in split if root in rooms and re.fullmatch(r"[\w.]+", rest)}


def _run_time_nodes(parent: ast.AST, *, in_function: bool) -> Iterator[tuple[ast.AST, bool]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node, in_function
        function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _run_time_nodes(node, in_function=in_function or function)


def _imported(node: ast.AST, package: str) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            module = resolve_name("." * node.level + (node.module or ""), package)
            # "from package import name": the name may be a module.
            return [f"{module}.{alias.name}" for alias in node.names]
        case ast.Call(args=[ast.Constant(value=str(name)), *_]) if ast.unparse(node.func).endswith("import_module"):
            return [resolve_name(name, package)]
    return []


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


def module_of(name: str) -> str | None:
    """The module that has ``name``, by its dotted name in the package; None if no module has it."""
    parts = name.split(".")
    candidates = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    for candidate in candidates:
        for module in (candidate, f"{candidate}.__init__"):
            if module in NAMES:
                return module
    return None


def circles(arrows: Mapping[str, set[str]]) -> list[str]:
    """The modules that import each other, directly or by way of others; each such circle as one text."""
    reached = {start: _reached(arrows, start) for start in arrows}
    found = {
        ", ".join(sorted(other for other in reached[start] if start in reached.get(other, ())))
        for start in arrows
        if start in reached[start]
    }
    return sorted(found)


def _reached(arrows: Mapping[str, set[str]], start: str) -> set[str]:
    """All that is imported when ``start`` is, by way of others too; itself, if it is in a circle."""
    found: set[str] = set()
    left = [start]
    while left:
        new = arrows.get(left.pop(), set()) - found
        found |= new
        left.extend(new)
    return found


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_every_module_is_in_a_room(path: Path) -> None:
    assert room_of(path) in ARROWS, "say in ARROWS what this room may import"


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_every_import_follows_an_arrow(path: Path) -> None:
    allowed = ARROWS[room_of(path)]
    assert not strangers(path, imports_of(path), allowed)
    assert not strangers(path, imports_of(path, deferred=True), allowed | LATER.get(room_of(path), set()))


def test_arrows_between_rooms_make_no_circle() -> None:
    arrows = {room: {other.split(".")[0] for other in below} for room, below in ARROWS.items()}
    TopologicalSorter(arrows).prepare()  # raises CycleError


def test_an_arrow_to_a_single_module_is_used() -> None:
    """Such an arrow is an exception: it goes with its last import."""
    used: dict[str, set[str]] = {room: set() for room in ARROWS}
    for path in MODULES:
        used[room_of(path)] |= ours_in(imports_of(path) | imports_of(path, deferred=True))
    for room, below in ARROWS.items():
        single = {other for other in below if "." in other}
        assert not {other for other in single if not any(_is_in(name, other) for name in used[room])}, room


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports in functions count too: of two such modules neither can be read, or tested, without the other."""
    arrows = {}
    for path in MODULES:
        names = ours_in(imports_of(path) | imports_of(path, deferred=True))
        arrows[dotted_name(path)] = {module for name in names if (module := module_of(name))}
    assert set(circles(arrows)) == NOT_YET


@pytest.mark.parametrize(
    ("arrows", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"a"}}, ["a"]),
        ({"a": {"b"}, "b": {"a"}}, ["a, b"]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": {"f"}, "f": {"e"}}, ["a, b, c", "e, f"]),
    ],
)
def test_circles_are_found(arrows: dict[str, set[str]], expected: list[str]) -> None:
    assert circles(arrows) == expected


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_every_imported_module_is_there(path: Path) -> None:
    """Imports in functions, and those by a name in a string, would fail at the user's."""
    names = ours_in(imports_of(path) | imports_of(path, deferred=True))
    assert not {name for name in names if not _is_there(name)}


def _is_there(name: str) -> bool:
    """Whether there is a module of this name, or a module that has it."""
    module = module_of(name)
    if module is None:
        return False
    rest = name.removeprefix(module).removeprefix(module.removesuffix(".__init__")).strip(".")
    return not rest or re.search(rf"\b{rest}\b", _text_of(module)) is not None


def _text_of(module: str) -> str:
    return FOLDER.joinpath(*module.split(".")).with_suffix(".py").read_text()


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


def test_tests_lie_beside_the_modules_that_they_test() -> None:
    """``test_files.py`` for files.py, or ``test_files_over_ssh.py`` for a part of it."""
    astray = set()
    for path in TESTS:
        name = path.relative_to(Path(__file__).parent)
        modules = FOLDER.joinpath(*name.parts[:-1]).glob("*.py")
        beside = any(f"{path.stem}_".startswith(f"test_{module.stem}_") for module in modules)
        if len(name.parts) > 1 and not beside:
            astray.add(str(name))
    assert astray == ACROSS_MODULES


SPELLS_NO_OPTION = {"model", "plan", "inventory", "operations"}
"""What the driver calls an option is no affair of theirs: they write ``option("hostname=")`` into their messages."""


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) in SPELLS_NO_OPTION], ids=module_id)
def test_rooms_below_the_driver_spell_no_option(path: Path) -> None:
    assert not re.findall(r"\bex_[a-z]\w*", path.read_text())


@pytest.mark.parametrize("path", MODULES, ids=module_id)
def test_messages_name_options_that_there_are(path: Path) -> None:
    from libcloud_vsphere_clone import VsphereCloneNodeDriver

    known = {name for name in dir(VsphereCloneNodeDriver) if name.startswith("ex_")}
    for name in ("__init__", *known, "create_node", "deploy_node", "wait_until_running"):
        known |= {word for word in get_type_hints(getattr(VsphereCloneNodeDriver, name)) if word.startswith("ex_")}
    marked = {
        node.args[0].value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "option" and isinstance(node.args[0], ast.Constant)
    }
    named = {"ex_" + re.split(r"\W", str(text))[0] for text in marked}
    assert not named - known
