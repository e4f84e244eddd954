"""Command lines and scripts for Windows: texts only, which no Windows here has run."""

from __future__ import annotations

import base64

import pytest

from libcloud_vsphere_clone.sessions.powershell import (
    command_line,
    delete_script,
    encoded_command,
    quote,
    upload_script,
    windows_contents,
    windows_name,
)

FILE = "powershell.exe -NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -File"
UPLOADED = frozenset({"C:\\my dir\\a.ps1", "C:\\my dir\\b.cmd", "C:\\my dir\\notes.txt"})


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("ipconfig /all", "ipconfig /all"),
        ("C:\\x.ps1", f'{FILE} "C:\\x.ps1"'),
        ("C:\\x.PS1 -Name a b", f'{FILE} "C:\\x.PS1" -Name a b'),
        ('"C:\\my dir\\x.ps1" a', f'{FILE} "C:\\my dir\\x.ps1" a'),
        ("C:\\my dir\\a.ps1 1 2", f'{FILE} "C:\\my dir\\a.ps1" 1 2'),
        ("c:\\MY DIR\\a.ps1", f'{FILE} "C:\\my dir\\a.ps1"'),
        ("C:\\my dir\\b.cmd 1", '"C:\\my dir\\b.cmd" 1'),
        ("C:\\my dir\\notes.txt", "C:\\my dir\\notes.txt"),
        ("type C:\\x.ps1", "type C:\\x.ps1"),
        ("C:\\x.ps1.bak", "C:\\x.ps1.bak"),
    ],
)
def test_a_command_becomes_a_command_line(command: str, line: str) -> None:
    assert command_line(command, UPLOADED) == line


def test_encoded_command_is_utf_16() -> None:
    line = encoded_command("'ä'")
    assert base64.b64decode(line.split()[-1]).decode("utf-16-le") == "'ä'"


def test_quote_doubles_all_that_ends_a_string() -> None:
    assert quote("it's ‘so’") == "'it''s ‘‘so’’'"  # noqa: RUF001


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("libcloud_deployment_0123abcd.sh", "libcloud_deployment_0123abcd.sh.ps1"),
        ("C:\\x\\libcloud_deployment_0123abcd.sh", "C:\\x\\libcloud_deployment_0123abcd.sh.ps1"),
        ("my.sh", "my.sh"),
    ],
)
def test_scripts_without_a_name_are_powershell(path: str, name: str) -> None:
    assert windows_name(path) == name


def test_only_powershell_scripts_that_need_it_get_a_byte_order_mark() -> None:
    assert windows_contents("a.ps1", "ä") == "\ufeffä".encode()
    assert windows_contents("a.ps1", "\ufeffä") == "\ufeffä".encode()
    assert windows_contents("a.ps1", "a") == b"a"
    assert windows_contents("a.cmd", "ä") == "ä".encode()


def test_scripts_quote_their_path() -> None:
    assert "Combine($env:USERPROFILE, 'it''s'))" in delete_script("it's")
    assert "Combine($env:USERPROFILE, 'it''s'))" in upload_script("it's", append=False)
    assert "'Append'" not in upload_script("a", append=False)
    assert "'Append'" in upload_script("a", append=True)
