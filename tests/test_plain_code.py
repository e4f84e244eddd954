"""Objects of our own are typed where they go, options are passed by name, and a class name stands once.

What is decided here, and what is left to mypy, is in plain_code.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.modules import MODULES, dotted_name
from tests.own_objects import Program
from tests.plain_code import calls_of, class_names, forwarded_keywords, loose_accesses, loose_arguments

FOLDER_OF_TESTS = Path(__file__).parent
TESTS = sorted(FOLDER_OF_TESTS.rglob("*.py"))

FOREIGN = {
    # where: a name typed Any, and an attribute of a library's class that one of ours has as well
    "cli.deploy_node._after_creation: failure.node",  # Libcloud's DeploymentError
    "lab.control._moid: node.extra",  # Libcloud's Node, or a managed object's id
    "vcenter.stub.InvokeMethod: info.result",  # pyVmomi's description of a method
}

CHECKED_HERE = {
    # where: call <- class of an object that a function is given to find out what it is
    "sessions.login_retry._given_up: __init__(fault=) <- AuthenticationError",
}

NOT_YET: dict[str, set[str]] = {
    # rule: what does not keep it yet; these lists may only become shorter
    "accesses": set(),
    "arguments": set(),
    "keywords": {
        "cli.connection._build_connection: DriverConnection(**)",
        "cli.deploy_node._create: self._driver.create_node(**)",
        "cli.deploy_node._deploy: self._driver.deploy_node(**)",
        "driver.groups.ex_deploy_nodes_in_group: split_deploy_keywords(**)",
        "lab.embedded.start_winrm: LabWinRM.start(**)",
    },
    "locals": set(),
    "patches": set(),
    "class names": set(),
}


@pytest.fixture(scope="module")
def package() -> Program:
    return Program({dotted_name(path): path.read_text() for path in MODULES})


def test_nothing_typed_any_is_used_as_an_object_of_ours(package: Program) -> None:
    assert loose_accesses(package) - FOREIGN == NOT_YET["accesses"]


def test_no_object_of_ours_is_passed_as_any(package: Program) -> None:
    assert loose_arguments(package) - CHECKED_HERE == NOT_YET["arguments"]


def test_no_function_of_ours_is_given_keywords_of_any_kind(package: Program) -> None:
    assert forwarded_keywords(package) == NOT_YET["keywords"]


def test_no_function_reads_its_own_names(package: Program) -> None:
    assert calls_of(package, "locals") == NOT_YET["locals"]


def test_a_class_name_stands_once(package: Program) -> None:
    assert {name for name, modules in class_names(package).items() if len(modules) > 1} == NOT_YET["class names"]


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=lambda path: "/".join(path.parts[-2:]))
def test_no_file_has_more_than_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_no_test_patches_by_a_name_in_a_string() -> None:
    """Neither mypy nor a search for the name would find it."""
    patch = re.compile(r'setattr\(\s*"libcloud_vsphere_clone')
    found = {str(path.relative_to(FOLDER_OF_TESTS)) for path in TESTS if patch.search(path.read_text())}
    assert found == NOT_YET["patches"]


def test_every_exception_to_these_rules_is_needed(package: Program) -> None:
    assert loose_accesses(package) >= FOREIGN
    assert loose_arguments(package) >= CHECKED_HERE


# The rules themselves: small sources, of which each must be refused, or must pass

ENGINE = """
class Engine:
    speed: int
    def start(self) -> None: ...
