"""What the documents say is so: their commands parse, their names exist, their links lead somewhere."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from pyVmomi import VmomiSupport

import libcloud_vsphere_clone
from libcloud_vsphere_clone.cli import main
from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.model import marks
from tests.documents import (
    BLOCK,
    DOCUMENTS,
    ROOT,
    block_commands,
    code_named_in,
    document_id,
    items_of,
    section_of,
)

VERBS = [
    verb
    for kind in VsphereCloneNodeDriver.__mro__
    if kind.__module__.startswith("libcloud_vsphere_clone")
    for name, verb in vars(kind).items()
    if inspect.isfunction(verb) and not name.startswith("_")
]
"""The driver's own methods."""

INLINE = re.compile(r"`(vsphere-clone [^`\n]+)`")
LINK = re.compile(r"(?<!!)\[[^]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)


def test_no_block_is_left_out() -> None:
    """What is indented or called otherwise would not be run; the changelog's are cuttings."""
    for document in DOCUMENTS:
        text = document.read_text()
        assert {block["language"] for block in BLOCK.finditer(text)} <= {"", "diff", "python"}
        if document.name != "CHANGELOG.md":
            assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(BLOCK.findall(text)), document.name


# Commands


def shown_commands() -> Iterator[tuple[Path, str]]:
    for document in DOCUMENTS:
        text = document.read_text()
        yield from ((document, line) for line in block_commands(text))
        yield from ((document, inline[1]) for inline in INLINE.finditer(BLOCK.sub("", text)))


@pytest.mark.parametrize("document, line", list(shown_commands()), ids=lambda value: str(getattr(value, "name", value)))
def test_shown_command_parses(document: Path, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    words = words[: words.index("--")] if "--" in words else words  # what follows is another program's
    command: click.Command = main
    # As the program itself: click makes a command's help option once, with the names that its first context has.
    context = click.Context(main, info_name="vsphere-clone", **main.context_settings)
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        assert found is not None, f"{document.name}: no command {words[0]}"
        command, context, words = found, click.Context(found, info_name=words[0], parent=context), words[1:]
    _, left, _ = command.make_parser(context).parse_args(words)  # raises NoSuchOption
    assert not left


def test_every_command_is_in_the_user_guide() -> None:
    guide = (ROOT / "docs/user-guide.md").read_text() + (ROOT / "docs/lab.md").read_text()
    lab = main.get_command(click.Context(main), "lab")
    assert isinstance(lab, click.Group)
    every = [*main.list_commands(click.Context(main)), *(f"lab {name}" for name in lab.commands)]
    assert [name for name in every if f"vsphere-clone {name}" not in guide] == []


# Names and links


@pytest.mark.parametrize("name", libcloud_vsphere_clone.__all__)
def test_every_public_name_is_in_the_user_guide(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs/user-guide.md").read_text()


def test_every_parameter_is_in_the_user_guide() -> None:
    guide = (ROOT / "docs/user-guide.md").read_text()
    methods = (VsphereCloneNodeDriver.__init__, VsphereCloneNodeDriver.create_node)
    words = {word for method in methods for word in method.__annotations__} - {"return", "kwargs"}
    assert [word for word in sorted(words) if not re.search(rf"`{word}`|[(, ]{word}[,)]", guide)] == []


def first_cells(document: Path, head: str) -> set[str]:
    """What the first column of the table with this head names, word by word."""
    _, _, table = document.read_text().partition(f"\n| {head} |")
    rows = table.partition("\n\n")[0].splitlines()[2:]
    return {word.strip("`,") for row in rows for word in re.sub(r"\([^)]*\)", "", row.split("|")[1]).split()}


def test_every_room_of_the_package_is_in_the_contributors_table() -> None:
    package = ROOT / "libcloud_vsphere_clone"
    rooms = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert first_cells(ROOT / "CONTRIBUTING.md", "room") == rooms - {"__init__"}


def test_every_dependency_is_in_the_contributors_table() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    lists = [project["project"]["dependencies"], *extras.values(), *groups.values()]
    needed = {re.split(r"[^\w-]", line)[0] for lines in lists for line in lines}
    assert first_cells(ROOT / "CONTRIBUTING.md", "dependency") == needed | {"govmomi"}


def test_every_key_that_is_written_is_in_how_it_works() -> None:
    sources = "".join(path.read_text() for path in ROOT.glob("libcloud_vsphere_clone/**/*.py"))
    keys = {value for value in vars(marks).values() if isinstance(value, str) and value.startswith("libcloud.")}
    keys |= set(re.findall(r'"(guestinfo\.libcloud\.\w+)"', sources))
    text = (ROOT / "docs/how-it-works.md").read_text()
    assert len(keys) > 10
    assert [key for key in sorted(keys - {marks.OWN_PREFIX}) if f"`{key}`" not in text] == []


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_every_verb_and_option_is_in_the_user_guide(verb: Any) -> None:
    guide = (ROOT / "docs/user-guide.md").read_text()
    words = [word for word in inspect.signature(verb).parameters if word.startswith("ex_")]
    missing = [word for word in (verb.__name__, *words) if not re.search(rf"\b{word}\b", guide)]
    assert missing == []


def test_every_option_of_the_command_is_in_the_documents() -> None:
    text = "".join((ROOT / name).read_text() for name in ("docs/user-guide.md", "docs/lab.md", "docs/sessions.md"))
    missing = [
        f"{command.name} {option}"
        for command in commands_below(main)
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--") and not re.search(rf"{option}(?![\w-])", text)
    ]
    assert missing == []


def commands_below(group: click.Group) -> Iterator[click.Command]:
    """All commands, those of groups in it too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands_below(command)
        else:
            yield command


@pytest.mark.parametrize("document", DOCUMENTS, ids=document_id)
def test_links_lead_somewhere(document: Path) -> None:
    dead = [link["target"] for link in LINK.finditer(document.read_text()) if not leads(document, link["target"])]
    assert dead == []


def leads(document: Path, target: str) -> bool:
    """Whether a file is there, with a heading of that name; addresses on the web are taken as they are."""
    if re.match(r"[a-z]+:", target):
        return True
    name, _, anchor = target.partition("#")
    file = (document.parent / name).resolve() if name else document
    if not file.is_relative_to(ROOT) or not file.exists():
        return False
    return not anchor or anchor in {slug(heading["text"]) for heading in HEADING.finditer(file.read_text())}


def slug(heading: str) -> str:
    """What GitHub calls a heading in links."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_table_has_a_head() -> None:
    """Rows without one above them are shown as text."""
    for document in DOCUMENTS:
        for table in re.findall(r"(?:^\|.*\n)+", document.read_text(), re.MULTILINE):
            assert re.match(r"\|.*\n\|[-:|]+\n", table), f"{document.name}: {table[:80]}"


# One create_node, step by step

STEPS = section_of((ROOT / "docs/how-it-works.md").read_text(), "One create_node, step by step")
NAMED = [named for item in items_of(STEPS) for named in code_named_in(item)]
API_METHODS = {name for _, name in VmomiSupport._wsdlMethodMap}


def names_in(file: Path) -> set[str]:
    """The classes, functions, parameters and constants of a file; methods with and without their class."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {ast.unparse(target) for target in targets}
        for each in ast.walk(node):
            if isinstance(each, ast.FunctionDef | ast.ClassDef):
                found.add(each.name)
            if isinstance(each, ast.arg):
                found.add(each.arg)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return found


def test_each_step_of_create_node_names_a_file_and_a_function() -> None:
    assert len(items_of(STEPS)) >= 3
    for item in items_of(STEPS):
        assert {bool(name) for _, name in code_named_in(item)} == {False, True}, item


@pytest.mark.parametrize(("file", "name"), dict.fromkeys(NAMED), ids=lambda value: value or "itself")
def test_what_the_steps_of_create_node_name_is_there(file: str, name: str) -> None:
    assert path_of(file).is_file()
    beside = {other for other, _ in NAMED if path_of(other).is_file()}  # what a step says of another step's objects
    assert not name or name in API_METHODS or any(name in names_in(path_of(other)) for other in (file, *beside))


def test_the_name_after_a_file_is_in_it() -> None:
    for (file, name), (_, following) in itertools.pairwise(NAMED):
        if not name and following:
            assert following in names_in(path_of(file)), f"{file}: {following}"


def path_of(file: str) -> Path:
    return ROOT / "libcloud_vsphere_clone" / file.removeprefix("libcloud_vsphere_clone/")


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ("1. `driver/nodes.py` `NodeVerbs.create_node` asks", ["", "NodeVerbs.create_node"]),
        ("- `driver/nodes.py: create_node` asks for a *clone*", ["", "create_node"]),
        ("| ask | `driver/nodes.py` | `create_node()` and `CloneVM_Task` |", ["", "create_node", "CloneVM_Task"]),
        ("- `CloneVM_Task` is sent, says `driver/nodes.py`", [""]),
        ("- `driver/nodes.py` says `ex_group=`, `a b` and `ex_`", [""]),
        ("- nothing", []),
    ],
)
def test_a_step_is_read(item: str, named: list[str]) -> None:
    assert code_named_in(item) == [("driver/nodes.py", name) for name in named]


def test_items_are_those_of_lists_and_tables() -> None:
    section = "Words.\n\n1. one\n   goes on\n2. two\n\nMore words.\n\n| a | b |\n|---|---|\n| c | d |\n\nEnd.\n"
    assert [item.strip() for item in items_of(section)] == ["1. one\n   goes on", "2. two", "| c | d |"]
