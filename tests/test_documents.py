"""What the documents say is so: their Python runs, their commands parse, their links and privileges lead somewhere."""

from __future__ import annotations

import inspect
import logging
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
from libcloud.compute.base import NodeAuthPassword
from libcloud.compute.ssh import SSHCommandTimeoutError
from pyVmomi import VmomiSupport, vim, vmodl

import libcloud_vsphere_clone
from libcloud_vsphere_clone.cli import main
from libcloud_vsphere_clone.driver.compute import VsphereCloneNodeDriver
from libcloud_vsphere_clone.lab import Lab
from libcloud_vsphere_clone.model import marks
from tests.direct import Direct

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("contrib/**/*.md")])
EXAMPLES = sorted(ROOT.glob("contrib/examples/*.py"))
COUNTS = ROOT / "contrib/examples/count_round_trips.py"
WITHOUT_GUESTS = {"console.py", "windows_winrm.py"}
TOLD = {"same_script_anywhere.py", COUNTS.name}
"""Examples with a test of their own."""
SUITE = ROOT / "contrib/examples/pytest_suite"
PRIVILEGES = ROOT / "contrib/privileges.md"

VERBS = [
    verb
    for kind in VsphereCloneNodeDriver.__mro__
    if kind.__module__.startswith("libcloud_vsphere_clone")
    for name, verb in vars(kind).items()
    if inspect.isfunction(verb) and not name.startswith("_")
]
"""The driver's own methods."""

