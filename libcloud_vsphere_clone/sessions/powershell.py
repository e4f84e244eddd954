"""Command lines and scripts for Windows, as text.

Takes paths and scripts; gives what a guest is to be told. Pure: nothing here talks to a guest.
"""

from __future__ import annotations

import base64
import re

from ..errors import InvalidRequestError

__all__ = [
    "LONGEST_INLINE",
    "OPTIONS",
    "POWERSHELL",
    "command_line",
    "delete_script",
    "encoded",
    "encoded_command",
    "one_line",
    "quote",
    "upload_script",
    "windows_contents",
    "windows_name",
]

OPTIONS = "-NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass"
POWERSHELL = f"powershell.exe {OPTIONS}"
LONGEST_INLINE = 8000
"""Characters of a command line: cmd.exe takes 8191, with its own name."""

LIBCLOUD_NAME = re.compile(r"(?:^|[\\/])libcloud_deployment_[0-9a-f]{8}\.sh$")
SINGLE_QUOTES = re.compile("(['‘’‚‛])")  # noqa: RUF001  all of them end a string in PowerShell
SCRIPT_PATH = re.compile(r'\s*(?:"([^"]+\.ps1)"|([^\s"&|<>]+\.ps1))(?=\s|$)', re.IGNORECASE)
BATCH_PATH = re.compile(r"\.(?:bat|cmd|exe|com)$", re.IGNORECASE)


def windows_name(path: str) -> str:
    """Where a file of this path is kept.

    Libcloud names a script without a name ``libcloud_deployment_….sh``, which Windows can't run: it is PowerShell
    here, kept as ``….sh.ps1``.
    """
    return f"{path}.ps1" if LIBCLOUD_NAME.search(path) else path


def windows_contents(path: str, contents: str) -> bytes:
    """A text file's bytes: UTF-8.

    A PowerShell script that is not ASCII begins with a byte order mark, without which Windows PowerShell reads the
    guest's old code page.
    """
    marked = path.lower().endswith(".ps1") and not contents.isascii() and not contents.startswith("\ufeff")
    return contents.encode("utf-8-sig" if marked else "utf-8")


def quote(text: str) -> str:
    """A PowerShell string that is exactly this text.

    Source: about_Quoting_Rules.
    """
    return "'" + SINGLE_QUOTES.sub(r"\1\1", text) + "'"


def one_line(command: str) -> str:
    """The command for cmd.exe, which takes the first line for all, and says nothing of the others.

    :raises InvalidRequestError: it has several lines.
    """
    line = command.strip("\r\n")
    if "\n" in line or "\r" in line:
        raise InvalidRequestError(
            "the command has several lines, of which cmd.exe would run the first only: join them with &, give them to "
            "run_powershell, or put them into the guest as a file, and run that"
        )
    return line


def encoded(script: str) -> str:
    """The options that run a script without quoting it.

    Source: about_PowerShell_exe, -EncodedCommand (base64 of UTF-16LE).
    """
    return f"-EncodedCommand {base64.b64encode(script.encode('utf-16-le')).decode()}"


def encoded_command(script: str) -> str:
    """The command line that runs a script without quoting it, its errors as text."""
    return f"{POWERSHELL} -OutputFormat Text {encoded(script)}"


def command_line(command: str, uploaded: frozenset[str] = frozenset()) -> str:
    """What cmd.exe is told for a command: a ``.ps1`` at its start is run by PowerShell, all else as it is.

    :param uploaded: absolute paths of files that are there by ``put``. Libcloud begins a script's command with such
        a path without quoting it, and it may have blanks.
    :raises InvalidRequestError: it has several lines.
    Source: about_PowerShell_exe, -File (the script's ``exit`` is the exit status; 1 after an uncaught error).
    """
    command = one_line(command)
    for path in sorted(uploaded, key=len, reverse=True):
        if command.lower().startswith(path.lower()) and command[len(path) : len(path) + 1] in ("", " "):
            if path.lower().endswith(".ps1"):
                return f'{POWERSHELL} -File "{path}"{command[len(path) :]}'
            if BATCH_PATH.search(path):
                return f'"{path}"{command[len(path) :]}'
    match = SCRIPT_PATH.match(command)
    if match is None:
        return command
    return f'{POWERSHELL} -File "{match[1] or match[2]}"{command[match.end() :]}'


def upload_script(path: str, *, append: bool) -> str:
    """A script that writes what comes as lines of base64 to a file, and prints the file's absolute path.

    The last line is ``=`` and the SHA-256 of the whole; without it, or with a wrong one, the file is left as it was.
    What comes goes into a temporary file, which is copied: a moved one would keep the temporary folder's permissions.
    """
    copy = (
        "$to = [IO.File]::Open($path, 'Append'); $from = [IO.File]::OpenRead($part); "
        "$from.CopyTo($to); $from.Close(); $to.Close()"
        if append
        else "[IO.File]::Copy($part, $path, $true)"
    )
    return UPLOAD.replace("<path>", quote(path)).replace("<copy>", copy)


def delete_script(path: str) -> str:
    """A script that deletes a file; exit status 2 when there is none."""
    return DELETE.replace("<path>", quote(path))


ABSOLUTE = "[IO.Path]::GetFullPath([IO.Path]::Combine($env:USERPROFILE, <path>))"
"""Combine gives the second path alone when that is absolute."""

UPLOAD = f"""
begin {{
    $ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'
    $path = {ABSOLUTE}
    $part = [IO.Path]::GetTempFileName()
    $file = [IO.File]::Create($part)
    $sha256 = New-Object Security.Cryptography.SHA256CryptoServiceProvider
    $wanted = ''
}}
process {{
    $line = [string]$_
    if ($line.StartsWith('=')) {{ $wanted = $line.Substring(1).Trim() }}
    else {{
        $bytes = [Convert]::FromBase64String($line)
        [void]$sha256.TransformBlock($bytes, 0, $bytes.Length, $null, 0)
        $file.Write($bytes, 0, $bytes.Length)
    }}
}}
end {{
    $file.Close()
    try {{
        [void]$sha256.TransformFinalBlock((New-Object byte[] 0), 0, 0)
        $came = [BitConverter]::ToString($sha256.Hash).Replace('-', '').ToLowerInvariant()
        if ($came -ne $wanted) {{ throw "the file came damaged: SHA-256 $came, not $wanted" }}
        [void][IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($path))
        <copy>
    }}
    finally {{ [IO.File]::Delete($part) }}
    [Console]::Out.WriteLine($path)
}}
"""

DELETE = f"""
$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'
$path = {ABSOLUTE}
if (-not [IO.File]::Exists($path)) {{ exit 2 }}
[IO.File]::Delete($path)
"""
