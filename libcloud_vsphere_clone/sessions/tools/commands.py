"""What is started in a guest to run one command: command in, program and arguments out, result back. (pure)

The program is a supervisor of the command: see ``supervisors.py``.
"""

from __future__ import annotations

import ntpath
import posixpath
import re
import shlex
from typing import IO, NamedTuple

from ...errors import InvalidRequestError
from ..powershell import OPTIONS, POWERSHELL, encoded, one_line, quote
from .supervisors import POSIX_SUPERVISOR, WINDOWS_SUPERVISOR

__all__ = [
    "Head",
    "Program",
    "Result",
    "build_posix",
    "build_powershell",
    "build_windows",
    "check_path",
    "is_absolute",
    "join",
    "parent",
    "read_head",
]

LONGEST_REQUEST = 56 * 1024
"""Bytes of a program's arguments. VMware Tools take 64 KiB for a whole request (VIX_COMMAND_MAX_REQUEST_SIZE in
open-vm-tools)."""

LONGEST_COMMAND = 48 * 1024
"""Bytes of a command. Quoted for the guest's shell it is longer: each single quote takes five."""

LONGEST_WINDOWS_COMMAND = 6_000
"""Characters. cmd.exe takes 8191, and CreateProcess 32767, of which base64 of UTF-16 leaves three eighths."""

RESULT, PIECE = "result", "piece"
OUTPUTS = ("out", "err")
INPUT = "in"

POWERSHELL_PATH = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"

UNSENDABLE = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What requests cannot carry: characters that XML lacks, and the carriage return, which arrives as a line feed."""

WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]|\\\\")


class Program(NamedTuple):
    """What StartProgramInGuest takes."""

    path: str
    arguments: str


class Result(NamedTuple):
    """What a command left.

    :param home: the folder in which it started.
    """

    status: int
    home: str
    stdout: str
    stderr: str


class Head(NamedTuple):
    """What the first two lines of a file of the supervisor's say.

    :param size: how many of the bytes that follow are of stdout; all others are of stderr.
    """

    status: int
    size: int
    home: str


def build_posix(folder: str, command: str, *, live: bool = False) -> Program:
    """The supervisor for a command, in a temporary folder of its own.

    :param live: leave pieces of the output while it runs.
    :raises InvalidRequestError: the command is too long, or has a NUL in it.
    Source: GuestProgramSpec.arguments: "the program will be executed by a guest shell", so they are quoted for one.
    """
    _check_command(command, LONGEST_COMMAND)
    before, after = shlex.join(["-c", POSIX_SUPERVISOR.strip(), "libcloud", folder]), "live" if live else "''"
    arguments = f"{before} {_shell_word(command)} {after}"
    if len(arguments.encode()) > LONGEST_REQUEST:
        raise _too_long(len(arguments.encode()), LONGEST_REQUEST, " when it is quoted for the guest's shell")
    return Program("/bin/sh", arguments)


def build_windows(folder: str, command: str, *, has_input: bool = False) -> Program:
    """The supervisor for a command of cmd.exe. Written after the documentation; it has never been run on a Windows.

    :raises InvalidRequestError: the command is too long, has several lines, or a NUL in it.
    """
    _check_command(command, LONGEST_WINDOWS_COMMAND)
    source = f'"{folder}\\{INPUT}"' if has_input else "nul"
    words = {"<folder>": folder, "<command>": f'"{one_line(command)}"', "<input>": source}
    script = re.sub("|".join(words), lambda found: quote(words[found[0]]), WINDOWS_SUPERVISOR.strip())
    return Program(POWERSHELL_PATH, f"{OPTIONS} {encoded(script)}")


def build_powershell(script: str) -> str:
    """The command that runs a PowerShell script, whatever characters are in it, with its exit status."""
    wrapped = (
        f"$ProgressPreference = 'SilentlyContinue'\n{script}\nif ($null -ne $LASTEXITCODE) {{ exit $LASTEXITCODE }}"
    )
    return f"{POWERSHELL} {encoded(wrapped)}"


def _shell_word(command: str) -> str:
    """The command as one word for a shell; what XML has no place for is put in by the shell."""
    if not UNSENDABLE.search(command):
        return shlex.quote(command)
    escaped = UNSENDABLE.sub(_octal, command.replace("\\", r"\\"))
    return f'"$(printf %b {shlex.quote(escaped)})"'


def _octal(found: re.Match[str]) -> str:
    return "".join(f"\\0{byte:03o}" for byte in found[0].encode(errors="surrogateescape"))


def check_path(path: str) -> None:
    """Refuse a path that a request cannot carry as it is.

    :raises InvalidRequestError: it has such a character.
    """
    wrong = UNSENDABLE.search(path)
    if wrong:
        raise InvalidRequestError(
            f"guest operations cannot carry the character {wrong[0]!r} of the path {path!r}; run a command that "
            "renames the file, or use another transport"
        )


def read_head(file: IO[bytes]) -> Head:
    """The first two lines of what the supervisor left; the outputs follow.

    :raises ValueError: it is something else.
    """
    status, size = (int(word) for word in file.readline().split())
    return Head(status, size, file.readline().decode(errors="replace").rstrip("\r\n"))


def is_absolute(path: str, *, windows: bool) -> bool:
    return bool(WINDOWS_PATH.match(path)) if windows else path.startswith("/")


def join(folder: str, name: str, *, windows: bool) -> str:
    return ntpath.join(folder, name) if windows else posixpath.join(folder, name)


def parent(path: str, *, windows: bool) -> str:
    return ntpath.dirname(path) if windows else posixpath.dirname(path)


def _check_command(command: str, longest: int) -> None:
    if "\0" in command:
        raise InvalidRequestError("the command has a NUL character in it")
    size = len(command.encode(errors="surrogateescape"))
    if size > longest:
        raise _too_long(size, longest)


def _too_long(size: int, longest: int, when: str = "") -> InvalidRequestError:
    return InvalidRequestError(
        f"the command has {size} bytes{when}, and guest operations take {longest}: put it into the guest as a file, "
        "and run that"
    )
