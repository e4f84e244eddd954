"""What is started in a guest to run one command: command in, program and arguments out, result back. (pure)

VMware Tools start a program and tell its exit code, for five minutes. The program started here is a small keeper around
the command: it puts the command in a process group of its own, catches both outputs, ends the group when it is told to
end, and leaves one file, ``result``, with all there is to know. So nothing is lost when nobody asks in time, and one
download brings everything.
"""

from __future__ import annotations

import base64
import ntpath
import posixpath
import re
import shlex
from typing import NamedTuple

from ..errors import InvalidRequestError

__all__ = ["Program", "Result", "build_posix", "build_powershell", "build_windows", "is_absolute", "parse_result"]

LONGEST_REQUEST = 48 * 1024
"""Bytes of a command. VMware Tools take 64 KiB for a whole request (VIX_COMMAND_MAX_REQUEST_SIZE in open-vm-tools)."""

LONGEST_WINDOWS_COMMAND = 6_000
"""Characters. cmd.exe takes 8191, and CreateProcess 32767, of which base64 of UTF-16 leaves three eighths."""

RESULT = "result"
INPUT = "in"

KEEPER = r"""
d=$1 c=$2
if ! mkdir "$d/run" 2>/dev/null; then
  [ -d "$d/run" ] || exit 125
  trap 'kill -TERM "$(cat "$d/run/pid")" 2>/dev/null' TERM
  while [ -d "$d" ] && [ ! -e "$d/result" ]; do sleep 1 & wait $!; done
  exit 0
fi
echo $$ >"$d/run/pid"
in=/dev/null; [ ! -e "$d/in" ] || in=$d/in
group=-; command -v setsid >/dev/null 2>&1 || group=
end() {
  kill -s TERM -- "$group$p" 2>/dev/null
  for i in 1 2 3 4 5; do kill -s 0 -- "$group$p" 2>/dev/null || break; sleep 0.2; done
  kill -s KILL -- "$group$p" 2>/dev/null
}
ended= p=
trap 'ended=1; [ -z "$p" ] || end' TERM
${group:+setsid} "${SHELL:-/bin/sh}" -c "$c" <"$in" >"$d/out" 2>"$d/err" &
p=$!
[ -z "$ended" ] || end
wait "$p"; s=$?
trap '' TERM
[ -z "$ended" ] || s=143
n=$(wc -c <"$d/out")
{ printf '%s %s\n%s\n' "$s" $n "$PWD"; [ $n -eq 0 ] || head -c $n "$d/out"; cat "$d/err"; } >"$d/part" &&
  mv "$d/part" "$d/result"
exit "$s"
"""
"""The first line of the result: the exit status and the size of stdout; the second: the user's home; then both outputs.

Started twice, the second keeper only waits for the first: a request whose reply was lost may be sent again. A process
group of its own, by setsid, is ended as a whole; what a system without setsid leaves running is on its own.
"""

WINDOWS_KEEPER = r"""
$d = '{folder}'
$line = '/d /s /c "chcp 65001 >nul & ({command}) <{input} >"{folder}\out" 2>"{folder}\err""'
$start = New-Object System.Diagnostics.ProcessStartInfo -ArgumentList "$env:SystemRoot\System32\cmd.exe", $line
$start.UseShellExecute = $false
$start.WorkingDirectory = $env:USERPROFILE
$p = [System.Diagnostics.Process]::Start($start)
$p.WaitForExit()
$file = [IO.File]::Create("$d\part")
$out = [IO.File]::Open("$d\out", 'Open', 'Read', 'ReadWrite')
$head = "$($p.ExitCode) $($out.Length)`n$env:USERPROFILE`n"
$bytes = [Text.Encoding]::UTF8.GetBytes($head)
$file.Write($bytes, 0, $bytes.Length)
$out.CopyTo($file)
$err = [IO.File]::Open("$d\err", 'Open', 'Read', 'ReadWrite')
$err.CopyTo($file)
$file.Close()
[IO.File]::Move("$d\part", "$d\result")
exit $p.ExitCode
"""

POWERSHELL = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
POWERSHELL_OPTIONS = "-NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass"

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


def build_posix(folder: str, command: str) -> Program:
    """The keeper for a command, in a temporary folder of its own.

    :raises InvalidRequestError: the command is too long, or has a NUL in it.
    Source: GuestProgramSpec.arguments: "the program will be executed by a guest shell", so they are quoted for one.
    """
    _check_command(command, LONGEST_REQUEST)
    words = ["-c", KEEPER.strip(), "libcloud", folder, command]
    return Program("/bin/sh", shlex.join(words))


def build_windows(folder: str, command: str, *, has_input: bool = False) -> Program:
    """The keeper for a command of cmd.exe. Written after the documentation; it has never been run on a Windows."""
    _check_command(command, LONGEST_WINDOWS_COMMAND)
    source = f'"{folder}\\{INPUT}"' if has_input else "nul"
    script = WINDOWS_KEEPER.strip()
    for name, value in {"{folder}": folder, "{command}": command, "{input}": source}.items():
        script = script.replace(name, value.replace("'", "''"))
    return Program(POWERSHELL, f"{POWERSHELL_OPTIONS} -EncodedCommand {_encoded(script)}")


def build_powershell(script: str) -> str:
    """The command that runs a PowerShell script, whatever characters are in it, with its exit status."""
    wrapped = (
        f"$ProgressPreference = 'SilentlyContinue'\n{script}\nif ($null -ne $LASTEXITCODE) {{ exit $LASTEXITCODE }}"
    )
    return f"powershell.exe {POWERSHELL_OPTIONS} -EncodedCommand {_encoded(wrapped)}"


def parse_result(content: bytes) -> Result:
    """What the keeper wrote.

    :raises ValueError: it is something else.
    """
    head, home, outputs = content.split(b"\n", 2)
    status, size = (int(word) for word in head.split())
    stdout, stderr = outputs[:size], outputs[size:]
    return Result(status, home.decode(errors="replace").strip("\r"), _text(stdout), _text(stderr))


def is_absolute(path: str, *, windows: bool) -> bool:
    return bool(WINDOWS_PATH.match(path)) if windows else path.startswith("/")


def join(folder: str, name: str, *, windows: bool) -> str:
    return ntpath.join(folder, name) if windows else posixpath.join(folder, name)


def parent(path: str, *, windows: bool) -> str:
    return ntpath.dirname(path) if windows else posixpath.dirname(path)


def _check_command(command: str, longest: int) -> None:
    if "\0" in command:
        raise InvalidRequestError("the command has a NUL character in it")
    size = len(command.encode())
    if size > longest:
        raise InvalidRequestError(
            f"the command has {size} bytes, and guest operations take {longest}: put it into the guest as a file, "
            "and run that"
        )


def _encoded(script: str) -> str:
    return base64.b64encode(script.encode("utf-16-le")).decode()


def _text(output: bytes) -> str:
    return output.decode("utf-8", errors="replace")