BLOCK = re.compile(r"^```(?P<language>[\w-]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(vsphere-clone [^`\n]+)`")
LINK = re.compile(r"(?<!!)\[[^]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)


def document_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def python_of(document: Path) -> list[str]:
    return [block["text"] for block in BLOCK.finditer(document.read_text()) if block["language"] == "python"]


RUNNABLE = [document for document in DOCUMENTS if python_of(document)]


# Python


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id_ed25519"], check=True)
    return tmp_path / "id_ed25519"


@pytest.fixture
def tidy_lab(lab: Lab) -> Iterator[Lab]:
    """The lab with guests; what a document's code left in it is gone after the test."""
    yield lab
    lab.faults.clear()
    lab.delay_tasks({})
    with lab.driver() as driver:
        for node in driver.list_nodes():
            if node.extra["managed"]:
                driver.destroy_node(node)


def for_lab(code: str, lab: Lab, key_file: Path) -> str:
    """The code with the lab's in place of the reader's own names."""
    for theirs, ours in {
        '("vcenter.example.com", 443)': repr((lab.host, lab.port)),
        'host="vcenter.example.com"': f"host={lab.host!r}, port={lab.port}",
        '"me@vsphere.local", "password"': f"{lab.username!r}, {lab.password!r}",
        '"ca.pem"': repr(lab.ca_cert),
        '"id_ed25519"': repr(str(key_file)),
        '"id_ed25519.pub"': repr(f"{key_file}.pub"),
    }.items():
        code = code.replace(theirs, ours)
    return code


@pytest.fixture
def quiet_again() -> Iterator[None]:
    """What a document's code has logged is not logged in later tests."""
    logger = logging.getLogger("libcloud_vsphere_clone")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.mark.guests
@pytest.mark.usefixtures("quiet_again")
@pytest.mark.parametrize("document", RUNNABLE, ids=document_id)
def test_python_runs(document: Path, tidy_lab: Lab, key_file: Path) -> None:
    names: dict[str, Any] = {}
    for code in python_of(document):
        exec(compile(for_lab(code, tidy_lab, key_file), str(document), "exec"), names)  # noqa: S102
    for value in names.values():
        if isinstance(value, VsphereCloneNodeDriver):
            value.close()


def test_no_block_is_left_out() -> None:
    """What is indented or called otherwise would not be run; the changelog's are cuttings."""
    for document in DOCUMENTS:
        text = document.read_text()
        assert {block["language"] for block in BLOCK.finditer(text)} <= {"", "diff", "python"}
        if document.name != "CHANGELOG.md":
            assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(BLOCK.findall(text)), document.name


def test_every_example_is_named_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [path.name for path in [*EXAMPLES, SUITE] if f"contrib/examples/{path.name}" not in readme] == []


def test_same_script_runs_on_the_lab(private_state: Path) -> None:
    run_example(str(ROOT / "contrib/examples/same_script_anywhere.py"))


def test_calls_are_as_many_as_the_readme_says(private_state: Path) -> None:
    (line,) = (line for line in run_example(str(COUNTS)).splitlines() if "list_nodes" in line)
    ours, _, theirs, found = re.findall(r"\d+", line)
    said = " ".join((ROOT / "README.md").read_text().split())
    assert f"counts {theirs} calls there for {found} nodes, and {ours} here" in said


@pytest.mark.parametrize("example", [path for path in EXAMPLES if path.name in WITHOUT_GUESTS], ids=document_id)
def test_example_without_guests_runs(example: Path, private_state: Path) -> None:
    run_example(str(example))


@pytest.mark.guests
@pytest.mark.parametrize(
    "example", [path for path in EXAMPLES if path.name not in WITHOUT_GUESTS | TOLD], ids=document_id
)
def test_example_with_guests_runs(example: Path, private_state: Path) -> None:
    run_example(str(example))


def test_same_script_runs_elsewhere() -> None:
    run_example(str(ROOT / "contrib/examples/same_script_anywhere.py"), "dummy")


def test_example_suite_passes(private_state: Path) -> None:
    # Where the package is installed, its entry point loads the plugin; a second time would be one too many.
    installed = entry_points(group="pytest11", name="vsphere_clone")
    plugin = () if installed else ("-p", "libcloud_vsphere_clone.pytest_plugin")
    run_example("-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, str(SUITE))


def run_example(*words: str) -> str:
    """What it printed; it must end well."""
    command, environment = [sys.executable, *words], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Commands


def block_commands(text: str) -> list[str]:
    """The commands of ours in the blocks of a document's text."""
    lines = [line for block in BLOCK.finditer(text) for line in block["text"].replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("vsphere-clone ")]


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


@pytest.mark.guests
def test_commands_of_the_readme_run(private_state: Path) -> None:
    command = ("-m", "libcloud_vsphere_clone.cli")
    try:
        for line in block_commands((ROOT / "README.md").read_text()):
            run_example(*command, *shlex.split(line, comments=True)[1:])
    finally:
        run_example(*command, "lab", "stop", "--all")


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


# Privileges


def table_rows(width: int) -> list[list[str]]:
    """The rows of this many columns in the privileges document, without headings and their rules."""
    lines = [line for line in PRIVILEGES.read_text().splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if len(row) == width and any("`" in cell for cell in row)]


CHANGES = [[re.sub("`", "", cell) for cell in row] for row in table_rows(5)]
"""[call, API method, privilege, object, condition] of all that changes something."""

READS = {method for row in table_rows(3) for method in re.findall(r"`(\w+)`", row[2])}
"""The API methods that every call may use."""


def test_privilege_ids_exist(direct: Direct) -> None:
    roles = direct.read(direct.content.authorizationManager, "roleList")
    known = {privilege for role in roles for privilege in role.privilege}
    named = set(re.findall(r"`([A-Z]\w+(?:\.[A-Z]\w+)+)`", PRIVILEGES.read_text()))
    assert len(named) > 20
    assert named - known == set()


def test_the_roles_have_what_the_tables_say() -> None:
    text = PRIVILEGES.read_text().replace("\\\n", " ")
    roles = {line.split()[2]: line.split()[3:] for line in text.splitlines() if line.startswith("govc role.create ")}
    on_vcenter = {row[2] for row in CHANGES if row[3] == "the vCenter"}
    assert roles["libcloud-vcenter"] == sorted(on_vcenter)
    assert roles["libcloud-nodes"] == sorted({row[2] for row in CHANGES} - on_vcenter)


def test_every_table_has_a_head() -> None:
    """Rows without one above them are shown as text."""
    for document in DOCUMENTS:
        for table in re.findall(r"(?:^\|.*\n)+", document.read_text(), re.MULTILINE):
            assert re.match(r"\|.*\n\|[-:|]+\n", table), f"{document.name}: {table[:80]}"


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: f"{row[0]}-{row[2]}")
def test_privilege_is_the_one_that_pyvmomi_knows(row: list[str]) -> None:
    """pyVmomi carries the reference's privileges, where they are fixed for the method or its parameters."""
    call, method, privilege, *_ = row
    assert hasattr(VsphereCloneNodeDriver, call)
    info = api_method(method)
    fixed = {info.privId, *(parameter.privId for parameter in info.params)} - {None, "System.View", "System.Read"}
    assert not fixed or privilege in fixed


def api_method(name: str) -> Any:
    """pyVmomi's description of the method of this name on the wire."""
    inside = (vim.vm.guest.AuthManager, vim.vm.guest.FileManager, vim.vm.guest.ProcessManager)
    beside = (vim.ManagedEntity, vim.Folder, vim.Datacenter, vim.Task, vim.CustomizationSpecManager)
    for kind in (vim.VirtualMachine, *beside, *inside):
        for info in methods_of(kind):
            if info.wsdlName == name:
                return info
    raise AssertionError(f"no API method {name}")


def methods_of(kind: Any) -> list[Any]:
    """pyVmomi's descriptions of a type's own methods; it loads a type when it is asked for by name."""
    return list(VmomiSupport.GetVmodlType(kind.__name__)._methodInfo.values())


def test_every_call_that_changes_something_has_its_row(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    sent = {}
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    node = driver.create_node("privileged", None, image, ex_group="a group that is new", ex_power_on=False)
    for call in ("create_node", "start_node", "reboot_node", "stop_node", "destroy_node"):
        if call != "create_node":
            getattr(driver, call)(node)
        sent[call] = set(bare_lab.calls().by_method) - READS
        bare_lab.reset_calls()
    listed = {call: {row[1] for row in CHANGES if row[0] == call} for call in sent}
    assert {call: methods - listed[call] for call, methods in sent.items() if methods - listed[call]} == {}


def test_every_call_for_groups_has_its_row(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    listed = {call: {row[1] for row in CHANGES if row[0] == call} for call in {row[0] for row in CHANGES}}
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    driver.ex_create_nodes_in_group("privileged", 3, None, image, ex_max_in_flight=1)
    sent = set(bare_lab.calls().by_method) - READS
    assert sent <= listed["create_node"] | listed["ex_create_nodes_in_group"]
    bare_lab.reset_calls()
    driver.ex_destroy_group("privileged", ex_remove_folder=True)
    assert set(bare_lab.calls().by_method) - READS <= listed["ex_destroy_group"]


def test_configuring_an_image_has_its_rows(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    image = driver.ex_get_image_by_name("debian-12")
    bare_lab.reset_calls()
    driver.ex_configure_image(image, username="")
    listed = {row[1] for row in CHANGES if row[0] == "ex_configure_image"}
    assert set(bare_lab.calls().by_method) - READS == listed


def test_typing_has_its_rows(bare_lab: Lab, driver: VsphereCloneNodeDriver) -> None:
    node = driver.create_node("typed", None, driver.ex_get_image_by_name("debian-12"))
    bare_lab.reset_calls()
    driver.ex_open_session(node, "keyboard").run("true")
    listed = {row[1] for row in CHANGES if row[0] == "ex_open_session"}
    assert set(bare_lab.calls().by_method) - READS <= listed


@pytest.mark.guests
def test_guest_operations_have_their_rows(tidy_lab: Lab) -> None:
    listed = {row[1] for row in CHANGES if row[0] == "ex_open_session"}
    password = NodeAuthPassword("vsphere-lab")
    with tidy_lab.driver() as driver:
        node = driver.create_node("asked", None, driver.ex_get_image_by_name("debian-12-static"))
        tidy_lab.reset_calls()
        session = driver.ex_open_session(node, "tools", auth=password)
        path = session.put("new folder/file", "text")
        with pytest.raises(SSHCommandTimeoutError):
            session.run("sleep 30", timeout=0.5)
        session.delete(path)
        assert set(tidy_lab.calls().by_method) - READS <= listed
        driver.destroy_node(node)


def test_reads_need_what_the_document_says(bare_lab: Lab) -> None:
    bare_lab.reset_calls()
    with bare_lab.driver() as driver:
        for listing in (driver.list_images, driver.list_nodes, driver.list_locations, driver.ex_list_groups):
            listing()
    assert set(bare_lab.calls().by_method) - READS == set()


def test_reading_privileges_are_those_that_pyvmomi_knows() -> None:
    kinds = (vmodl.query.PropertyCollector, vim.SearchIndex, vim.view.View, vim.view.ViewManager)
    others = (vim.view.ListView, vim.SessionManager, vim.ServiceInstance, vim.event.EventManager, vim.HistoryCollector)
    known = {info.wsdlName: info.privId for kind in (*kinds, *others) for info in methods_of(kind)}
    listed = {method: row[0].strip("`") for row in table_rows(3) for method in re.findall(r"`(\w+)`", row[2])}
    assert len(listed) > 10
    assert known["ResetListView"] is None  # pyVmomi says nothing of it; the reference does
    assert {method: known[method] or "System.View" for method in listed} == listed
