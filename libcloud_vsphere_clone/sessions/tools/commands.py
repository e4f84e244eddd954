"""What is started in a guest to run one command: command in, program and arguments out, result back. (pure)

VMware Tools start a program and tell its exit code, for five minutes. The program started here is a small keeper around
the command: it puts the command in a process group of its own, catches both outputs, ends the group when it is told to
end, and leaves one file, ``result``, with all there is to know. So nothing is lost when nobody asks in time, and one
download brings everything.
"""

from __future__ import annotations

import ntpath
import posixpath
import re
import shlex
from typing import IO, NamedTuple

from ...errors import InvalidRequestError
from ..powershell import OPTIONS, POWERSHELL, encoded, one_line, quote

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

KEEPER = r"""
d=$1 c=$2 live=$3
if ! mkdir "$d/run" 2>/dev/null; then
  [ -d "$d/run" ] || exit 125
  trap 'kill -TERM "$(cat "$d/run/pid")" 2>/dev/null' TERM
  while [ -d "$d" ] && [ ! -e "$d/result" ]; do sleep 1 & wait $!; done
  exit 0
fi
echo $$ >"$d/run/pid"
in=/dev/null; [ ! -e "$d/in" ] || in=$d/in
group=-; command -v setsid >/dev/null 2>&1 || group=
heed='env --default-signal=INT,QUIT'; $heed true 2>/dev/null || heed=
end() {
  kill -s TERM -- "$group$p" 2>/dev/null
  for i in 1 2 3 4 5; do kill -s 0 -- "$group$p" 2>/dev/null || break; sleep 0.2; done
  kill -s KILL -- "$group$p" 2>/dev/null
}
out=0 err=0
measure() { n=$(($(wc -c <"$d/out"))) m=$(($(wc -c <"$d/err"))); }
slice() { [ $2 -eq $3 ] || tail -c +$(($2 + 1)) "$d/$1" | head -c $(($3 - $2)); }
leave() {
  {
    printf '%s %s\n%s\n' "$2" $((n - out)) "$PWD" && slice out $out $n && slice err $err $m
  } >"$d/part" && mv "$d/part" "$d/$1" && out=$n err=$m
}
follow() {
  i=0 pause=0.1
  while sleep $pause && [ -d "$d/run/live" ]; do
    case $pause in 0.1) pause=0.3 ;; *) pause=1 ;; esac
    measure
    [ "$n $m" = "$out $err" ] || { leave "piece$i" 0 && i=$((i + 1)); }
  done
  echo $out $err >"$d/run/at"
}
ended= p= q=
trap 'ended=1; [ -z "$p" ] || end' TERM
$heed ${group:+setsid} "${SHELL:-/bin/sh}" -c "$c" <"$in" >"$d/out" 2>"$d/err" &
p=$!
[ -z "$live" ] || { mkdir "$d/run/live"; follow & q=$!; }
[ -z "$ended" ] || end
wait "$p"; s=$?
trap '' TERM
[ -z "$ended" ] || s=143
[ -z "$q" ] || { rmdir "$d/run/live"; wait "$q"; read -r out err <"$d/run/at" || exit "$s"; }
measure
leave result "$s"
exit "$s"
"""
"""The first line of the result: the exit status and the size of stdout; the second: the user's home; then both outputs.
While somebody listens, what has come since the last time is left as ``piece0``, ``piece1`` and so on, of the same form,
and the result has the rest: each byte is fetched once, as no file transfer begins in the middle.

Started twice, the second keeper only waits for the first: a request whose reply was lost may be sent again. A process
group of its own, by setsid, is ended as a whole; what a system without setsid leaves running is on its own. A shell
has what it starts in the background ignore SIGINT and SIGQUIT; only a newer env (coreutils 8.31) undoes that. On a full
disk it may leave no result: then the exit code is known by VMware Tools, and the outputs are in ``out`` and ``err``.
"""

WINDOWS_KEEPER = r"""
$d = <folder>
$run = 'chcp 65001 >nul & (cmd.exe /d /s /c !LIBCLOUD_COMMAND!) <' + <input>
$line = '/d /s /v:on /c "' + $run + ' >"' + $d + '\out" 2>"' + $d + '\err""'
$start = New-Object System.Diagnostics.ProcessStartInfo -ArgumentList "$env:SystemRoot\System32\cmd.exe", $line
$start.EnvironmentVariables['LIBCLOUD_COMMAND'] = <command>
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
"""The command comes by a variable that is only expanded when the line has been understood ("cmd /?", /V:ON): whatever
quotes and brackets are in it, the redirections are of the whole.
"""

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
    """What the first two lines of a file of the keeper's say.

    :param size: how many of the bytes that follow are of stdout; all others are of stderr.
    """

    status: int
    size: int
    home: str


def build_posix(folder: str, command: str, *, live: bool = False) -> Program:
    """The keeper for a command, in a temporary folder of its own.

    :param live: leave pieces of the output while it runs.
    :raises InvalidRequestError: the command is too long, or has a NUL in it.
    Source: GuestProgramSpec.arguments: "the program will be executed by a guest shell", so they are quoted for one.
    """
    _check_command(command, LONGEST_COMMAND)
    before, after = shlex.join(["-c", KEEPER.strip(), "libcloud", folder]), "live" if live else "''"
    arguments = f"{before} {_shell_word(command)} {after}"
    if len(arguments.encode()) > LONGEST_REQUEST:
        raise _too_long(len(arguments.encode()), LONGEST_REQUEST, " when it is quoted for the guest's shell")
    return Program("/bin/sh", arguments)


def build_windows(folder: str, command: str, *, has_input: bool = False) -> Program:
    """The keeper for a command of cmd.exe. Written after the documentation; it has never been run on a Windows.

    :raises InvalidRequestError: the command is too long, has several lines, or a NUL in it.
    """
    _check_command(command, LONGEST_WINDOWS_COMMAND)
    source = f'"{folder}\\{INPUT}"' if has_input else "nul"
    words = {"<folder>": folder, "<command>": f'"{one_line(command)}"', "<input>": source}
    script = re.sub("|".join(words), lambda found: quote(words[found[0]]), WINDOWS_KEEPER.strip())
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
    """:raises InvalidRequestError: a request cannot carry the path as it is."""
    wrong = UNSENDABLE.search(path)
    if wrong:
        raise InvalidRequestError(
            f"guest operations cannot carry the character {wrong[0]!r} of the path {path!r}; run a command that "
            "renames the file, or use another transport"
        )


def read_head(file: IO[bytes]) -> Head:
    """The first two lines of what the keeper left; the outputs follow.

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
