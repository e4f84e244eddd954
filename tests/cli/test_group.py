"""``cli/group.py`` and ``cli/__init__.py``: commands found, failures in one line, exit statuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner, Result

from libcloud_vsphere_clone import __version__
from libcloud_vsphere_clone.cli import COMMANDS, main
from libcloud_vsphere_clone.cli.group import CommandGroup, debug_option
from libcloud_vsphere_clone.errors import VsphereError
from libcloud_vsphere_clone.lab import Lab

Run = Callable[..., Result]


def failing(failure: BaseException) -> click.Group:
    """A group like the real one, with a command that raises."""

    @click.command()
    @debug_option
    def fail() -> None:
        raise failure

    class Failing(CommandGroup):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
            return fail

    return Failing("test", names=["fail"])


def test_help_names_every_command_and_the_exit_statuses(run: Run) -> None:
    shown = run("--help")
    assert shown.exit_code == 0
    assert all(f"  {command}  " in shown.stdout for command in COMMANDS)
    assert "Exit status:" in shown.stdout
    assert "script's own exit status" in shown.stdout


@pytest.mark.parametrize("group", [[], ["lab"]])
def test_the_list_of_commands_cuts_no_sentence(run: Run, group: list[str]) -> None:
    result = run(*group, "-h")
    assert result.exit_code == 0, result.output
    _, commands = result.stdout.split("Commands:\n")
    assert "..." not in commands


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"vsphere-clone, version {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Run, command: str) -> None:
    assert run(command, "--help").exit_code == 0


@pytest.mark.parametrize("words", [["nothing"], ["images", "--nothing"], ["deploy"], ["images", "--port", "0"]])
def test_wrong_usage_is_2(run: Run, words: list[str]) -> None:
    refused = run(*words)
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_a_failure_is_one_line() -> None:
    failed = CliRunner().invoke(failing(VsphereError("could not; try\nagain")), ["fail"])
    assert (failed.exit_code, failed.stdout, failed.stderr) == (1, "", "error: could not; try again\n")


def test_notes_of_a_failure_are_said() -> None:
    failure = VsphereError("could not")
    failure.add_note("VM 'web' may remain")
    failed = CliRunner().invoke(failing(failure), ["fail"])
    assert failed.stderr == "error: could not; VM 'web' may remain\n"


def test_an_unexpected_failure_is_one_line_too() -> None:
    failed = CliRunner().invoke(failing(KeyError("x")), ["fail"])
    assert (failed.exit_code, failed.stderr) == (1, "error: KeyError: 'x'; --debug shows where\n")


def test_a_failure_of_click_is_spelt_as_the_others() -> None:
    failed = CliRunner().invoke(failing(click.ClickException("no")), ["fail"])
    assert (failed.exit_code, failed.stderr) == (1, "error: no\n")


def test_a_file_that_cannot_be_read_is_named() -> None:
    failed = CliRunner().invoke(failing(PermissionError(13, "Permission denied", "/a/file")), ["fail"])
    assert (failed.exit_code, failed.stderr) == (1, "error: /a/file: Permission denied\n")


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_is_130(interrupt: BaseException) -> None:
    failed = CliRunner().invoke(failing(interrupt), ["fail"])
    assert (failed.exit_code, failed.stderr) == (130, "interrupted\n")


def test_debug_shows_the_traceback() -> None:
    failed = CliRunner().invoke(failing(VsphereError("could not")), ["fail", "--debug"])
    assert failed.exit_code == 1
    assert "Traceback" in failed.stderr
    assert failed.stderr.endswith("error: could not\n")


def test_debug_logs_calls_before_and_behind_the_command(run: Run, bare_lab: Lab) -> None:
    for words in (["--debug", "images"], ["images", "--debug"]):
        shown = run(*words, f"--lab={bare_lab.name}")
        assert shown.exit_code == 0
        assert shown.stderr.count("Login: ok") == 1
        assert bare_lab.password not in shown.output
    assert not run("images", f"--lab={bare_lab.name}").stderr


def test_a_closed_pipe_is_no_traceback(bare_lab: Lab) -> None:
    command = f"{sys.executable} -m libcloud_vsphere_clone.cli nodes --json --lab={bare_lab.name} | true"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ended.stderr == ""


def test_importing_the_command_loads_nothing_heavy() -> None:
    heavy = ("libcloud.", "pyVmomi", "paramiko", "rich")
    program = f"import sys, libcloud_vsphere_clone.cli; print([m for m in sys.modules if m.startswith({heavy!r})])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_as_a_module() -> None:
    command = [sys.executable, "-m", "libcloud_vsphere_clone.cli", "--version"]
    assert subprocess.check_output(command, text=True) == f"vsphere-clone, version {__version__}\n"


def test_completion() -> None:
    shown = CliRunner().invoke(main, [], prog_name="vsphere-clone", env={"_VSPHERE_CLONE_COMPLETE": "bash_source"})
    assert "_VSPHERE_CLONE_COMPLETE=bash_complete" in shown.stdout