"""

USES = {
    "a parameter": "def drive(engine: Any): engine.start()",
    "a parameter without a type": "def drive(engine): engine.start()",
    "a parameter that may be None": "def drive(engine: Any | None = None): engine.start()",
    "a parameter, in a function inside": "def drive(engine: Any):\n    def go(): engine.start()",
    "an attribute": "class Car:\n    engine: Any\n    def drive(self): self.engine.start()",
    "an attribute set from a parameter": (
        "class Car:\n    def __init__(self, engine: Any): self.engine = engine\n"
        "    def drive(self): return self.engine.speed"
    ),
    "a variable": "def drive(make):\n    engine: Any = make()\n    engine.start()",
    "another's attribute": "class Car:\n    engine: Any\ndef drive(car: Car): car.engine.start()",
}

PASSES = {
    "the right type": "from .engine import Engine\ndef drive(engine: Engine): engine.start()",
    "a type for the checker": "def drive(engine: 'Engine'): engine.start()",
    "a Protocol": (
        "class Starts(Protocol):\n    def start(self) -> None: ...\ndef drive(engine: Starts): engine.start()"
    ),
    "no attribute of ours": "def drive(engine: Any): engine.stop()",
    "a container": "def drive(values: dict[str, Any]): values.start()",
}


@pytest.mark.parametrize("source", USES.values(), ids=USES)
def test_a_use_of_our_object_as_any_is_found(source: str) -> None:
    assert loose_accesses(Program({"engine": ENGINE, "car": source}))


@pytest.mark.parametrize("source", PASSES.values(), ids=PASSES)
def test_a_use_that_says_what_it_takes_passes(source: str) -> None:
    assert loose_accesses(Program({"engine": ENGINE, "car": source})) == set()


TAKES = """
from .engine import Engine, build_engine
from .car import Car
def drive(engine: Any, *, speed: object = None) -> None: ...
def typed(engine: Engine) -> None: ...
def checked(**options: Any) -> None: ...
class Garage:
    car: Any
class Workshop:
    def __init__(self, car: Any) -> None: self._car = car
    def repair(self, car: Any) -> None: ...
"""

CARRIES = {
    "a constructed object": "drive(Engine())",
    "a keyword": "drive(None, speed=Engine())",
    "a parameter": "drive(engine)",
    "a list of them": "drive([engine])",
    "a variable": "made = Engine(); drive(made)",
    "what a with statement gives": "with Engine() as made: drive(made)",
    "what a function returns": "drive(build_engine())",
    "what a method returns": "drive(car.engine())",
    "an attribute": "drive(car.spare)",
    "a keyword of any name": "checked(engine=engine)",
    "a field of a data class": "Garage(car)",
    "a constructor": "Workshop(car=car)",
    "a method": "Workshop(None).repair(car)",
    "an attribute that is set": "Garage(None).car = car",
}


def found_in(statement: str) -> set[str]:
    """What is found in a function of this one statement."""
    engine = f"{ENGINE}\ndef build_engine() -> Engine: ..."
    car = "from .engine import Engine\nclass Car:\n    spare: Engine\n    def engine(self) -> Engine | None: ..."
    text = f"{TAKES}\ndef use(engine: Engine, car: Car, values: list[int]) -> None:\n    {statement}"
    return loose_arguments(Program({"engine": engine, "car": car, "use": text}))


@pytest.mark.parametrize("statement", CARRIES.values(), ids=CARRIES)
def test_an_object_of_ours_that_is_passed_as_any_is_found(statement: str) -> None:
    assert found_in(statement)


@pytest.mark.parametrize("statement", ["typed(engine)", "drive(values)", "drive(engine.speed)", "print(engine)"])
def test_what_is_no_object_of_ours_or_is_typed_passes(statement: str) -> None:
    assert found_in(statement) == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def outer(**options: Any): inner(**options)", True),
        ("def outer(**options): inner(**options)", True),
        ("def outer(options: dict[str, Any]): inner(**options)", True),
        ("def outer():\n    options: dict[str, Any] = {}\n    inner(**options)", True),
        ("def outer(**options: Unpack[Options]): inner(**options)", False),
        ("def outer(**options: Any): print(**options)", False),
        ("def outer(**options: Any): inner(speed=options['speed'])", False),
    ],
)
def test_keywords_of_any_kind_that_are_handed_on_are_found(source: str, *, found: bool) -> None:
    program = Program({"engine": f"def inner(speed: int = 0) -> None: ...\n{source}"})
    assert bool(forwarded_keywords(program)) is found


def test_a_class_in_a_function_counts_too() -> None:
    program = Program({"one": "class Engine: ...", "two": "def make():\n    class Engine: ..."})
    assert class_names(program) == {"Engine": ["one", "two"]}
